"""Base class of losses that classify objects by group."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quaterion_core.distances import Distance
from quaterion_core.loss.group_index import GroupIndex
from quaterion_core.loss.group_loss import GroupLoss
from quaterion_core.utils.precision import embeddings_for_loss
from quaterion_core.utils.ranges import Count


class GroupClassificationLoss(GroupLoss, ABC):
    """Cross-entropy over groups, with one learned weight vector per group.

    Group ids may be any int64 values: :class:`~quaterion_core.loss.group_index.GroupIndex` assigns
    each a row of the weights when it first occurs in training. In evaluation, objects of other
    groups are ignored.

    Args:
        embedding_size: Embedding size D.
        num_groups: Number of groups C in the training data.
        distance_metric_name: Distance that defines the similarity to the weight vectors.

    Raises:
        ValueError: A size is not positive.
    """

    def __init__(
        self,
        embedding_size: Count,
        num_groups: Count,
        distance_metric_name: Distance = Distance.COSINE,
    ):
        super().__init__(distance_metric_name)
        if embedding_size < 1:
            raise ValueError(f"Expected embedding_size to be positive, got {embedding_size}.")
        self.embedding_size = embedding_size
        self.num_groups = num_groups
        self.group_index = GroupIndex(num_groups)
        self.weight = nn.Parameter(torch.empty(num_groups, embedding_size))
        nn.init.normal_(self.weight, std=0.01)

    @abstractmethod
    def logits(self, embeddings: Tensor, rows: Tensor) -> Tensor:
        """Compute the logits of all groups.

        Args:
            embeddings: Shape (N, D), float32 or float64.
            rows: Row of each object's own group, shape (N,); -1 for objects to ignore.

        Returns:
            Shape (N, C).
        """

    def forward(self, embeddings: Tensor, groups: Tensor, **kwargs: Any) -> Tensor:
        """Compute the mean cross-entropy of embeddings (N, D) and groups (N,); returns a scalar.

        Raises:
            ValueError: There are more groups than ``num_groups``, or D is not ``embedding_size``.
        """
        groups = self.check_batch(embeddings, groups)
        if embeddings.shape[1] != self.embedding_size:
            raise ValueError(
                f"Expected embeddings of shape (N, {self.embedding_size}), as "
                f"{type(self).__name__} was built with embedding_size={self.embedding_size}, got "
                f"{tuple(embeddings.shape)}."
            )
        rows: Tensor = self.group_index(groups)
        logits = self.logits(embeddings_for_loss(embeddings), rows)
        total = F.cross_entropy(logits, rows, ignore_index=-1, reduction="sum")
        return total / (rows >= 0).sum().clamp(min=1)

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this loss, as JSON values."""
        return {"embedding_size": self.embedding_size, "num_groups": self.num_groups}
