"""Which scores a loss takes, and which of them are positives."""

import math

import pytest
import torch

from quaterion_core import Quaterion
from quaterion_core.components import build_component
from quaterion_core.dataset import PairsSimilarityDataLoader, SimilarityPairSample
from quaterion_core.loss import (
    ContrastiveLoss,
    MatryoshkaLoss,
    MultipleNegativesRankingLoss,
    NTXentLoss,
)
from quaterion_nlp import (
    AnglELoss,
    CoSENTLoss,
    CosineRegressionLoss,
    GuidedNegativesRankingLoss,
    KLDistillationLoss,
    MarginMSELoss,
)

PAIRS = torch.tensor([[0, 3], [1, 4], [2, 5]])
RANKING = [MultipleNegativesRankingLoss, NTXentLoss, GuidedNegativesRankingLoss]


def value(loss, labels, embeddings=None):
    drawn = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    embeddings = drawn if embeddings is None else embeddings
    return loss(embeddings, PAIRS, torch.tensor(labels), torch.arange(3).repeat(2)).item()


@pytest.mark.parametrize("make", [ContrastiveLoss, *RANKING])
@pytest.mark.parametrize("labels", [[0.0, 2.5, 5.0], [-1.0, 0.0, 1.0]])
def test_scores_outside_of_0_to_1_are_refused(make, labels):
    low, high = labels[0], labels[-1]
    name = make.__name__
    message = f"scores from 0 to 1 for {name}, got scores from {low:g} to {high:g}.*score_range"
    with pytest.raises(ValueError, match=message):
        value(make(), labels)
    assert math.isfinite(value(make(), [0.0, 0.5, 1.0]))


def test_cosines_are_regressed_from_minus_1_to_1():
    assert value(CosineRegressionLoss(), [-1.0, 0.0, 1.0]) > 0
    with pytest.raises(ValueError, match="Expected scores from -1 to 1"):
        value(CosineRegressionLoss(), [0.0, 2.5, 5.0])


@pytest.mark.parametrize("make", [CoSENTLoss, AnglELoss, MarginMSELoss, KLDistillationLoss])
def test_an_order_or_a_teacher_may_have_any_scores(make):
    assert math.isfinite(value(make(), [-3.0, 2.5, 50.0]))


def test_the_range_is_that_of_the_wrapped_loss():
    loss = MatryoshkaLoss(ContrastiveLoss(), dims=[4, 2])
    for check in (
        lambda: value(loss, [0.0, 1.0, 5.0]),
        lambda: loss.check_scores(torch.tensor([5.0])),
    ):
        with pytest.raises(ValueError, match="Expected scores from 0 to 1 for ContrastiveLoss"):
            check()
    MatryoshkaLoss(CoSENTLoss(), dims=[4, 2]).check_scores(torch.tensor([5.0]))


@pytest.mark.parametrize("make", RANKING)
def test_a_low_score_is_no_positive_of_a_ranking_loss(make):
    """Whatever was above 0 was one."""
    assert value(make(), [0.3, 0.3, 0.3]) == 0
    lenient = make(positive_from=0.2)
    assert value(lenient, [0.3, 0.3, 0.3]) > 0
    again = make.from_config(lenient.get_config_dict())
    assert again.positive_from == 0.2


def test_a_pair_between_has_no_term_and_is_a_negative_of_other_pairs():
    embeddings = torch.tensor([[1.0], [2.0], [3.0], [1.0], [0.5], [0.25]])
    loss = MultipleNegativesRankingLoss(scale=1.0, distance_metric_name="dot_product")
    logits = [1.0, 0.5, 0.25]  # of the first obj_a
    expected = math.log(sum(math.exp(logit - 1.0) for logit in logits))
    assert value(loss, [1.0, 0.3, 0.0], embeddings) == pytest.approx(expected)


@pytest.mark.parametrize("make", RANKING)
@pytest.mark.parametrize("positive_from", [0, -1, 1.5, float("nan")])
def test_the_lowest_positive_score_is_in_range(make, positive_from):
    with pytest.raises(ValueError, match="Expected positive_from"):
        make(positive_from=positive_from)


def test_scores_of_a_list_are_checked_before_training(make_sts_model):
    samples = [SimilarityPairSample([1.0], [2.0], score) for score in [0.0] * 9 + [5.0]]
    model, trainer = make_sts_model()
    with pytest.raises(ValueError, match="Expected scores from 0 to 1 for ContrastiveLoss"):
        Quaterion.fit(model, trainer, PairsSimilarityDataLoader(samples, batch_size=2))
    assert trainer.global_step == 0
    samples[3].score = "0.5"
    with pytest.raises(ValueError, match="sample 3 has the score '0.5'"):
        Quaterion.fit(model, trainer, PairsSimilarityDataLoader(samples, batch_size=2))


@pytest.fixture
def make_sts_model(vector_encoder, tmp_path):
    import pytorch_lightning as pl

    from quaterion_core import TrainableModel
    from quaterion_core.heads import EmptyHead

    class Model(TrainableModel):
        def configure_encoders(self):
            return vector_encoder(1, 4)

        def configure_head(self, input_embedding_size):
            return EmptyHead(input_embedding_size)

        def configure_loss(self):
            return build_component("loss", "contrastive")

    def make():
        return Model(), pl.Trainer(
            max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False,
            default_root_dir=tmp_path,
        )  # fmt: skip

    return make
