"""Interface of group losses that compare anchors with other objects."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from torch import Tensor

from quaterion_core.loss.group_loss import GroupLoss
from quaterion_core.utils.precision import embeddings_for_loss
from quaterion_core.utils.utils import get_anchor_negative_mask, get_anchor_positive_mask


class AnchoredGroupLoss(GroupLoss):
    """Group loss that compares anchors with other objects, of the same batch or of a memory.

    A subclass implements :meth:`anchored_loss`, which serves both cases and receives embeddings of
    at least float32.
    """

    def forward(self, embeddings: Tensor, groups: Tensor, **kwargs: Any) -> Tensor:
        """Compute the loss of embeddings (N, D) and their groups (N,); returns a scalar."""
        groups = self.check_batch(embeddings, groups)
        embeddings = embeddings_for_loss(embeddings)
        positive, negative = get_anchor_positive_mask(groups), get_anchor_negative_mask(groups)
        return self.anchored_loss(embeddings, embeddings, positive, negative)

    def xbm_loss(
        self,
        embeddings: Tensor,
        groups: Tensor,
        memory_embeddings: Tensor,
        memory_groups: Tensor,
    ) -> Tensor:
        """Compute the loss of a batch (N, D) against a memory (M, D); returns a scalar."""
        groups = self.check_batch(embeddings, groups)
        memory_groups = self.check_batch(memory_embeddings, memory_groups)
        return self.anchored_loss(
            embeddings_for_loss(embeddings),
            embeddings_for_loss(memory_embeddings.detach()),
            get_anchor_positive_mask(groups, memory_groups),
            get_anchor_negative_mask(groups, memory_groups),
        )

    @abstractmethod
    def anchored_loss(
        self, anchors: Tensor, others: Tensor, positive: Tensor, negative: Tensor
    ) -> Tensor:
        """Compute the loss of anchors against others.

        Args:
            anchors: Shape (N, D), at least float32.
            others: Shape (M, D); the same tensor as ``anchors`` if a batch is compared with itself.
            positive: Whether each of the others belongs to the group of each anchor, except for the
                anchor itself, shape (N, M), bool.
            negative: Whether each of the others belongs to another group, shape (N, M), bool.

        Returns:
            A scalar.
        """
