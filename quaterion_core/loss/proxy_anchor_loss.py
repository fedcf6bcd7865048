"""Proxy-anchor loss: one learned proxy for each group, compared with the whole batch."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quaterion_core.distances import Distance
from quaterion_core.loss.group_index import GroupIndex
from quaterion_core.loss.group_loss import GroupLoss
from quaterion_core.utils.masked import masked_log_sum_exp
from quaterion_core.utils.precision import embeddings_for_loss
from quaterion_core.utils.utils import l2_norm


class ProxyAnchorLoss(GroupLoss):
    """Proxy-based softplus loss: each proxy attracts its group and repels all other objects.

    Each group has a learned proxy p. With the cosine s, the objects X of the
    batch, X_p those of the group of p, P all proxies and P⁺ those with an object in the batch::

        1/|P⁺| Σ over p in P⁺ of log( 1 + Σ over x in X_p of exp(-scale (s(x, p) - margin)) )
        + 1/|P| Σ over p in P of log( 1 + Σ over x not in X_p of exp(scale (s(x, p) + margin)) )

    Objects are compared with proxies only, so that batches need not hold several objects of a
    group.

    Group ids are any int64 values: :class:`~quaterion_core.loss.group_index.GroupIndex` assigns
    each a proxy when it first occurs in training. In evaluation, objects of other groups are
    ignored.

    Source: Kim, Kim, Cho, Kwak, Proxy Anchor Loss for Deep Metric Learning, CVPR 2020, section
    3.2, equation 4.

    Args:
        embedding_size: Size D of an embedding.
        num_groups: Number |P| of groups in the training data.
        margin: δ. Cosines should exceed δ for an object's own proxy and be below -δ for others.
        scale: α.

    Raises:
        ValueError: A size or the scale is not positive.

    Example:
        >>> loss = ProxyAnchorLoss(embedding_size=2, num_groups=2, margin=0.0, scale=1.0)
        >>> _ = torch.nn.init.eye_(loss.proxies)
        >>> value = loss(torch.eye(2), torch.tensor([7, 8]))  # log(1 + exp(-1)) + log(1 + exp(0))
        >>> round(value.item(), 4)
        1.0064
    """

    def __init__(
        self, embedding_size: int, num_groups: int, margin: float = 0.1, scale: float = 32.0
    ):
        super().__init__(Distance.COSINE)
        if embedding_size < 1:
            raise ValueError(f"embedding_size should be positive, but is {embedding_size}.")
        if scale <= 0:
            raise ValueError(f"scale should be positive, but is {scale}.")
        self.embedding_size = embedding_size
        self.num_groups = num_groups
        self.margin = margin
        self.scale = scale
        self.group_index = GroupIndex(num_groups)
        self.proxies = nn.Parameter(l2_norm(torch.randn(num_groups, embedding_size), dim=1))

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that build this loss again, as JSON values."""
        return {
            "embedding_size": self.embedding_size,
            "num_groups": self.num_groups,
            "margin": self.margin,
            "scale": self.scale,
        }

    def forward(self, embeddings: Tensor, groups: Tensor, **kwargs: Any) -> Tensor:
        """Compute the loss of embeddings (N, D) and their groups (N,); returns a scalar.

        Raises:
            ValueError: There are more groups than ``num_groups``, or D is not ``embedding_size``.
        """
        groups = self.check_batch(embeddings, groups)
        if embeddings.shape[1] != self.embedding_size:
            raise ValueError(
                f"ProxyAnchorLoss was built with embedding_size={self.embedding_size}, but got "
                f"embeddings of the shape {tuple(embeddings.shape)}."
            )
        embeddings = embeddings_for_loss(embeddings)
        rows: Tensor = self.group_index(groups)
        is_known = rows >= 0
        if not is_known.any():
            return self.nothing_to_learn(embeddings) + self.nothing_to_learn(self.proxies)
        cosines = self.distance_metric.similarity_matrix(embeddings[is_known], self.proxies)
        is_own = rows[is_known].unsqueeze(1) == torch.arange(self.num_groups, device=rows.device)
        to_own = -self.scale * (cosines - self.margin)
        to_others = self.scale * (cosines + self.margin)
        # Of a proxy without an object, or without other objects, log(1 + 0) is left.
        pulls = F.softplus(masked_log_sum_exp(to_own, is_own, dim=0))
        pushes = F.softplus(masked_log_sum_exp(to_others, ~is_own, dim=0))
        return pulls.sum() / is_own.any(dim=0).sum() + pushes.mean()
