"""Proxy-anchor loss: one learned proxy per group, compared with the whole batch."""

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
from quaterion_core.utils.ranges import Count, PositiveFloat
from quaterion_core.utils.utils import l2_norm


class ProxyAnchorLoss(GroupLoss):
    """Softplus loss in which learned proxies attract their group and repel all other objects.

    Each group has a learned proxy p. With the cosine s, the objects X of the batch, those X_p of
    the group of p, all proxies P, and the proxies P⁺ with an object in the batch::

        1/|P⁺| Σ over p in P⁺ of log( 1 + Σ over x in X_p of exp(-scale (s(x, p) - margin)) )
        + 1/|P| Σ over p in P of log( 1 + Σ over x not in X_p of exp(scale (s(x, p) + margin)) )

    Objects are compared with proxies only, so a batch need not contain several objects of a group.

    Group ids may be any int64 values: :class:`~quaterion_core.loss.group_index.GroupIndex` assigns
    each a proxy when it first occurs in training. In evaluation, objects of other groups are
    ignored.

    Source: Kim, Kim, Cho, Kwak, Proxy Anchor Loss for Deep Metric Learning, CVPR 2020, section
    3.2, equation 4.

    Args:
        embedding_size: Embedding size D.
        num_groups: Number of groups |P| in the training data.
        margin: Margin δ. Cosines should exceed δ with the own proxy and be below -δ with others.
        scale: Factor α of the cosines.

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
        self,
        embedding_size: Count,
        num_groups: Count,
        margin: float = 0.1,
        scale: PositiveFloat = 32.0,
    ):
        super().__init__(Distance.COSINE)
        if embedding_size < 1:
            raise ValueError(f"Expected embedding_size to be positive, got {embedding_size}.")
        if scale <= 0:
            raise ValueError(f"Expected scale to be positive, got {scale}.")
        self.embedding_size = embedding_size
        self.num_groups = num_groups
        self.margin = margin
        self.scale = scale
        self.group_index = GroupIndex(num_groups)
        self.proxies = nn.Parameter(l2_norm(torch.randn(num_groups, embedding_size), dim=1))

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this loss, as JSON values."""
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
                f"Expected embeddings of shape (N, {self.embedding_size}), as ProxyAnchorLoss was "
                f"built with embedding_size={self.embedding_size}, got {tuple(embeddings.shape)}."
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
        # For a proxy without objects of its own or without others, log(1 + 0) remains.
        pulls = F.softplus(masked_log_sum_exp(to_own, is_own, dim=0))
        pushes = F.softplus(masked_log_sum_exp(to_others, ~is_own, dim=0))
        return pulls.sum() / is_own.any(dim=0).sum() + pushes.mean()
