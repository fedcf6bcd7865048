"""Center loss: distance of embeddings from the centre of their group."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from quaterion_core.distances import Distance
from quaterion_core.loss.group_index import GroupIndex
from quaterion_core.loss.group_loss import GroupLoss
from quaterion_core.utils.precision import embeddings_for_loss
from quaterion_core.utils.ranges import Count
from quaterion_core.utils.utils import l2_norm


class CenterLoss(GroupLoss):
    """Squared distance of embeddings from the learned centre of their group (center loss).

    For embeddings x, normalised to unit length, and the centre c_y of their group::

        lambda_c mean of (x - c_y)²

    where the mean is over all values of all embeddings. The loss does not separate groups: combine
    it with one that does.

    Group ids may be any int64 values: :class:`~quaterion_core.loss.group_index.GroupIndex` assigns
    each a centre when it first occurs in training. In evaluation, objects of other groups are
    ignored.

    Source: Wen, Zhang, Li, Qiao, A Discriminative Feature Learning Approach for Deep Face
    Recognition, ECCV 2016, section 3.2, equation 2; the centres are updated by the optimizer
    instead of equation 4.

    Args:
        embedding_size: Embedding size D.
        num_groups: Number of groups in the training data.
        lambda_c: Factor of the loss.

    Raises:
        ValueError: A size is not positive.

    Example:
        >>> loss = CenterLoss(embedding_size=2, num_groups=1, lambda_c=0.5)
        >>> _ = torch.nn.init.zeros_(loss.centers)
        >>> value = loss(torch.tensor([[3.0, 4.0]]), torch.tensor([7]))  # 0.5 (0.6² + 0.8²) / 2
        >>> round(value.item(), 4)
        0.25
    """

    def __init__(self, embedding_size: Count, num_groups: Count, lambda_c: float = 0.5):
        super().__init__(Distance.EUCLIDEAN)
        if embedding_size < 1:
            raise ValueError(f"Expected embedding_size to be positive, got {embedding_size}.")
        self.embedding_size = embedding_size
        self.num_groups = num_groups
        self.lambda_c = lambda_c
        self.group_index = GroupIndex(num_groups)
        self.centers = nn.Parameter(l2_norm(torch.randn(num_groups, embedding_size), dim=1))

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this loss, as JSON values."""
        return {
            "embedding_size": self.embedding_size,
            "num_groups": self.num_groups,
            "lambda_c": self.lambda_c,
        }

    def forward(self, embeddings: Tensor, groups: Tensor, **kwargs: Any) -> Tensor:
        """Compute the loss of embeddings (N, D) and their groups (N,); returns a scalar.

        Raises:
            ValueError: There are more groups than ``num_groups``, or D is not ``embedding_size``.
        """
        groups = self.check_batch(embeddings, groups)
        if embeddings.shape[1] != self.embedding_size:
            raise ValueError(
                f"Expected embeddings of shape (N, {self.embedding_size}), as CenterLoss was built "
                f"with embedding_size={self.embedding_size}, got {tuple(embeddings.shape)}."
            )
        rows: Tensor = self.group_index(groups)
        is_known = rows >= 0
        unit = l2_norm(embeddings_for_loss(embeddings), dim=1)
        squares = (unit - self.centers[rows.clamp(min=0)]).square().mean(dim=1)
        return self.lambda_c * (squares * is_known).sum() / is_known.sum().clamp(min=1)
