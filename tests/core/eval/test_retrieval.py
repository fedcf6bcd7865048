import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from quaterion_core.distances import Euclidean, Manhattan
from quaterion_core.eval import (
    GroupMetric,
    KNNAccuracy,
    RetrievalPrecision,
    RetrievalReciprocalRank,
    RetrievalRPrecision,
    retrieval,
)
from quaterion_core.eval.retrieval import MAX_BLOCK_ELEMENTS, Retrieval
from quaterion_core.eval.scoring import score


@pytest.fixture
def asked_shapes(monkeypatch):
    """Record the shapes of all matrices of queries and candidates that are computed."""
    shapes = []
    for name in ("scores", "distance_matrix"):
        original = getattr(Retrieval, name)

        def recorded(self, *arguments, original=original):
            matrix = original(self, *arguments)
            shapes.append(tuple(matrix.shape))
            return matrix

        monkeypatch.setattr(Retrieval, name, recorded)
    return shapes


@pytest.fixture
def pairs_of_ninety(pair_targets):
    embeddings = torch.randn(180, 6, generator=torch.Generator().manual_seed(0))
    embeddings[90:] += embeddings[:90]
    return embeddings, pair_targets(90)


def test_blocks_of_a_large_dataset_are_bounded():
    large = Retrieval(torch.empty(100_000, 1), {})
    sizes = [len(block) for block in large.query_blocks()]
    assert sum(sizes) == 100_000
    assert max(sizes) * 100_000 <= MAX_BLOCK_ELEMENTS


def test_more_candidates_than_a_block_holds_are_searched_by_single_queries(monkeypatch):
    monkeypatch.setattr(retrieval, "MAX_BLOCK_ELEMENTS", 10)
    assert [len(block) for block in Retrieval(torch.empty(40, 1), {}).query_blocks()] == [1] * 40


def test_metrics_never_ask_for_more_distances_than_a_block(
    monkeypatch, asked_shapes, pairs_of_ninety
):
    monkeypatch.setattr(retrieval, "MAX_BLOCK_ELEMENTS", 180 * 7)
    embeddings, targets = pairs_of_ninety
    metric = RetrievalReciprocalRank()
    metric.update(embeddings, **targets)
    metric.compute()
    assert max(rows * columns for rows, columns in asked_shapes) <= 180 * 7
    assert sum(rows for rows, _ in asked_shapes) == 180


@pytest.mark.parametrize("rows", [1, 7, 180])
@pytest.mark.parametrize("reduce_func", [None, torch.mean, torch.median])
def test_value_does_not_depend_on_the_size_of_blocks(
    monkeypatch, rows, reduce_func, pairs_of_ninety
):
    embeddings, targets = pairs_of_ninety
    metric = RetrievalReciprocalRank(reduce_func=reduce_func)
    labels, distances = metric.precompute(embeddings, **targets)
    expected = metric.raw_compute(distances, labels)
    monkeypatch.setattr(retrieval, "MAX_BLOCK_ELEMENTS", 180 * rows)
    torch.testing.assert_close(metric.compute(embeddings, **targets), expected)


def test_metrics_share_distances(asked_shapes, monkeypatch, pairs_of_ninety):
    monkeypatch.setattr(retrieval, "MAX_BLOCK_ELEMENTS", 180 * 60)
    metrics = {f"p@{k}": RetrievalPrecision(k) for k in (1, 5)} | {"mrr": RetrievalReciprocalRank()}
    score(metrics, Retrieval(*pairs_of_ninety))
    assert asked_shapes == [(60, 180)] * 3


def test_metrics_of_different_distances_have_their_own(asked_shapes, pairs_of_ninety):
    embeddings, targets = pairs_of_ninety
    metrics = {name: RetrievalPrecision(1, name) for name in ("cosine", "euclidean")}
    values = score(metrics, Retrieval(embeddings, targets)).values
    assert asked_shapes == [(180, 180)] * 2
    for name, metric in metrics.items():
        assert values[name] == metric.compute(embeddings, **targets)


def test_values_are_in_the_order_of_the_metrics(pairs_of_ninety):
    class Whole(RetrievalPrecision):
        def raw_compute(self, distance_matrix, labels):
            return super().raw_compute(distance_matrix, labels)

    metrics = {"c": RetrievalPrecision(), "a": Whole(), "b": RetrievalReciprocalRank()}
    assert list(score(metrics, Retrieval(*pairs_of_ninety)).values) == ["c", "a", "b"]


def test_block_without_any_relevant_object_counts_for_nothing(monkeypatch):
    monkeypatch.setattr(retrieval, "MAX_BLOCK_ELEMENTS", 4 * 2)
    embeddings = torch.tensor([[0.0], [9.0], [1.0], [1.5]])
    groups = torch.tensor([1, 2, 3, 3])  # the first block, rows 0 and 1, has nothing to find
    assert RetrievalRPrecision("euclidean").compute(embeddings, groups).item() == 1.0


def test_candidates_are_columns_and_a_query_among_them_is_hidden():
    embeddings = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    part = Retrieval(
        embeddings,
        {"groups": torch.tensor([5, 5, 6, 5])},
        queries=torch.tensor([1, 2]),
        candidates=torch.tensor([3, 1]),
    )
    distances = part.distance_matrix(Euclidean(), part.queries)
    assert distances.tolist() == [[6.0, torch.inf], [4.0, 2.0]]
    labels = part.labels(GroupMetric.prepare_labels, part.queries)
    assert labels.tolist() == [[True, False], [False, False]]


class LargestTensor(TorchDispatchMode):
    """Records the size of the largest tensor returned by an operation."""

    values = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        sizes = [leaf.numel() for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
        self.values = max(self.values, *sizes, 0)
        return result


@pytest.mark.parametrize(
    "metric", [RetrievalReciprocalRank(), RetrievalRPrecision(), KNNAccuracy(3)]
)
def test_metrics_never_make_a_matrix_of_all_objects(monkeypatch, metric, pairs_of_ninety):
    """Distances and labels once took O(N²) memory."""
    monkeypatch.setattr(retrieval, "MAX_BLOCK_ELEMENTS", 180 * 7)
    embeddings, targets = pairs_of_ninety
    if isinstance(metric, GroupMetric):
        targets = {"groups": targets["subgroups"]}
    with LargestTensor() as largest:
        metric.compute(embeddings, **targets)
    assert largest.values == 180 * 7


def test_many_queries_of_few_candidates_never_make_a_matrix_of_all_objects(monkeypatch):
    monkeypatch.setattr(retrieval, "MAX_BLOCK_ELEMENTS", 5 * 40)
    groups = torch.arange(205) % 3
    queries, candidates = torch.arange(205).split([200, 5])
    few = Retrieval(torch.randn(205, 1), {"groups": groups}, queries, candidates)
    with LargestTensor() as largest:
        score({"r": RetrievalRPrecision(), "knn": KNNAccuracy(2)}, few)
    assert largest.values <= 2 * 205


def pairs_of(found, distance):
    """Yield distance of each pair, and whether it is one of objects of one group."""
    for queries, distances, is_pair in found.every_two(distance):
        labels = found.labels(GroupMetric.prepare_labels, queries)
        yield from zip(distances[is_pair].tolist(), labels[is_pair].tolist(), strict=True)


@pytest.mark.parametrize("elements", [MAX_BLOCK_ELEMENTS, 20], ids=["one block", "blocks"])
def test_every_query_meets_every_candidate_where_these_are_other_objects(elements, monkeypatch):
    monkeypatch.setattr(retrieval, "MAX_BLOCK_ELEMENTS", elements)
    embeddings = 2.0 ** torch.arange(9).unsqueeze(1)  # no two distances are equal
    groups = torch.tensor([1, 2, 1, 2, 3, 3, 3, 1, 2])
    queries, candidates = torch.tensor([7, 1, 3]), torch.tensor([0, 2, 4, 5, 6, 8])
    found = Retrieval(embeddings, {"groups": groups}, queries, candidates)
    pairs = list(pairs_of(found, Manhattan))
    expected = [
        (abs(2.0**a - 2.0**b), bool(groups[a] == groups[b]))
        for a in queries.tolist()
        for b in candidates.tolist()
    ]
    assert sorted(pairs) == sorted(expected)


@pytest.mark.parametrize("queries", [None, [4, 0, 7]], ids=["all", "some"])
@pytest.mark.parametrize("elements", [MAX_BLOCK_ELEMENTS, 20], ids=["one block", "blocks"])
def test_every_two_objects_come_once(queries, elements, monkeypatch):
    monkeypatch.setattr(retrieval, "MAX_BLOCK_ELEMENTS", elements)
    embeddings = 2.0 ** torch.arange(9).unsqueeze(1)  # no two distances are equal
    groups = torch.tensor([1, 2, 1, 2, 3, 3, 3, 1, 2])
    rows = None if queries is None else torch.tensor(queries)
    found = Retrieval(embeddings, {"groups": groups}, queries=rows)
    pairs = list(pairs_of(found, Euclidean))
    expected = [
        (2.0**b - 2.0**a, bool(groups[a] == groups[b]))
        for a in range(9)
        for b in range(a + 1, 9)
        if queries is None or a in queries or b in queries
    ]
    assert sorted(pairs) == sorted(expected)
