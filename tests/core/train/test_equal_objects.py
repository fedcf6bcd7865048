"""Shared positives: the same loss cached, in chunks, and in the memory, as by hand."""

import pytest
import pytorch_lightning as pl
import torch
import torch.nn.functional as F

from quaterion_core import Quaterion, TrainableModel
from quaterion_core.dataset import PairsSimilarityDataLoader, SimilarityPairSample
from quaterion_core.heads import GatedHead
from quaterion_core.loss import MultipleNegativesRankingLoss, PairwiseLoss
from quaterion_core.train.cache import CacheConfig
from quaterion_core.train.xbm import XbmConfig

POINTS = torch.randn(6, 6, generator=torch.Generator().manual_seed(3)).tolist()
# The first and the third pair share a positive, though they come in different batches of two.
PAIRS = [
    SimilarityPairSample(POINTS[query], POINTS[answer])
    for query, answer in ((0, 4), (1, 4), (2, 4), (3, 5))
]


class WithoutObjects(PairwiseLoss):
    """Knows pairs, labels and subgroups only."""

    def forward(self, embeddings, pairs, labels, subgroups):
        return MultipleNegativesRankingLoss(scale=1.0)(embeddings, pairs, labels, subgroups)


class Losses(pl.Callback):
    def __init__(self):
        self.values = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.values.append(float(outputs["loss"]))


@pytest.fixture
def fit(vector_encoder, make_trainer):
    def fit(batch_size, loss=None, cache=None, memory=None, **arguments):
        class Model(TrainableModel):
            def configure_encoders(self):
                return vector_encoder(6, 5, trainable=False)

            def configure_head(self, input_embedding_size):
                return GatedHead(input_embedding_size)

            def configure_loss(self):
                return loss or MultipleNegativesRankingLoss(scale=1.0)

            def configure_caches(self):
                return cache

            def configure_xbm(self):
                return memory

            def configure_optimizers(self):
                return torch.optim.SGD(self.parameters(), lr=1e-9)

        torch.manual_seed(0)
        model = Model()
        losses = Losses()
        trainer = make_trainer(callbacks=[losses], max_epochs=1)
        Quaterion.fit(
            model, trainer, PairsSimilarityDataLoader(PAIRS, batch_size=batch_size), **arguments
        )
        encoded = model.model.encode(POINTS, to_numpy=False)
        return losses.values, F.normalize(encoded, dim=1)

    return fit


def term(unit, query, answer, *negatives):
    return -F.log_softmax(unit[query] @ unit[[answer, *negatives]].T, dim=0)[0].item()


@pytest.mark.parametrize(
    "way",
    [
        {},
        {"grad_cache_chunk": 3},
        {"loss": WithoutObjects()},
        {"cache": CacheConfig(batch_size=2)},
        {"cache": CacheConfig(batch_size=2, key_extractors=lambda obj: repr(obj))},
    ],
    ids=["plain", "in chunks", "without objects", "cached", "cached by key"],
)
def test_shared_positives_are_no_negatives(fit, way):
    (loss,), unit = fit(batch_size=4, **way)
    of_shared = [term(unit, query, 4, 5) for query in (0, 1, 2)]
    expected = (sum(of_shared) + term(unit, 3, 5, 4, 4, 4)) / 4
    assert loss == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("cache", [None, CacheConfig(batch_size=2)])
def test_the_memory_knows_shared_positives(fit, cache):
    memory = XbmConfig(buffer_size=4, start_iteration=0)
    (first, second), unit = fit(batch_size=2, cache=cache, memory=memory)
    assert first == pytest.approx(0, abs=1e-6)  # nothing but shared positives
    in_batch = (term(unit, 2, 4, 5) + term(unit, 3, 5, 4)) / 2
    against_memory = (0 + term(unit, 3, 5, 4, 4)) / 2
    assert second == pytest.approx(in_batch + against_memory, abs=1e-5)
