import pytest
import torch
from torchmetrics.functional.retrieval import retrieval_precision as torchmetrics_precision

from quaterion_core.eval.pair import RetrievalPrecision, retrieval_precision


@pytest.mark.parametrize("k", [1, 2, 5, 11, 12, 40])
@pytest.mark.parametrize("seed", range(3))
def test_values_are_those_of_torchmetrics(seed, k, random_matrices):
    distances, labels = random_matrices(seed)
    expected = [
        torchmetrics_precision(1 - row, label.bool(), top_k=k)
        for row, label in zip(distances, labels, strict=True)
    ]
    torch.testing.assert_close(retrieval_precision(distances, labels, k), torch.stack(expected))


def test_values_by_hand():
    # Angles from row 0: 10, 20, 90 degrees; its partner, row 2, is second.
    angles = torch.deg2rad(torch.tensor([0.0, 10.0, 20.0, 90.0]))
    embeddings = torch.stack((angles.cos(), angles.sin()), dim=1)
    targets = {
        "labels": torch.ones(2),
        "pairs": torch.tensor([[0, 2], [1, 3]]),
        "subgroups": torch.tensor([0, 1, 0, 1]),
    }
    at_1 = RetrievalPrecision(k=1, reduce_func=None).compute(embeddings, **targets)
    at_2 = RetrievalPrecision(k=2, reduce_func=None).compute(embeddings, **targets)
    at_3 = RetrievalPrecision(k=3, reduce_func=None).compute(embeddings, **targets)
    assert at_1.tolist() == [0, 0, 0, 0]
    assert at_2.tolist() == [0.5, 0, 0.5, 0.5]
    torch.testing.assert_close(at_3, torch.full((4,), 1 / 3))


def test_ties_count_against_the_model():
    distances = torch.tensor([[0.1, 0.5, 0.5, 0.5]])
    labels = torch.tensor([[0, 1, 1, 0]])
    values = [retrieval_precision(distances, labels, k).item() for k in (1, 2, 3, 4)]
    assert values == pytest.approx([0, 0, 1 / 3, 2 / 4])


@pytest.mark.parametrize("distance", ["cosine", "euclidean", "manhattan", "dot_product"])
def test_collapsed_model_scores_nothing(distance, pair_targets):
    embeddings = torch.ones(20, 8)
    assert RetrievalPrecision(1, distance).compute(embeddings, **pair_targets(10)) == 0


def test_ties_do_not_depend_on_the_order_of_the_data():
    distances = torch.tensor([[0.5, 0.5, 0.5, 0.2]])
    labels = torch.tensor([[1, 0, 0, 0]])
    for shift in range(4):
        assert retrieval_precision(distances.roll(shift, 1), labels.roll(shift, 1), 2).item() == 0


def test_fewer_objects_than_k_are_misses(pair_targets):
    assert RetrievalPrecision(k=10).compute(torch.eye(2), **pair_targets(1)).item() == (
        pytest.approx(1 / 10)
    )


@pytest.mark.parametrize("k", [0, -1])
def test_k_below_one_is_refused(k):
    with pytest.raises(ValueError, match="1 or more"):
        RetrievalPrecision(k=k)
    with pytest.raises(ValueError, match="1 or more"):
        retrieval_precision(torch.zeros(1, 2), torch.zeros(1, 2), k)
