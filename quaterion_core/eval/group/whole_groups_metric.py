"""Base of group metrics that need the group of each object."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor

from quaterion_core.eval.group.group_metric import GroupMetric
from quaterion_core.eval.ranking import Ranking
from quaterion_core.eval.retrieval import Retrieval


class WholeGroupsMetric(GroupMetric):
    """Metric of the groups themselves, not only of whether two objects share one.

    A subclass defines :meth:`group_values`; blocks of queries and ``reduce_func`` are handled
    here. A query whose group has no other object is ignored.
    """

    needs_all_queries = False

    @abstractmethod
    def group_values(
        self, distance_matrix: Tensor, query_groups: Tensor, candidate_groups: Tensor
    ) -> Tensor:
        """Return the value of each query, shape (Q,).

        Args:
            distance_matrix: Distances of Q queries from N objects, shape (Q, N); infinite where an
                object would find itself.
            query_groups: Group of each query, shape (Q,), int64.
            candidate_groups: Group of each object, shape (N,), int64.
        """

    def block_values(self, ranking: Ranking, retrieval: Retrieval, start: int, stop: int) -> Tensor:
        """Return :meth:`group_values` of a range of the queries."""
        return self.values_of(retrieval, retrieval.queries[start:stop])

    def values_of(self, retrieval: Retrieval, queries: Tensor) -> Tensor:
        """Return :meth:`group_values` of some queries, given as rows, shape (Q,)."""
        groups = retrieval.targets["groups"]
        distances = retrieval.distance_matrix(self.distance, queries)
        values = self.group_values(distances, groups[queries], groups[retrieval.candidates])
        return values.to(distances.dtype)

    def query_values(self, distance_matrix: Tensor, labels: Tensor) -> Tensor:
        """Raise a ``TypeError``, as :meth:`raw_compute` does.

        Raises:
            TypeError: Always.
        """
        return self.raw_compute(distance_matrix, labels)

    def raw_compute(self, distance_matrix: Tensor, labels: Tensor) -> Tensor:
        """Raise a ``TypeError``: a matrix of queries and candidates does not hold all groups.

        Raises:
            TypeError: Always.
        """
        raise TypeError(
            f"{type(self).__name__} requires the group of each object; labels only mark the "
            "objects of the query's group. Evaluate it with GroupSampler, or with update() and "
            "evaluate()."
        )
