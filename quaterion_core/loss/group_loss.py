"""The interface of losses over objects that belong to groups."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from quaterion_core.dataset.targets import exact_ids
from quaterion_core.loss.similarity_loss import SampleKind, SimilarityLoss


class GroupLoss(SimilarityLoss, ABC):
    """A loss for :class:`~quaterion_core.dataset.SimilarityGroupSample`.

    Objects of the same group are similar, those of different groups are not.
    """

    @property
    def sample_kind(self) -> SampleKind:
        """``"groups"``."""
        return "groups"

    @abstractmethod
    def forward(self, embeddings: Tensor, groups: Tensor) -> Tensor:
        """Compute the loss of a batch.

        Args:
            embeddings: Shape (N, D).
            groups: Group of each object, shape (N,), int64. Any values.

        Returns:
            A scalar.
        """

    def xbm_loss(
        self,
        embeddings: Tensor,
        groups: Tensor,
        memory_embeddings: Tensor,
        memory_groups: Tensor,
    ) -> Tensor:
        """Compute the loss of a batch against the embeddings of earlier batches.

        Source: Wang et al., Cross-Batch Memory for Embedding Learning, CVPR 2020, section 3.

        By default this is the loss of batch and memory together. It suits a loss in which every
        object counts by itself: where groups have weights or centres, the memory trains these as
        a larger batch would, and the objects of the batch count as much as those of the memory.
        Losses that compare objects with each other override it: they compare the objects of the
        batch with those of the memory, and not the memory with itself.

        Args:
            embeddings: Shape (N, D).
            groups: Group of each object, shape (N,), int64.
            memory_embeddings: Shape (M, D). They get no gradient.
            memory_groups: Group of each remembered object, shape (M,), int64.

        Returns:
            A scalar; 0 for an empty memory.
        """
        groups = self.check_batch(embeddings, groups)
        memory_groups = self.check_batch(memory_embeddings, memory_groups)
        if not len(memory_embeddings):
            return self.nothing_to_learn(embeddings)
        together: Tensor = self(
            torch.cat([embeddings, memory_embeddings.detach().to(embeddings)]),
            torch.cat([groups, memory_groups.to(groups)]),
        )
        return together

    @staticmethod
    def check_batch(embeddings: Tensor, groups: Tensor) -> Tensor:
        """Refuse a batch whose shapes or data types cannot be right.

        Returns:
            ``groups`` as int64.

        Raises:
            ValueError: ``embeddings`` is not (N, D), or ``groups`` is not (N,).
            TypeError: ``groups`` holds numbers that are not whole, or too large for their type to
                tell them apart.
        """
        if embeddings.ndim != 2 or groups.shape != embeddings.shape[:1]:
            raise ValueError(
                "A group loss takes embeddings (N, D) and groups (N,), but got "
                f"{tuple(embeddings.shape)} and {tuple(groups.shape)}."
            )
        return exact_ids(groups, "groups")
