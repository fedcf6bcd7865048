"""Triplet accuracy."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from quaterion_core.distances import Distance
from quaterion_core.eval.pair.pair_metric import PairMetric
from quaterion_core.eval.retrieval import Retrieval


class TripletAccuracy(PairMetric):
    """Triplet accuracy: the share of triplets whose positive is nearer than their negative.

    A triplet is a pair with a label above 0, and a pair with another label, of the same first
    object: an anchor, its positive and its negative. Each pair of the two kinds forms one. At the
    same distance, the negative counts as nearer. 0 where there is no triplet.

    The candidates are those that the data name, which is what ``TripletEvaluator`` of
    sentence-transformers measures; a search among all objects is harder.

    Source: Hoffer, Ailon, Deep Metric Learning Using Triplet Network, SIMBAD 2015.

    Args:
        distance_metric_name: Distance whose similarity is compared.

    Example:
        >>> embeddings = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [1.0, 0.05]])
        >>> targets = {
        ...     "labels": torch.tensor([1.0, 0.0, 0.0]),
        ...     "pairs": torch.tensor([[0, 1], [0, 2], [0, 3]]),
        ...     "subgroups": torch.tensor([0, 0, 0, 0]),
        ... }
        >>> TripletAccuracy().compute(embeddings, **targets)
        tensor(0.5000)
    """

    def __init__(self, distance_metric_name: Distance | str = Distance.COSINE):
        super().__init__(distance_metric_name, reduce_func=None)

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this metric, as JSON values."""
        return {"distance_metric_name": self.distance_metric_name.value}

    def of_retrieval(self, retrieval: Retrieval) -> Tensor:
        """Return the share over the pairs that hold a query."""
        pairs, labels = retrieval.targets["pairs"], retrieval.targets["labels"]
        has_query = retrieval.holds_query(pairs)
        pairs, is_positive = pairs[has_query], labels[has_query] > 0
        similarities = retrieval.similarities(self.distance, pairs)
        objects = retrieval.targets.get("objects")
        anchors = pairs[:, 0] if objects is None else objects[pairs[:, 0]]
        return triplet_accuracy(similarities, is_positive, anchors)

    def raw_compute(self, distance_matrix: Tensor, labels: Tensor) -> Tensor:
        """Raise a ``TypeError``: a matrix of queries and candidates does not hold the triplets.

        Raises:
            TypeError: Always.
        """
        raise TypeError(
            f"{type(self).__name__} compares the objects of given pairs, and a matrix of queries "
            "and candidates does not contain the pairs. Evaluate it with PairSampler, or with "
            "update() and evaluate()."
        )


def triplet_accuracy(similarities: Tensor, is_positive: Tensor, anchors: Tensor) -> Tensor:
    """Return the share of triplets whose positive is more similar than their negative.

    Args:
        similarities: Similarity of an anchor and another object, shape (P,).
        is_positive: Whether the other object is a positive, shape (P,), bool.
        anchors: An id of the anchor, shape (P,), int64.

    Returns:
        A float32 scalar; 0 where there is no triplet.

    Example:
        >>> triplet_accuracy(
        ...     torch.tensor([0.9, 0.5, 0.1]),
        ...     torch.tensor([False, True, False]),
        ...     torch.tensor([7, 7, 7]),
        ... )
        tensor(0.5000)
    """
    _, level = torch.unique(similarities, return_inverse=True)
    _, anchor = torch.unique(anchors, return_inverse=True)
    keys = anchor * (len(similarities) + 1) + level
    positives, negatives = keys[is_positive], keys[~is_positive].sort().values
    of_anchor = anchor[is_positive] * (len(similarities) + 1)
    before = torch.searchsorted(negatives, of_anchor)
    beaten = torch.searchsorted(negatives, positives) - before
    triplets = torch.searchsorted(negatives, of_anchor + len(similarities) + 1) - before
    total = int(triplets.sum())
    return similarities.new_full((), int(beaten.sum()) / max(1, total), dtype=torch.float32)
