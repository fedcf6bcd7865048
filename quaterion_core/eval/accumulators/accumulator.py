"""Stores of embeddings and targets, collected batch by batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor


class Accumulator(ABC):
    """Store of the embeddings and targets of batches.

    Batches are concatenated on first access.
    """

    empty_state: ClassVar[dict[str, Tensor]]
    """What :attr:`state` is before the first update."""

    def __init__(self) -> None:
        self._batches: list[dict[str, Tensor]] = []
        self._filled = False

    def __len__(self) -> int:
        """Return the number of embeddings."""
        return sum(len(batch["embeddings"]) for batch in self._batches)

    @property
    def state(self) -> dict[str, Tensor]:
        """All collected batches: the arguments of :meth:`update`, each as one tensor.

        ``objects``, which :meth:`update` may be called without, are part of it where each batch
        had them.

        ``update(**state)`` adds it to another accumulator, which merges what several processes
        collected.
        """
        if not self._batches:
            return dict(self.empty_state)
        if len(self._batches) > 1:
            self._batches = [
                {
                    name: torch.cat([batch[name] for batch in self._batches])
                    for name in (*self.empty_state, "objects")
                    if all(name in batch for batch in self._batches)
                }
            ]
        return dict(self._batches[0])

    @property
    def embeddings(self) -> Tensor:
        """All embeddings, shape (N, D)."""
        return self.state["embeddings"]

    @property
    def filled(self) -> bool:
        """Whether the whole dataset was collected, as :meth:`set_filled` says."""
        return self._filled

    def set_filled(self) -> None:
        """Mark the whole dataset as collected."""
        self._filled = True

    @abstractmethod
    def update(self, *args: Any, **kwargs: Any) -> None:
        """Add the embeddings and targets of a batch."""

    def reset(self) -> None:
        """Discard everything."""
        self._batches = []
        self._filled = False

    def _append(
        self, device: torch.device | str | None, objects: Tensor | None, **batch: Tensor
    ) -> None:
        """Add a checked batch, free of its graph; an empty one adds nothing."""
        embeddings = batch["embeddings"]
        if objects is not None:
            check_target("objects", objects, (len(embeddings),), integer=True)
            batch["objects"] = objects.long()
        if not len(embeddings):
            return
        if self._batches and embeddings.shape[1] != self._batches[0]["embeddings"].shape[1]:
            raise ValueError(
                f"Expected embeddings of size {self._batches[0]['embeddings'].shape[1]}, as in the "
                f"batches before, got {embeddings.shape[1]}. Call reset() before evaluating "
                "another model."
            )
        self._batches.append(
            {
                name: tensor.detach().to(device or embeddings.device)
                for name, tensor in batch.items()
            }
        )


def check_embeddings(embeddings: Tensor) -> None:
    """Check the embeddings of a batch.

    Raises:
        ValueError: Not a floating-point tensor of shape (N, D), or not finite.
    """
    if (
        not isinstance(embeddings, Tensor)
        or embeddings.ndim != 2
        or not embeddings.is_floating_point()
    ):
        raise ValueError(
            f"Expected embeddings to be a floating-point tensor of shape (N, D), got "
            f"{_describe(embeddings)}."
        )
    broken = ~torch.isfinite(embeddings).all(dim=1)
    if broken.any():
        raise ValueError(
            f"{int(broken.sum())} of {len(embeddings)} embeddings contain NaN or infinity, first "
            f"at row {int(broken.nonzero()[0])}. Check for a diverged training run or broken input."
        )


def check_target(
    name: str, target: Tensor, shape: tuple[int | str, ...], *, integer: bool = False
) -> None:
    """Check a target of a batch.

    Args:
        name: Name of the target.
        target: The target.
        shape: Expected shape; ``"B"`` stands for any size.
        integer: Whether an integer type is expected, which keeps ids exact.

    Raises:
        ValueError: The target is not such a tensor.
    """
    fits = (
        isinstance(target, Tensor)
        and target.ndim == len(shape)
        and all(size in (given, "B") for size, given in zip(shape, target.shape, strict=True))
        and not (integer and (target.is_floating_point() or target.dtype == torch.bool))
    )
    if not fits:
        kind = "an integer tensor" if integer else "a tensor"
        sizes = ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "")
        raise ValueError(
            f"Expected {name} to be {kind} of shape ({sizes}), got {_describe(target)}."
        )


def _describe(value: object) -> str:
    if not isinstance(value, Tensor):
        return f"a {type(value).__name__}"
    return f"{str(value.dtype).removeprefix('torch.')} of shape {tuple(value.shape)}"
