"""The cross-batch memory of pairs: a ring of the latest ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from quaterion_core.train.xbm.xbm_buffer import XbmBuffer
from quaterion_core.train.xbm.xbm_config import XbmConfig
from quaterion_core.types import Targets


class XbmPairBuffer(nn.Module):
    """Remembers the latest pairs. It is part of checkpoints, position and fullness too.

    Args:
        config: Size, in pairs, and place of the memory.
        embedding_size: Size D of an embedding.

    Example:
        >>> buffer = XbmPairBuffer(XbmConfig(buffer_size=3), embedding_size=1)
        >>> embeddings = torch.tensor([[1.0], [2.0], [3.0], [4.0]])
        >>> buffer.remember(embeddings, {
        ...     "pairs": torch.tensor([[0, 2], [1, 3]]),
        ...     "labels": torch.tensor([1.0, 0.0]),
        ...     "subgroups": torch.tensor([7, 8, 7, 8]),
        ... })
        >>> remembered, targets = buffer.recall(embeddings)
        >>> remembered.flatten().tolist(), targets["pairs"].tolist(), targets["labels"].tolist()
        ([1.0, 2.0, 3.0, 4.0], [[0, 2], [1, 3]], [1.0, 0.0])
    """

    def __init__(self, config: XbmConfig, embedding_size: int):
        super().__init__()
        self._embeddings = XbmBuffer(config, 2 * embedding_size)
        self._labels = XbmBuffer(config, 1)

    @property
    def is_full(self) -> bool:
        """Whether every place is taken."""
        return self._embeddings.is_full

    def recall(self, embeddings: Tensor) -> tuple[Tensor, Targets]:
        """Return copies of the remembered pairs, for a batch of these embeddings.

        Returns:
            Remembered embeddings (2M, D) of the batch's type, and their ``pairs`` (M, 2),
            ``labels`` (M,) and ``subgroups`` (2M,), all where the batch is.
        """
        remembered, targets = self._embeddings.recall(embeddings)
        labels, _ = self._labels.recall(embeddings)
        first = torch.arange(len(labels), device=embeddings.device)
        return torch.cat(remembered.chunk(2, dim=1)), {
            "pairs": torch.stack((first, first + len(first)), dim=1),
            "labels": labels.squeeze(1),
            "subgroups": targets["groups"].repeat(2),
        }

    def remember(self, embeddings: Tensor, targets: Targets) -> None:
        """Remember a batch: embeddings (N, D), ``pairs`` (B, 2), ``labels`` and ``subgroups``."""
        pairs, labels = targets["pairs"], targets["labels"]
        subgroups = targets["subgroups"][pairs[:, 0]]
        self._embeddings.queue(embeddings[pairs].flatten(1), subgroups)
        self._labels.queue(labels.to(embeddings.dtype).unsqueeze(1), subgroups)
