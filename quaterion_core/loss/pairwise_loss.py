"""Interface of losses over pairs of objects."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from quaterion_core.dataset.targets import NO_SUBGROUP, exact_ids
from quaterion_core.loss.known_positives import link_equal_positives
from quaterion_core.loss.similarity_loss import SampleKind, SimilarityLoss
from quaterion_core.utils.accepted import names_argument


class PairwiseLoss(SimilarityLoss, ABC):
    """Base class of losses over :class:`~quaterion_core.dataset.SimilarityPairSample`.

    The label of a pair says how similar its two objects are. Objects of different subgroups are not
    similar. Objects of the same subgroup that do not form a pair may or may not be similar, and are
    never used as negatives.

    If pairs share an equal positive, the partner of one is not a negative of the other. A loss with
    in-batch negatives accepts ``objects``, the ids of the objects, as an argument of ``forward``
    and of ``xbm_loss``, and finds such partners with
    :func:`~quaterion_core.loss.known_positives.known_positives`. For a loss without this argument,
    such pairs are assigned to one subgroup if they have none.

    Attributes:
        score_range: Lowest and highest label that the loss accepts, or ``None``, the default, if it
            accepts any.
    """

    score_range: ClassVar[tuple[float, float] | None] = None
    _scores_checked = False

    @property
    def sample_kind(self) -> SampleKind:
        """``"pairs"``."""
        return "pairs"

    @abstractmethod
    def forward(
        self, embeddings: Tensor, pairs: Tensor, labels: Tensor, subgroups: Tensor
    ) -> Tensor:
        """Compute the loss of a batch of B pairs, which has N = 2B objects.

        Args:
            embeddings: Shape (N, D).
            pairs: Rows of ``embeddings`` that form each pair, shape (B, 2), int64.
            labels: Similarity of each pair, shape (B,): 1.0 for similar, 0.0 for dissimilar.
            subgroups: Subgroup id of each object, any values, shape (N,), int64.

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
        *,
        objects: Tensor | None = None,
        memory_objects: Tensor | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """Compute the loss of a batch against the pairs of earlier batches.

        Source: Wang et al., Cross-Batch Memory for Embedding Learning, CVPR 2020, section 3.

        By default, this is the loss of the batch and the memory together. Losses that compare
        objects across pairs override this method to compare the batch with the memory, but not the
        memory with itself.

        Args:
            embeddings: Shape (N, D).
            pairs: Rows of ``embeddings`` that form each pair, shape (B, 2), int64.
            labels: Similarity of each pair, shape (B,).
            subgroups: Subgroup of each object, shape (N,), int64.
            memory_embeddings: Shape (R, D). They receive no gradient.
            memory_pairs: Rows of ``memory_embeddings`` that form each remembered pair, shape
                (M, 2).
            memory_labels: Similarity of each remembered pair, shape (M,).
            memory_subgroups: Subgroup of each remembered object, shape (R,), int64.
            objects: Id of each object, shape (N,), int64.
            memory_objects: Id of each remembered object, shape (R,), int64.
            **kwargs: Other targets of the batch and, with the prefix ``memory_``, of the memory.

        Returns:
            A scalar; 0 for an empty memory.
        """
        subgroups = self.check_batch(embeddings, pairs, labels, subgroups)
        memory_subgroups = self.check_batch(
            memory_embeddings, memory_pairs, memory_labels, memory_subgroups
        )
        if not len(memory_pairs):
            return self.nothing_to_learn(embeddings)
        if objects is not None and memory_objects is not None:
            kwargs = {**kwargs, "objects": objects, "memory_objects": memory_objects}
        others = {
            name: torch.cat([values, kwargs[f"memory_{name}"].to(values)])
            for name, values in kwargs.items()
            if f"memory_{name}" in kwargs
        }
        return self.batch_loss(
            torch.cat([embeddings, memory_embeddings.detach().to(embeddings)]),
            {
                "pairs": torch.cat([pairs, memory_pairs + len(embeddings)]),
                "labels": torch.cat([labels, memory_labels.to(labels)]),
                "subgroups": torch.cat([subgroups, memory_subgroups]),
                **others,
            },
        )

    def batch_loss(self, embeddings: Tensor, targets: Mapping[str, Tensor]) -> Tensor:
        """Compute the loss of a batch (N, D) from the targets of a loader; returns a scalar."""
        if "objects" in targets and not names_argument(self.forward, "objects"):
            subgroups = link_equal_positives(
                targets["pairs"], targets["labels"], targets["subgroups"], targets["objects"]
            )
            targets = {**targets, "subgroups": subgroups}
        return super().batch_loss(embeddings, targets)

    def memory_loss(
        self,
        embeddings: Tensor,
        targets: Mapping[str, Tensor],
        memory_embeddings: Tensor,
        memory_targets: Mapping[str, Tensor],
    ) -> Tensor:
        """Compute the loss of a batch (N, D) against a memory (R, D); returns a scalar."""
        knows_objects = "objects" in targets and "objects" in memory_targets
        if knows_objects and not names_argument(self.xbm_loss, "objects"):
            subgroups = link_equal_positives(
                torch.cat([targets["pairs"], memory_targets["pairs"] + len(embeddings)]),
                torch.cat([targets["labels"], memory_targets["labels"]]),
                torch.cat([targets["subgroups"], memory_targets["subgroups"]]),
                torch.cat([targets["objects"], memory_targets["objects"]]),
            )
            targets = {**targets, "subgroups": subgroups[: len(embeddings)]}
            memory_targets = {**memory_targets, "subgroups": subgroups[len(embeddings) :]}
        return super().memory_loss(embeddings, targets, memory_embeddings, memory_targets)

    def check_scores(self, labels: Tensor) -> None:
        """Raise an error if labels (B,) are outside of :attr:`score_range`.

        Raises:
            ValueError: A label is out of range. The message says how to rescale them.

        Example:
            >>> from quaterion_core.loss import ContrastiveLoss
            >>> ContrastiveLoss().check_scores(torch.tensor([0.0, 5.0]))
            Traceback (most recent call last):
            ValueError: Expected scores from 0 to 1 for ContrastiveLoss, got scores from 0 to 5. ...
        """
        if self.score_range is None or not len(labels):
            return
        low, high = self.score_range
        lowest, highest = float(labels.min()), float(labels.max())
        slack = 1e-3  # for scores that were rounded to half precision
        if low - slack <= lowest and highest <= high + slack:
            return
        raise ValueError(
            f"Expected scores from {low:g} to {high:g} for {type(self).__name__}, got scores from "
            f"{lowest:g} to {highest:g}. Rescale them when they are read, such as with "
            "score_range=[0, 5] for scores from 0 to 5, or divide them by the largest one."
        )

    def check_batch(
        self, embeddings: Tensor, pairs: Tensor, labels: Tensor, subgroups: Tensor
    ) -> Tensor:
        """Raise an error if the shapes, data types or labels of a batch are invalid.

        Labels on a GPU are checked in the first batch only, as this synchronises with the GPU.

        Returns:
            ``subgroups`` as int64. If they are empty, no object has a subgroup:
            :data:`~quaterion_core.dataset.targets.NO_SUBGROUP` for each object.

        Raises:
            ValueError: Shapes do not match, or a label is out of range.
            TypeError: ``subgroups`` are not integers, or are too large to be exact in their type.
        """
        if not subgroups.numel():
            subgroups = torch.full(embeddings.shape[:1], NO_SUBGROUP, device=embeddings.device)
        if (
            embeddings.ndim != 2
            or pairs.shape != (*labels.shape, 2)
            or labels.ndim != 1
            or subgroups.shape != embeddings.shape[:1]
        ):
            raise ValueError(
                "Expected embeddings (N, D), pairs (B, 2), labels (B,) and subgroups (N,), got "
                f"{tuple(embeddings.shape)}, {tuple(pairs.shape)}, {tuple(labels.shape)} and "
                f"{tuple(subgroups.shape)}."
            )
        subgroups = exact_ids(subgroups, "subgroups")
        if not self._scores_checked or labels.device.type == "cpu":
            self.check_scores(labels)
            self._scores_checked = True
        return subgroups
