"""Store for objects that come either in pairs or in groups."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from quaterion_core.eval.accumulators.accumulator import Accumulator
from quaterion_core.eval.accumulators.group_accumulator import GroupAccumulator
from quaterion_core.eval.accumulators.pair_accumulator import PairAccumulator


class EitherAccumulator(Accumulator):
    """Store of embeddings and of the targets of pairs or of groups, as the first batch has them.

    Example:
        >>> accumulator = EitherAccumulator()
        >>> accumulator.update(torch.zeros(2, 3), groups=torch.tensor([7, 8]))
        >>> list(accumulator.state)
        ['embeddings', 'groups']
    """

    def __init__(self) -> None:
        super().__init__()
        self._store: Accumulator | None = None

    def __len__(self) -> int:
        """Return the number of embeddings."""
        return 0 if self._store is None else len(self._store)

    @property
    def state(self) -> dict[str, Tensor]:
        """All collected batches: the arguments of :meth:`update`, each as one tensor."""
        return {"embeddings": torch.empty(0, 0)} if self._store is None else self._store.state

    def update(
        self,
        embeddings: Tensor,
        groups: Tensor | None = None,
        labels: Tensor | None = None,
        pairs: Tensor | None = None,
        subgroups: Tensor | None = None,
        device: torch.device | str | None = None,
        objects: Tensor | None = None,
        **kwargs: Any,
    ) -> None:
        """Add a batch with the targets of groups or of pairs.

        Args:
            embeddings: Shape (N, D).
            groups: Group of each object, shape (N,), an integer type; then pairs are ignored.
            labels: Similarity of each pair, shape (B,).
            pairs: Rows of ``embeddings`` that make up each pair, shape (B, 2), an integer type.
            subgroups: Subgroup of each object, shape (N,), an integer type.
            device: Where to keep them; by default where the embeddings are.
            objects: Id of the content of each object, shape (N,), an integer type.
            **kwargs: Other targets, ignored.

        Raises:
            ValueError: A tensor is of a wrong shape or type, or batches before had the other kind
                of targets.
            TypeError: There are neither groups nor pairs.
        """
        if groups is None and pairs is None:
            raise TypeError(
                "Expected the targets of groups (groups=) or of pairs (labels=, pairs=, "
                "subgroups=), got neither."
            )
        kind = PairAccumulator if groups is None else GroupAccumulator
        if self._store is None or not len(self._store):
            self._store = kind()
        elif not isinstance(self._store, kind):
            raise ValueError(
                "Expected targets of the same kind, of groups or of pairs, as in the batches "
                "before. Call reset() before evaluating other data."
            )
        store: Accumulator = self._store
        store.update(
            embeddings, groups=groups, labels=labels, pairs=pairs, subgroups=subgroups,
            device=device, objects=objects,
        )  # fmt: skip

    def reset(self) -> None:
        """Discard everything."""
        super().reset()
        self._store = None
