"""Store for objects that belong to groups."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from quaterion_core.eval.accumulators.accumulator import (
    Accumulator,
    check_embeddings,
    check_target,
)


class GroupAccumulator(Accumulator):
    """Store of embeddings and their groups.

    Example:
        >>> accumulator = GroupAccumulator()
        >>> accumulator.update(torch.zeros(2, 3), groups=torch.tensor([7, 8]))
        >>> accumulator.update(torch.zeros(1, 3), groups=torch.tensor([7]))
        >>> accumulator.embeddings.shape, accumulator.groups
        (torch.Size([3, 3]), tensor([7, 8, 7]))
    """

    empty_state: ClassVar[dict[str, Tensor]] = {
        "embeddings": torch.empty(0, 0),
        "groups": torch.empty(0, dtype=torch.int64),
    }

    def update(
        self,
        embeddings: Tensor,
        groups: Tensor,
        device: torch.device | str | None = None,
        objects: Tensor | None = None,
        **kwargs: Any,
    ) -> None:
        """Add a batch.

        Args:
            embeddings: Shape (B, D).
            groups: Group of each object, shape (B,), an integer type; kept as int64.
            device: Where to keep them; by default where the embeddings are.
            objects: Id of the content of each object, shape (B,), an integer type: equal objects
                have equal ids. Without it, all objects count as different.
            **kwargs: Other targets, ignored.

        Raises:
            ValueError: A tensor is of a wrong shape or type, or an embedding is not finite.
        """
        check_embeddings(embeddings)
        check_target("groups", groups, (len(embeddings),), integer=True)
        self._append(device, objects, embeddings=embeddings, groups=groups.long())

    @property
    def groups(self) -> Tensor:
        """All groups, shape (N,), int64."""
        return self.state["groups"]
