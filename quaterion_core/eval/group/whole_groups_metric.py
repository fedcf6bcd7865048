"""Base of group metrics that need the group of each object."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from quaterion_core.eval.group.group_metric import GroupMetric
from quaterion_core.eval.ranking import relevant
from quaterion_core.eval.retrieval import Retrieval


class WholeGroupsMetric(GroupMetric):
    """Metric of the groups themselves, not only of whether two objects share one.

    A subclass defines :meth:`group_values`; blocks of queries and ``reduce_func`` are handled
    here. A query whose group has no other object is ignored.
    """

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

    def of_retrieval(self, retrieval: Retrieval) -> Tensor:
        """Return the reduced values of the queries that have a relevant object."""
        groups = retrieval.targets["groups"]
        values = []
        for queries in retrieval.query_blocks():
            distances = retrieval.distance_matrix(self.distance, queries)
            relevance = relevant(distances, retrieval.labels(self.prepare_labels, queries))
            block = self.group_values(distances, groups[queries], groups[retrieval.candidates])
            values.append(block[relevance.any(dim=1)].to(distances.dtype))
        return self.reduce(torch.cat(values))

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
