"""Embeddings that replace raw objects in a batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass(slots=True)  # not frozen: Lightning changes the precision of the tensors in a batch
class Embedded:
    """Embeddings in a batch's ``data``, instead of what an encoder would embed.

    Attributes:
        embeddings: What the encoder would return, shape (N, embedding_size).
    """

    embeddings: Tensor

    def to(self, *args: Any, **kwargs: Any) -> Embedded:
        """Move the embeddings, with the arguments of :meth:`torch.Tensor.to`."""
        return Embedded(self.embeddings.to(*args, **kwargs))

    def pin_memory(self) -> Embedded:
        """Pin the embeddings in memory, for faster transfer to a GPU."""
        return Embedded(self.embeddings.pin_memory())
