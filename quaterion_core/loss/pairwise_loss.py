"""The interface of losses over pairs of objects."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor

from quaterion_core.loss.similarity_loss import SimilarityLoss


class PairwiseLoss(SimilarityLoss, ABC):
    """A loss for :class:`~quaterion_core.dataset.SimilarityPairSample`.

    The two objects of a pair are as similar as the pair's label says. Objects of different
    subgroups are not similar. Nothing is known about two objects of one subgroup that are not a
    pair, and they are never taken as negatives.
    """

    @abstractmethod
    def forward(
        self, embeddings: Tensor, pairs: Tensor, labels: Tensor, subgroups: Tensor
    ) -> Tensor:
        """Compute the loss of a batch of B pairs, which has N = 2B objects.

        Args:
            embeddings: Shape (N, D).
            pairs: Rows of ``embeddings`` that make up each pair, shape (B, 2), int64.
            labels: Similarity of each pair, shape (B,): 1.0 similar, 0.0 not similar.
            subgroups: Subgroup of each object, shape (N,), int64. Any values.

        Returns:
            A scalar.
        """

    def xbm_loss(
        self,
        embeddings: Tensor,
        pairs: Tensor,
        labels: Tensor,
        subgroups: Tensor,
        memory_embeddings: Tensor,
        memory_pairs: Tensor,
        memory_labels: Tensor,
        memory_subgroups: Tensor,
        **kwargs: Any,
    ) -> Tensor:
        """Compute the loss of a batch against the pairs of earlier batches.

        Source: Wang et al., Cross-Batch Memory for Embedding Learning, CVPR 2020, section 3.

        By default this is the loss of batch and memory together. Losses that compare the objects
        of a pair with those of others override it: they compare the batch with the memory, and
        not the memory with itself.

        Args:
            embeddings: Shape (N, D).
            pairs: Rows of ``embeddings`` that make up each pair, shape (B, 2), int64.
            labels: Similarity of each pair, shape (B,).
            subgroups: Subgroup of each object, shape (N,), int64.
            memory_embeddings: Shape (R, D). They get no gradient.
            memory_pairs: Rows of ``memory_embeddings`` of each remembered pair, shape (M, 2).
            memory_labels: Similarity of each remembered pair, shape (M,).
            memory_subgroups: Subgroup of each remembered object, shape (R,), int64.
            **kwargs: Other targets of the batch, and those of the memory as ``memory_...``.

        Returns:
            A scalar; 0 for an empty memory.
        """
        self.check_batch(embeddings, pairs, labels, subgroups)
        self.check_batch(memory_embeddings, memory_pairs, memory_labels, memory_subgroups)
        if not len(memory_pairs):
            return self.nothing_to_learn(embeddings)
        others = {
            name: torch.cat([values, kwargs[f"memory_{name}"].to(values)])
            for name, values in kwargs.items()
            if f"memory_{name}" in kwargs
        }
        together: Tensor = self(
            torch.cat([embeddings, memory_embeddings.detach().to(embeddings)]),
            torch.cat([pairs, memory_pairs + len(embeddings)]),
            torch.cat([labels, memory_labels.to(labels)]),
            torch.cat([subgroups, memory_subgroups]),
            **others,
        )
        return together

    @staticmethod
    def check_batch(embeddings: Tensor, pairs: Tensor, labels: Tensor, subgroups: Tensor) -> None:
        """Refuse a batch whose shapes or data types cannot be right.

        Raises:
            ValueError: A shape does not fit the others.
            TypeError: ``subgroups`` holds no integers: large ids would collide as floating point.
        """
        if (
            embeddings.ndim != 2
            or pairs.shape != (*labels.shape, 2)
            or labels.ndim != 1
            or subgroups.shape != embeddings.shape[:1]
        ):
            raise ValueError(
                "A pairwise loss takes embeddings (N, D), pairs (B, 2), labels (B,) and subgroups "
                f"(N,), but got {tuple(embeddings.shape)}, {tuple(pairs.shape)}, "
                f"{tuple(labels.shape)} and {tuple(subgroups.shape)}."
            )
        if subgroups.is_floating_point() or subgroups.is_complex():
            raise TypeError(
                f"Subgroups should be int64, but are {subgroups.dtype}, which cannot tell large "
                "ids apart. Use quaterion_core.dataset.targets.subgroup_tensor(values)."
            )
