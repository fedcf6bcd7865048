import pytest
import torch

from quaterion_core.dataset import SimilarityPairSample
from quaterion_core.eval import (
    AttachedMetric,
    Evaluator,
    PairSampler,
    PairScoreMetric,
    RetrievalReciprocalRank,
)


class Scored(PairScoreMetric):
    """Returns the mean similarity of pairs with label 1, and records its input."""

    def score(self, similarities, labels):
        self.given = dict(zip(similarities.tolist(), labels.tolist(), strict=True))
        return similarities[labels == 1].mean()


EMBEDDINGS = torch.tensor([[1.0, 2.0], [0.0, 1.0], [3.0, 1.0], [2.0, 7.0]])


def targets():
    return {
        "labels": torch.tensor([1.0, 0.0]),
        "pairs": torch.tensor([[0, 2], [1, 3]]),
        "subgroups": torch.tensor([0, 1, 0, 1]),
    }


def test_pairs_of_the_label_0_are_scored_too():
    metric = Scored("dot_product")
    assert metric.compute(EMBEDDINGS, **targets()) == 5
    assert metric.given == {5.0: 1.0, 7.0: 0.0}
    assert Scored("manhattan").compute(EMBEDDINGS, **targets()) == pytest.approx(1 / 4)


def test_batches_are_collected():
    metric = Scored("dot_product")
    metric.update(EMBEDDINGS, **targets())
    metric.update(2 * EMBEDDINGS, **targets())
    assert metric.evaluate() == (5 + 20) / 2
    metric.reset()
    with pytest.raises(RuntimeError, match="nothing to evaluate"):
        metric.compute()


def test_an_evaluator_shares_one_pass_with_metrics_of_retrieval(table_model):
    model = table_model(EMBEDDINGS)
    samples = [SimilarityPairSample(0, 2), SimilarityPairSample(1, 3, score=0.0)]
    metrics = {"score": Scored("dot_product"), "rank": RetrievalReciprocalRank("dot_product")}
    values = Evaluator(metrics, PairSampler(log_progress=False)).evaluate(samples, model)
    assert values["score"] == 5
    assert len(model.encoded) == 4


@pytest.mark.parametrize("distinguish", [True, False])
def test_a_sample_of_queries_leaves_the_pairs_that_hold_one(distinguish, table_model):
    table = torch.arange(1.0, 21.0).unsqueeze(1)
    samples = [SimilarityPairSample(n, n + 10) for n in range(10)]
    sampler = PairSampler(sample_size=3, distinguish=distinguish, log_progress=False)
    metric = Scored("dot_product")
    Evaluator({"score": metric}, sampler).evaluate(samples, table_model(table))
    number = 10 if distinguish else 20
    drawn = torch.randperm(number, generator=torch.Generator().manual_seed(0))[:3].tolist()
    expected = {float((row % 10 + 1) * (row % 10 + 11)) for row in drawn}
    assert set(metric.given) == expected


def test_a_matrix_of_queries_and_candidates_is_refused():
    with pytest.raises(TypeError, match="Scored compares the two objects of each pair"):
        Scored().raw_compute(torch.zeros(2, 2), torch.zeros(2, 2))


def test_it_is_built_again_from_its_configuration():
    config = Scored("euclidean").get_config_dict()
    assert config == {"distance_metric_name": "euclidean"}
    assert Scored.from_config(config).get_config_dict() == config


def test_other_targets_are_ignored():
    attached = AttachedMetric("score", Scored("dot_product"))
    assert attached.compute(EMBEDDINGS, **targets(), guide_embeddings=torch.ones(4, 7)) == 5
    attached.update(EMBEDDINGS, **targets(), guide_embeddings=torch.ones(4, 7))
    assert attached.evaluate() == 5
