"""Verification: separation of matching pairs from others by a threshold, in bounded memory."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import torch
from torch import Tensor

from quaterion_core.distances import Distance
from quaterion_core.eval.group.group_metric import GroupMetric
from quaterion_core.eval.retrieval import Retrieval
from quaterion_core.eval.verification.score_histograms import ScoreHistograms

ScoredPairs: TypeAlias = Callable[[], Iterable[tuple[Tensor, Tensor]]]
"""Returns, each time it is called, all pairs in blocks: scores, which are higher for more similar
objects, and whether they match, both of shape (P,)."""


class VerificationMetric(GroupMetric):
    """Metric over all pairs of objects of a dataset, which match if both are in one group.

    Every two objects form a pair. Distances are computed in blocks, on every pass of the metric,
    and not kept, so that memory grows with the number of objects and of matching pairs. Where a
    sampler limits the number of queries, pairs without a query are ignored; where it has a
    reference, the pairs are those of a query and an object of the reference.

    A subclass defines :meth:`value`.

    Args:
        distance_metric_name: Distance that the threshold applies to.
    """

    def __init__(self, distance_metric_name: Distance | str = Distance.COSINE):
        super().__init__(distance_metric_name, reduce_func=None)

    @abstractmethod
    def value(self, pairs: ScoredPairs) -> Tensor:
        """Return the value over pairs and their scores, a scalar."""

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this metric, as JSON values."""
        return {"distance_metric_name": self.distance_metric_name.value}

    def of_retrieval(self, retrieval: Retrieval) -> Tensor:
        """Return :meth:`value` of all pairs of a query and another object."""

        def pairs() -> Iterable[tuple[Tensor, Tensor]]:
            for queries, distances, is_pair in retrieval.every_two(self.distance):
                labels = retrieval.labels(self.prepare_labels, queries)
                yield -distances[is_pair], labels[is_pair] > 0

        return self.value(pairs)

    def of_histograms(self, matching: Tensor, others: Tensor) -> Tensor | None:
        """Return the value for each of R bootstrap samples, for the interval.

        Args:
            matching: Number of matching pairs in bins of ascending scores, shape (R, B).
            others: Number of other pairs in the same bins, shape (R, B).

        Returns:
            Shape (R,), NaN for samples that have no value; ``None``, the default, if the value
            cannot be told from histograms. The metric then has no interval.
        """
        return None

    def resampled(self, retrieval: Retrieval) -> Tensor | None:
        """Return :meth:`of_histograms` for bootstrap samples of the groups.

        Pairs share objects, and objects share groups, so that groups are drawn: a pair of different
        groups counts as often as both of them are drawn. Source: Bolle, Ratha, Pankanti, Error
        Analysis of Pattern Recognition Systems, Computer Vision and Image Understanding 93, 2004.
        """
        overridden = type(self).of_histograms is not VerificationMetric.of_histograms
        if not overridden or len(torch.unique(retrieval.clusters)) < 2:
            return None
        histograms = ScoreHistograms.of_retrieval(retrieval, self.distance)
        values = [self.of_histograms(*sample) for sample in histograms.resampled()]
        of_bins = self.of_histograms(*histograms.total())
        if of_bins is None:
            return None
        exact = self.of_retrieval(retrieval).cpu()
        return torch.cat([part for part in values if part is not None]) - of_bins + exact

    def raw_compute(self, distance_matrix: Tensor, labels: Tensor) -> Tensor:
        """Return :meth:`value` of all pairs at a finite distance.

        Args:
            distance_matrix: Distances of Q queries from N objects, shape (Q, N); infinite where an
                object would find itself.
            labels: Matching where above 0, shape (Q, N).
        """
        is_pair = distance_matrix < torch.inf
        return self.value(lambda: [(-distance_matrix[is_pair], labels[is_pair] > 0)])


def area_under_roc(pairs: ScoredPairs) -> Tensor:
    """Return the area under the receiver operating characteristic.

    It is the probability that a matching pair has a higher score than a pair that does not match,
    a tie counting half. It is exact; the scores of matching pairs are kept, and the others
    processed in blocks.

    Args:
        pairs: Returns all pairs, each time it is called.

    Returns:
        A float32 scalar; 0.5 if all pairs match or none.

    Example:
        >>> scores, is_match = torch.tensor([0.9, 0.4, 0.4]), torch.tensor([True, True, False])
        >>> area_under_roc(lambda: [(scores, is_match)])
        tensor(0.7500)
    """
    matching, others = _matching_scores(pairs)
    twice_below = 0
    for scores, is_match in pairs():
        other = scores[~is_match].sort().values
        # A matching pair is above as many others as lie below it, and half above those at it.
        twice_below += int(torch.searchsorted(other, matching, right=False).sum())
        twice_below += int(torch.searchsorted(other, matching, right=True).sum())
    if not len(matching) or not others:
        return matching.new_full((), 0.5, dtype=torch.float32)
    return matching.new_full((), twice_below / 2 / len(matching) / others, dtype=torch.float32)


def true_accept_rate(pairs: ScoredPairs, far: float) -> Tensor:
    """Return the share of matching pairs that are accepted at a false accept rate.

    A pair is accepted if its score exceeds a threshold: the lowest one at which at most the share
    ``far`` of the pairs that do not match is accepted. With fewer than ``1/far`` such pairs, none
    of them may be accepted. It is exact; the scores of matching pairs are kept, and of
    the others as many as may be accepted.

    Args:
        pairs: Returns all pairs, each time it is called.
        far: The false accept rate, in [0, 1].

    Returns:
        A float32 scalar; 0 if no pair matches, 1 if all do.

    Example:
        >>> scores, is_match = torch.tensor([0.9, 0.4, 0.6]), torch.tensor([True, True, False])
        >>> true_accept_rate(lambda: [(scores, is_match)], far=0.1)
        tensor(0.5000)
    """
    matching, others = _matching_scores(pairs)
    if not len(matching):
        return matching.new_zeros((), dtype=torch.float32)
    accepted = _false_accepts(others, far)
    highest = matching.new_empty(0)
    for scores, is_match in pairs():
        candidates = torch.cat([highest, scores[~is_match]])
        highest = candidates.topk(min(accepted + 1, len(candidates))).values
    if len(highest) <= accepted:
        return matching.new_ones((), dtype=torch.float32)
    return (matching > highest[-1]).float().mean()


def _matching_scores(pairs: ScoredPairs) -> tuple[Tensor, int]:
    """Return the scores of the matching pairs, ascending, and the number of all others."""
    matching, count = [], 0
    for scores, is_match in pairs():
        matching.append(scores[is_match])
        count += len(scores)
    ordered = torch.cat(matching).sort().values
    return ordered, count - len(ordered)


def _false_accepts(others: int, far: float) -> int:
    """Return the largest number of pairs whose share of all others is at most ``far``."""
    accepted = round(far * others)
    return accepted - 1 if others and accepted / others > far else accepted
