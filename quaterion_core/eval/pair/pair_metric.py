"""Interface of metrics over objects that come in pairs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from quaterion_core.dataset.targets import NO_SUBGROUP
from quaterion_core.eval.accumulators.pair_accumulator import PairAccumulator
from quaterion_core.eval.base_metric import BaseMetric
from quaterion_core.eval.relevance import pair_relevance
from quaterion_core.loss.known_positives import known_positives


class PairMetric(BaseMetric):
    """Metric for :class:`~quaterion_core.dataset.SimilarityPairSample`.

    Each of the two objects of a pair queries all other objects; relevant to it is its partner, if
    the pair's label is above 0.

    Objects of equal content, by the target ``objects`` of loaders and samplers, are one object: an
    answer to two questions is one answer, relevant to both. Also relevant to an object are then
    those that pairs with a label above 0 put into its subgroup. The two objects of a pair with the
    label 0 are not relevant to each other.

    Without ``objects``, all objects count as different, and only the partner is relevant.
    """

    accumulator_type = PairAccumulator
    relevance = staticmethod(pair_relevance)

    @staticmethod
    def prepare_labels(
        labels: Tensor,
        pairs: Tensor,
        subgroups: Tensor,
        queries: Tensor | None = None,
        candidates: Tensor | None = None,
        objects: Tensor | None = None,
    ) -> Tensor:
        """Return the relevance of each candidate to each query.

        Args:
            labels: Similarity of each pair, shape (P,).
            pairs: Rows that make up each pair, shape (P, 2), int64.
            subgroups: Subgroup of each object, shape (N,), looked at together with ``objects``.
            queries: Rows that query, without repetition, shape (Q,); by default all.
            candidates: Rows that can be found, shape (M,); by default all.
            objects: For each object the row of the first one that is equal to it, shape (N,). Of
                equal queries or candidates, one gets the labels of the partners of all.

        Returns:
            Shape (Q, M), float32: the label where two objects are a pair with one above 0; with
            ``objects`` 1 where such pairs place both into one subgroup, and 0 where a pair with the
            label 0 names two objects that are equal to them; else 0.

        Example:
            >>> PairMetric.prepare_labels(
            ...     labels=torch.tensor([1.0, 0.0]),
            ...     pairs=torch.tensor([[0, 2], [1, 3]]),
            ...     subgroups=torch.tensor([5, 6, 5, 6]),
            ...     queries=torch.tensor([1, 2]),
            ... )
            tensor([[0., 0., 0., 0.],
                    [1., 0., 0., 0.]])
        """
        everything = torch.arange(len(subgroups), device=pairs.device)
        rows = everything if queries is None else queries
        columns = everything if candidates is None else candidates
        same = everything if objects is None else objects
        similar = pairs[labels > 0]
        matrix = torch.zeros(len(rows), len(columns), device=pairs.device)
        _set_partners(
            matrix, same[rows], same[columns], same[similar], labels[labels > 0], len(subgroups)
        )
        if objects is not None:
            # Only pairs of similar objects put these into a subgroup.
            member = torch.full_like(subgroups, NO_SUBGROUP)
            member[similar] = subgroups[similar]
            of_rows, of_columns = member[rows].unsqueeze(1), member[columns]
            matrix[(of_rows == of_columns) & (of_rows != NO_SUBGROUP) & (matrix == 0)] = 1.0
            if len(similar) < len(pairs):
                dissimilar = objects[pairs[labels <= 0]]
                matrix[known_positives(objects[rows], objects[columns], dissimilar)] = 0.0
        return matrix

    def update(
        self,
        embeddings: Tensor,
        labels: Tensor,
        pairs: Tensor,
        subgroups: Tensor,
        device: torch.device | str | None = None,
        objects: Tensor | None = None,
        **kwargs: Any,
    ) -> None:
        """Collect a batch of B pairs, which has N objects.

        Args:
            embeddings: Shape (N, D).
            labels: Similarity of each pair, shape (B,).
            pairs: Rows of ``embeddings`` that make up each pair, shape (B, 2), an integer type.
            subgroups: Subgroup of each object, shape (N,), an integer type.
            device: Where to keep them; by default the CPU.
            objects: Id of the content of each object, shape (N,), an integer type: equal objects
                have equal ids and are one object. Without it, all objects count as different.
            **kwargs: Other targets, ignored.

        Raises:
            ValueError: A tensor is of a wrong shape or type, or an embedding is not finite.
        """
        self.accumulator.update(
            embeddings, labels, pairs, subgroups, device=device or "cpu", objects=objects
        )

    def compute(
        self,
        embeddings: Tensor | None = None,
        labels: Tensor | None = None,
        pairs: Tensor | None = None,
        subgroups: Tensor | None = None,
        objects: Tensor | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """Return the value over a batch or, without arguments, over all that was collected.

        Args:
            embeddings: Shape (N, D).
            labels: Similarity of each pair, shape (B,).
            pairs: Rows of ``embeddings`` that make up each pair, shape (B, 2), an integer type.
            subgroups: Subgroup of each object, shape (N,), an integer type.
            objects: Id of the content of each object, shape (N,), an integer type: equal objects
                have equal ids and are one object. Without it, all objects count as different.
            **kwargs: Other targets, ignored.

        Raises:
            ValueError: A tensor is of a wrong shape or type, or an embedding is not finite.
            RuntimeError: No batch is given and none was collected.
        """
        return self._compute(
            embeddings, labels=labels, pairs=pairs, subgroups=subgroups, objects=objects
        )


def _set_partners(
    matrix: Tensor, rows: Tensor, columns: Tensor, pairs: Tensor, labels: Tensor, count: int
) -> None:
    """Set the labels of pairs of objects, in both directions, in a matrix (Q, M).

    Args:
        matrix: Changed in place.
        rows: The queries, shape (Q,).
        columns: The candidates, shape (M,).
        pairs: Two objects each, shape (P, 2).
        labels: Shape (P,).
        count: All of these are numbers below it.
    """
    row_of = torch.full((count,), -1, device=rows.device)
    row_of[rows] = torch.arange(len(rows), device=rows.device)
    column_of = torch.full((count,), -1, device=rows.device)
    column_of[columns] = torch.arange(len(columns), device=rows.device)
    first, second = torch.cat([pairs, pairs.flip(1)]).unbind(1)
    is_there = (row_of[first] >= 0) & (column_of[second] >= 0)
    matrix[row_of[first[is_there]], column_of[second[is_there]]] = labels.float().repeat(2)[
        is_there
    ]
