"""Interface of metrics of a ranking, over pairs as well as over groups."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from quaterion_core.distances import Distance
from quaterion_core.eval.accumulators.either_accumulator import EitherAccumulator
from quaterion_core.eval.base_metric import BaseMetric, ReduceFunction
from quaterion_core.eval.group.group_metric import GroupMetric
from quaterion_core.eval.pair.pair_metric import PairMetric
from quaterion_core.eval.ranking import Needs, check_k
from quaterion_core.eval.relevance import Relevance, group_relevance, pair_relevance
from quaterion_core.eval.retrieval import Retrieval
from quaterion_core.utils.ranges import Count


def relevance_of(retrieval: Retrieval) -> Relevance:
    """Return the relevance of the targets of pairs, or else of groups."""
    build = pair_relevance if "pairs" in retrieval.targets else group_relevance
    return retrieval.relevance(build)


class RetrievalMetric(BaseMetric):
    """Metric of the ranking of each query, for samples of pairs and of groups.

    Relevant to a query is what :class:`~quaterion_core.eval.PairMetric` or
    :class:`~quaterion_core.eval.GroupMetric` says, with the label of a pair as its gain. A subclass
    defines ``needs`` and ``ranking_values``.

    Args:
        distance_metric_name: Distance by which candidates are ranked.
        reduce_func: Reduces the values of all queries that have a relevant object to one value; 0
            if there are none. ``None`` returns the values, in the order of the queries.
    """

    accumulator_type = EitherAccumulator
    relevance = staticmethod(relevance_of)

    @staticmethod
    def prepare_labels(
        groups: Tensor | None = None,
        labels: Tensor | None = None,
        pairs: Tensor | None = None,
        subgroups: Tensor | None = None,
        queries: Tensor | None = None,
        candidates: Tensor | None = None,
        objects: Tensor | None = None,
    ) -> Tensor:
        """Return the relevance of each candidate to each query, shape (Q, M).

        Takes the targets of groups or those of pairs.
        """
        if groups is not None:
            return GroupMetric.prepare_labels(groups, queries, candidates)
        if labels is None or pairs is None or subgroups is None:
            raise TypeError("Expected groups, or labels, pairs and subgroups.")
        return PairMetric.prepare_labels(labels, pairs, subgroups, queries, candidates, objects)

    def update(
        self, embeddings: Tensor, device: torch.device | str | None = None, **targets: Any
    ) -> None:
        """Collect a batch.

        Args:
            embeddings: Shape (N, D).
            device: Where to keep them; by default the CPU.
            **targets: ``groups``, or ``labels``, ``pairs`` and ``subgroups``, as
                :class:`~quaterion_core.eval.GroupMetric` and
                :class:`~quaterion_core.eval.PairMetric` take them, and ``objects``.

        Raises:
            ValueError: A tensor is of a wrong shape or type, or an embedding is not finite.
            TypeError: There are neither groups nor pairs.
        """
        self.accumulator.update(embeddings, device=device or "cpu", **targets)

    def compute(self, embeddings: Tensor | None = None, **targets: Any) -> Tensor:
        """Return the value over a batch or, without arguments, over all that was collected.

        Args:
            embeddings: Shape (N, D).
            **targets: As for :meth:`update`.

        Raises:
            ValueError: A tensor is of a wrong shape or type, or an embedding is not finite.
            TypeError: There are neither groups nor pairs.
            RuntimeError: No batch is given and none was collected.
        """
        return self._compute(embeddings, **targets)


class RetrievalMetricAtK(RetrievalMetric):
    """Metric of the k nearest objects of each query, for samples of pairs and of groups.

    A subclass defines ``ranking_values``.

    Args:
        k: Number of nearest objects to consider.
        distance_metric_name: Distance by which candidates are ranked.
        reduce_func: Reduces the values of all queries that have a relevant object to one value; 0
            if there are none. ``None`` returns the values, in the order of the queries.

    Raises:
        ValueError: ``k`` is below 1.
    """

    def __init__(
        self,
        k: Count = 10,
        distance_metric_name: Distance | str = Distance.COSINE,
        reduce_func: ReduceFunction | None = torch.mean,
    ):
        super().__init__(distance_metric_name, reduce_func)
        check_k(k)
        self.k = k

    @property
    def needs(self) -> Needs:
        """The k nearest candidates."""
        return Needs(nearest=self.k)

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this metric, as JSON values."""
        return {"k": self.k, **super().get_config_dict()}
