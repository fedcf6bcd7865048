"""What losses share that classify objects by group."""

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


class GroupClassificationLoss(GroupLoss, ABC):
    """Cross-entropy over groups, with one learned weight vector for each.

    Group ids are any int64 values: :class:`~quaterion_core.loss.group_index.GroupIndex` gives
    each a row of the weights when training first shows it. In evaluation, objects of groups that
    training has not shown are left out.

    Args:
        embedding_size: Size D of an embedding.
        num_groups: Number C of groups in the training data.
        distance_metric_name: The distance whose similarity is compared with the weights.

    Raises:
        ValueError: A size is not positive.
    """

    def __init__(
        self, embedding_size: int, num_groups: int, distance_metric_name: Distance = Distance.COSINE
    ):
        super().__init__(distance_metric_name)
        if embedding_size < 1:
            raise ValueError(f"embedding_size should be positive, but is {embedding_size}.")
        self.embedding_size = embedding_size
        self.num_groups = num_groups
        self.group_index = GroupIndex(num_groups)
        self.weight = nn.Parameter(torch.empty(num_groups, embedding_size))
        nn.init.normal_(self.weight, std=0.01)

    @abstractmethod
    def logits(self, embeddings: Tensor, rows: Tensor) -> Tensor:
        """Compare embeddings with the weights of all groups.

        Args:
            embeddings: Shape (N, D), float32 or float64.
            rows: Row of each object's own group, shape (N,); -1 for an object that is left out.

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
                f"{type(self).__name__} was built with embedding_size={self.embedding_size}, but "
                f"got embeddings of the shape {tuple(embeddings.shape)}."
            )
        rows: Tensor = self.group_index(groups)
        logits = self.logits(embeddings_for_loss(embeddings), rows)
        total = F.cross_entropy(logits, rows, ignore_index=-1, reduction="sum")
        return total / (rows >= 0).sum().clamp(min=1)

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that build this loss again, as JSON values."""
        return {"embedding_size": self.embedding_size, "num_groups": self.num_groups}
