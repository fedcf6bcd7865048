import torch

from quaterion_core.eval.pair import PairMetric, RetrievalPrecision, RetrievalReciprocalRank


def test_labels_are_those_of_the_pairs_in_both_directions(pair_targets):
    labels = PairMetric.prepare_labels(**pair_targets(2, labels=[1.0, 0.4]))
    expected = torch.zeros(4, 4)
    expected[0, 2] = expected[2, 0] = 1.0
    expected[1, 3] = expected[3, 1] = 0.4
    torch.testing.assert_close(labels, expected)


def test_labels_of_some_queries_are_those_rows_of_all_labels():
    generator = torch.Generator().manual_seed(0)
    targets = {
        "labels": torch.rand(30, generator=generator).round(),
        "pairs": torch.randperm(60, generator=generator).reshape(30, 2),
        "subgroups": torch.zeros(60, dtype=torch.int64),
    }
    queries = torch.tensor([17, 3, 58, 4])
    torch.testing.assert_close(
        PairMetric.prepare_labels(**targets, queries=queries),
        PairMetric.prepare_labels(**targets)[queries],
    )


def test_object_of_several_pairs_has_several_partners():
    targets = {
        "labels": torch.tensor([1.0, 0.0, 1.0]),
        "pairs": torch.tensor([[0, 1], [0, 2], [0, 3]]),
        "subgroups": torch.zeros(4, dtype=torch.int64),
    }
    assert PairMetric.prepare_labels(**targets)[0].tolist() == [0, 1, 0, 1]


def test_objects_of_pairs_with_label_zero_are_found_but_do_not_query(pair_targets):
    # Row 1 lies between row 0 and its partner, row 2, and is a miss of both.
    embeddings = torch.tensor([[0.0], [1.0], [2.0], [9.0]])
    metric = RetrievalPrecision(1, "euclidean", reduce_func=None)
    assert metric.compute(embeddings, **pair_targets(2, labels=[1.0, 0.0])).tolist() == [0.0, 0.0]


def test_only_dissimilar_pairs_give_zero(pair_targets):
    targets = pair_targets(2, labels=[0.0, 0.0])
    assert RetrievalReciprocalRank().compute(torch.rand(4, 3), **targets).item() == 0.0


def test_batches_are_joined_into_one_pool(pair_targets):
    embeddings = torch.randn(24, 5, generator=torch.Generator().manual_seed(0))
    metric = RetrievalReciprocalRank()
    metric.update(embeddings[:16], **pair_targets(8))
    metric.update(embeddings[16:], **pair_targets(4))
    first = torch.cat((torch.arange(8), torch.arange(16, 20)))
    second = torch.cat((torch.arange(8, 16), torch.arange(20, 24)))
    together = {
        "labels": torch.ones(12),
        "pairs": torch.stack((first, second), dim=1),
        "subgroups": torch.zeros(24, dtype=torch.int64),
    }
    torch.testing.assert_close(metric.compute(), metric.compute(embeddings, **together))
