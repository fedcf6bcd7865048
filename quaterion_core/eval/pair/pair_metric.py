"""The interface of metrics over objects that come in pairs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from quaterion_core.eval.accumulators.pair_accumulator import PairAccumulator
from quaterion_core.eval.base_metric import BaseMetric


class PairMetric(BaseMetric):
    """A metric for :class:`~quaterion_core.dataset.SimilarityPairSample`.

    Each of the two objects of a pair queries all other objects; relevant to it is its partner, if
    the pair's label is above 0, and nothing else. An object that is in the data several times is
    several objects: a copy of the partner, say an answer to two questions, is not relevant, and
    since it is at the same distance as the partner, it counts as nearer. Leave duplicates out
    where that is not meant.
    """

    accumulator_type = PairAccumulator

    @staticmethod
    def prepare_labels(
        labels: Tensor,
        pairs: Tensor,
        subgroups: Tensor,
        queries: Tensor | None = None,
        candidates: Tensor | None = None,
    ) -> Tensor:
        """Return the label of each two objects.

        Args:
            labels: Similarity of each pair, shape (P,).
            pairs: Rows that make up each pair, shape (P, 2), int64.
            subgroups: Subgroup of each object, shape (N,). Objects of one subgroup that are not
                a pair count as not relevant to one another, as all others do.
            queries: Rows that query, without repetition, shape (Q,); by default all.
            candidates: Rows that can be found, shape (M,); by default all.

        Returns:
            Shape (Q, M), float32: the label where two objects are a pair with one above 0, else 0.

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
        count = len(subgroups)
        if queries is None:
            queries = torch.arange(count, device=pairs.device)
        position = torch.full((count,), -1, device=pairs.device)
        position[queries] = torch.arange(len(queries), device=pairs.device)
        similar = pairs[labels > 0]
        rows, columns = torch.cat([similar, similar.flip(1)]).unbind(1)
        is_asked = position[rows] >= 0
        matrix = torch.zeros(len(queries), count, device=pairs.device)
        matrix[position[rows[is_asked]], columns[is_asked]] = (
            labels[labels > 0].float().repeat(2)[is_asked]
        )
        return matrix if candidates is None else matrix[:, candidates]

    def update(
        self,
        embeddings: Tensor,
        labels: Tensor,
        pairs: Tensor,
        subgroups: Tensor,
        device: torch.device | str | None = None,
        **kwargs: Any,
    ) -> None:
        """Collect a batch of B pairs, which has N objects.

        Args:
            embeddings: Shape (N, D).
            labels: Similarity of each pair, shape (B,).
            pairs: Rows of ``embeddings`` that make up each pair, shape (B, 2), an integer type.
            subgroups: Subgroup of each object, shape (N,), an integer type.
            device: Where to keep them; by default the CPU.
            **kwargs: Other targets, ignored.

        Raises:
            ValueError: A tensor is of a wrong shape or type, or an embedding is not finite.
        """
        self.accumulator.update(embeddings, labels, pairs, subgroups, device=device or "cpu")

    def compute(
        self,
        embeddings: Tensor | None = None,
        labels: Tensor | None = None,
        pairs: Tensor | None = None,
        subgroups: Tensor | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """Return the value over a batch or, without arguments, over all that was collected.

        Args:
            embeddings: Shape (N, D).
            labels: Similarity of each pair, shape (B,).
            pairs: Rows of ``embeddings`` that make up each pair, shape (B, 2), an integer type.
            subgroups: Subgroup of each object, shape (N,), an integer type.
            **kwargs: Other targets, ignored.

        Raises:
            ValueError: A tensor is of a wrong shape or type, or an embedding is not finite.
            RuntimeError: No batch is given and none was collected.
        """
        return self._compute(embeddings, labels=labels, pairs=pairs, subgroups=subgroups)
