"""Interface of metrics over objects that belong to groups."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from quaterion_core.eval.accumulators.group_accumulator import GroupAccumulator
from quaterion_core.eval.base_metric import BaseMetric
from quaterion_core.eval.relevance import group_relevance


class GroupMetric(BaseMetric):
    """Metric for :class:`~quaterion_core.dataset.SimilarityGroupSample`.

    Each object queries all others; relevant to it are the others of its group. Where a sampler has
    a reference, each queries those of the reference instead.

    Objects of equal content, by the target ``objects`` of loaders and samplers, are one object,
    which is in all groups of its copies.
    """

    accumulator_type = GroupAccumulator
    relevance = staticmethod(group_relevance)

    @staticmethod
    def prepare_labels(
        groups: Tensor, queries: Tensor | None = None, candidates: Tensor | None = None
    ) -> Tensor:
        """Return which candidates are in the same group as each query.

        Args:
            groups: Group of each object, shape (N,), int64.
            queries: Rows that query, shape (Q,); by default all.
            candidates: Rows that can be found, shape (M,); by default all.

        Returns:
            Shape (Q, M), bool. An object is in its own group.

        Example:
            >>> GroupMetric.prepare_labels(torch.tensor([3, 8, 3]), queries=torch.tensor([0]))
            tensor([[ True, False,  True]])
        """
        of_queries = groups if queries is None else groups[queries]
        of_candidates = groups if candidates is None else groups[candidates]
        return of_queries.unsqueeze(1) == of_candidates.unsqueeze(0)

    def update(
        self,
        embeddings: Tensor,
        groups: Tensor,
        device: torch.device | str | None = None,
        objects: Tensor | None = None,
        **kwargs: Any,
    ) -> None:
        """Collect a batch.

        Args:
            embeddings: Shape (B, D).
            groups: Group of each object, shape (B,), an integer type.
            device: Where to keep them; by default the CPU.
            objects: Id of the content of each object, shape (B,), an integer type: equal objects
                have equal ids and are one object. Without it, all objects count as different.
            **kwargs: Other targets, ignored.

        Raises:
            ValueError: A tensor is of a wrong shape or type, or an embedding is not finite.
        """
        self.accumulator.update(embeddings, groups, device=device or "cpu", objects=objects)

    def compute(
        self,
        embeddings: Tensor | None = None,
        groups: Tensor | None = None,
        objects: Tensor | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """Return the value over a batch or, without arguments, over all that was collected.

        Args:
            embeddings: Shape (B, D).
            groups: Group of each object, shape (B,), an integer type.
            objects: Id of the content of each object, shape (B,), an integer type: equal objects
                have equal ids and are one object. Without it, all objects count as different.
            **kwargs: Other targets, ignored.

        Raises:
            ValueError: A tensor is of a wrong shape or type, or an embedding is not finite.
            RuntimeError: No batch is given and none was collected.
        """
        return self._compute(embeddings, groups=groups, objects=objects)
