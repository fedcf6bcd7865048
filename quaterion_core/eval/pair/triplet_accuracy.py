"""Triplet accuracy."""

from __future__ import annotations

import torch
from torch import Tensor

from quaterion_core.eval.pair.given_pairs_metric import RESAMPLES, GivenPairsMetric
from quaterion_core.eval.retrieval import Retrieval
from quaterion_core.eval.statistics import bootstrap_means


class TripletAccuracy(GivenPairsMetric):
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

    def of_retrieval(self, retrieval: Retrieval) -> Tensor:
        """Return the share over the pairs that hold a query."""
        _, *columns = self._anchored(retrieval)
        return triplet_accuracy(*columns)

    def resampled(self, retrieval: Retrieval) -> Tensor | None:
        """Return the share over bootstrap samples of the triplets, drawn by cluster of anchors."""
        rows, *columns = self._anchored(retrieval)
        right, counts, positives = _right_triplets(*columns)
        clusters = retrieval.clusters[rows[positives].cpu()]
        if len(torch.unique(clusters[counts.cpu() > 0])) < 2:
            return None
        return bootstrap_means(right, clusters, counts, resamples=RESAMPLES)

    def _anchored(self, retrieval: Retrieval) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return row of the anchor, similarity, is positive, and id of the anchor, (P,) each."""
        pairs, similarities, labels = self.given_pairs(retrieval)
        rows = pairs[:, 0]
        objects = retrieval.targets.get("objects")
        return rows, similarities, labels > 0, rows if objects is None else objects[rows]


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
    right, counts, _ = _right_triplets(similarities, is_positive, anchors)
    share = int(right.sum()) / max(1, int(counts.sum()))
    return similarities.new_full((), share, dtype=torch.float32)


def _right_triplets(
    similarities: Tensor, is_positive: Tensor, anchors: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return numbers of right triplets and of all triplets of each positive, and its position."""
    _, level = torch.unique(similarities, return_inverse=True)
    _, anchor = torch.unique(anchors, return_inverse=True)
    keys = anchor * (len(similarities) + 1) + level
    positives, negatives = keys[is_positive], keys[~is_positive].sort().values
    of_anchor = anchor[is_positive] * (len(similarities) + 1)
    before = torch.searchsorted(negatives, of_anchor)
    right = torch.searchsorted(negatives, positives) - before
    counts = torch.searchsorted(negatives, of_anchor + len(similarities) + 1) - before
    return right, counts, is_positive.nonzero().squeeze(1)
