"""Interface of metrics over pairs and their scores, without retrieval."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from quaterion_core.eval.pair.given_pairs_metric import RESAMPLES, GivenPairsMetric
from quaterion_core.eval.retrieval import Retrieval
from quaterion_core.eval.statistics import bootstrap_statistics


class PairScoreMetric(GivenPairsMetric):
    """Metric of the similarities of the given pairs and their labels.

    Only the two objects of a pair are compared, so that memory and time grow with the number of
    pairs. Where a sampler limits the number of queries, pairs without a query are ignored. A
    subclass defines :meth:`score`.

    Args:
        distance_metric_name: Distance whose similarity is compared.

    Example:
        >>> import torch
        >>> class MeanError(PairScoreMetric):
        ...     def score(self, similarities, labels): return (similarities - labels).abs().mean()
        >>> targets = {"pairs": torch.tensor([[0, 1]]), "subgroups": torch.tensor([4, 4])}
        >>> MeanError().compute(torch.eye(2), labels=torch.tensor([0.2]), **targets)
        tensor(0.2000)
    """

    @abstractmethod
    def score(self, similarities: Tensor, labels: Tensor) -> Tensor:
        """Return the value.

        Args:
            similarities: Similarity of the two objects of each pair, shape (P,).
            labels: Label of each pair, shape (P,).

        Returns:
            A scalar.
        """

    def of_retrieval(self, retrieval: Retrieval) -> Tensor:
        """Return :meth:`score` of the pairs that hold a query."""
        _, similarities, labels = self.given_pairs(retrieval)
        return self.score(similarities, labels)

    def resampled(self, retrieval: Retrieval) -> Tensor | None:
        """Return :meth:`score` of bootstrap samples of the pairs.

        Pairs whose first objects are in one cluster are drawn together. A sample that lacks labels
        above 0, or others, where the data have both, has no value; where fewer than two clusters
        have either, there are no samples.
        """
        pairs, similarities, labels = self.given_pairs(retrieval)
        similarities, labels = similarities.cpu(), labels.cpu()
        clusters = retrieval.clusters[pairs[:, 0].cpu()]
        kinds = [labels > 0, labels <= 0]
        present = [kind for kind in kinds if kind.any()]
        if not present or any(len(torch.unique(clusters[kind])) < 2 for kind in present):
            return None

        def statistic(drawn: Tensor) -> float:
            if not all(kind[drawn].any() for kind in present):
                return torch.nan
            return float(self.score(similarities[drawn], labels[drawn]))

        return bootstrap_statistics(statistic, clusters, resamples=RESAMPLES)
