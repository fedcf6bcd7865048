"""Interface of losses over objects that belong to groups."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from quaterion_core.dataset.targets import exact_ids
from quaterion_core.loss.similarity_loss import SampleKind, SimilarityLoss


class GroupLoss(SimilarityLoss, ABC):
    """Base class of losses over :class:`~quaterion_core.dataset.SimilarityGroupSample`.

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
            groups: Group id of each object, any values, shape (N,), int64.

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

        By default, this is the loss of the batch and the memory together, which suits losses that
        have one term per object: the memory then trains the weights or centres of groups as a
        larger batch would. Losses that compare objects with each other override this method to
        compare the batch with the memory, but not the memory with itself.

        Args:
            embeddings: Shape (N, D).
            groups: Group of each object, shape (N,), int64.
            memory_embeddings: Shape (M, D). They receive no gradient.
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
        """Raise an error if the shapes or data types of a batch are invalid.

        Returns:
            ``groups`` as int64.

        Raises:
            ValueError: ``embeddings`` is not (N, D), or ``groups`` is not (N,).
            TypeError: ``groups`` are not integers, or are too large to be exact in their type.
        """
        if embeddings.ndim != 2 or groups.shape != embeddings.shape[:1]:
            raise ValueError(
                "Expected embeddings of shape (N, D) and groups of shape (N,), got "
                f"{tuple(embeddings.shape)} and {tuple(groups.shape)}."
            )
        return exact_ids(groups, "groups")
