"""Store for objects that come in pairs."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from quaterion_core.eval.accumulators.accumulator import (
    Accumulator,
    check_embeddings,
    check_target,
)


class PairAccumulator(Accumulator):
    """Store of embeddings and pairs of them.

    The rows in ``pairs`` are those of the batch; collected pairs refer to the rows of all batches.

    Example:
        >>> accumulator = PairAccumulator()
        >>> batch = {
        ...     "embeddings": torch.zeros(2, 3),
        ...     "labels": torch.ones(1),
        ...     "pairs": torch.tensor([[0, 1]]),
        ...     "subgroups": torch.tensor([4, 4]),
        ... }
        >>> accumulator.update(**batch)
        >>> accumulator.update(**batch)
        >>> accumulator.pairs
        tensor([[0, 1],
                [2, 3]])
    """

    empty_state: ClassVar[dict[str, Tensor]] = {
        "embeddings": torch.empty(0, 0),
        "labels": torch.empty(0),
        "pairs": torch.empty(0, 2, dtype=torch.int64),
        "subgroups": torch.empty(0, dtype=torch.int64),
    }

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
        """Add a batch of B pairs, which has N objects.

        Args:
            embeddings: Shape (N, D).
            labels: Similarity of each pair, shape (B,).
            pairs: Rows of ``embeddings`` that make up each pair, shape (B, 2), an integer type.
            subgroups: Subgroup of each object, shape (N,), an integer type; kept as int64.
            device: Where to keep them; by default where the embeddings are.
            objects: Id of the content of each object, shape (N,), an integer type: equal objects
                have equal ids. Without it, all objects count as different.
            **kwargs: Other targets, ignored.

        Raises:
            ValueError: A tensor is of a wrong shape or type, a pair refers to a missing row, or an
                embedding is not finite.
        """
        check_embeddings(embeddings)
        check_target("subgroups", subgroups, (len(embeddings),), integer=True)
        check_target("pairs", pairs, ("B", 2), integer=True)
        check_target("labels", labels, (len(pairs),))
        if len(pairs) and not (int(pairs.min()) >= 0 and int(pairs.max()) < len(embeddings)):
            raise ValueError(
                f"Expected pairs to hold rows 0 to {len(embeddings) - 1} of the embeddings, got "
                f"rows {int(pairs.min())} to {int(pairs.max())}."
            )
        self._append(
            device,
            objects,
            embeddings=embeddings,
            labels=labels,
            pairs=pairs.long() + len(self),
            subgroups=subgroups.long(),
        )

    @property
    def labels(self) -> Tensor:
        """The similarities of all pairs, shape (P,)."""
        return self.state["labels"]

    @property
    def pairs(self) -> Tensor:
        """The rows of :attr:`embeddings` that make up each pair, shape (P, 2), int64."""
        return self.state["pairs"]

    @property
    def subgroups(self) -> Tensor:
        """The subgroup of each object, shape (N,), int64."""
        return self.state["subgroups"]
