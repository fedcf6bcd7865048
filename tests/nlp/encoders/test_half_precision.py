"""Training runs in half and in double precision, with encoders of texts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from quaterion_core import Quaterion, SimilarityModel
from quaterion_core.dataset import PairsSimilarityDataLoader, SimilarityPairSample
from quaterion_core.train.cache import CacheConfig

pytestmark = pytest.mark.usefixtures("without_network")

TEXTS = [("a red house", "very long"), ("green", "a house"), ("long long", "red green")]
SAMPLES = [SimilarityPairSample(*pair) for pair in TEXTS]


def train(trainer, choice, head="skip-connection", cache=None):
    torch.manual_seed(0)
    model = Quaterion.build(
        encoder=choice, head=head, loss="multiple-negatives-ranking", data=SAMPLES, cache=cache,
        optimizer={"name": "sgd", "lr": 0.1},  # eps of Adam is 0 in float16
    )  # fmt: skip
    before = {name: value.clone() for name, value in model.named_parameters()}
    loader = PairsSimilarityDataLoader(SAMPLES, batch_size=3)
    Quaterion.fit(model, trainer, loader, loader)
    return model, {n for n, p in model.named_parameters() if not torch.equal(p, before[n].to(p))}


@pytest.mark.filterwarnings("ignore:.*LeafSpec", "ignore:.*does not have many workers")
@pytest.mark.parametrize("precision", ["bf16-true", "16-true", "64-true"])
@pytest.mark.parametrize(
    ("part", "cache"),
    [({"trainable": True}, None), ({}, CacheConfig()), ({"precision": "bfloat16"}, None)],
    ids=["trainable", "cached", "held in half"],
)
def test_a_sentence_transformer_trains_and_serves(
    tiny_folder, tmp_path, precision, part, cache, quiet_trainer
):
    choice = {"name": "sentence-transformer", "model": str(tiny_folder), **part}
    trainer = quiet_trainer(max_epochs=1, precision=precision)
    model, changed = train(trainer, choice, cache=cache)
    assert any("head" in name for name in changed)
    texts = [text for pair in TEXTS for text in pair]
    embeddings = model.model.encode(texts)
    model.save_servable(tmp_path / "model")
    served = SimilarityModel.load(tmp_path / "model").encode(texts)
    np.testing.assert_allclose(served, embeddings.astype(served.dtype), atol=0.05)


@pytest.mark.filterwarnings("ignore:.*LeafSpec", "ignore:.*does not have many workers")
@pytest.mark.parametrize("precision", ["bf16-true", "16-true", "64-true"])
def test_a_static_encoder_trains(precision, quiet_trainer):
    choice = {"name": "static", "vocab_size": 300, "embedding_size": 8}
    trainer = quiet_trainer(max_epochs=1, precision=precision)
    model, changed = train(trainer, choice, head="gated")
    assert any("embedding" in name for name in changed)
    assert np.isfinite(model.model.encode(["a red house", ""])).all()
