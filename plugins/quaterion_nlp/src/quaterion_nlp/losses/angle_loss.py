"""AnglE loss: ranking of pairs by their angle in complex space."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from quaterion_core.distances import Distance
from quaterion_core.utils.ranges import PositiveFloat
from quaterion_core.utils.utils import l2_norm
from quaterion_nlp.losses.pair_order_loss import PairOrderLoss


class AnglELoss(PairOrderLoss):
    """Ranking of labelled pairs by their angle in complex space (AnglE).

    The halves of an embedding, normalised to unit length, are the real and the imaginary part of a
    complex vector. With z and w for the two objects of a pair, a pair's angle similarity is::

        s = | Re ⟨z, w⟩ + Im ⟨z, w⟩ |    where ⟨z, w⟩ = Σ z_k conj(w_k)

    and the loss, with the labels y of the pairs of a batch::

        log( 1 + Σ exp(scale (s_j - s_i)) )    over all pairs i and j with y_i > y_j

    The real part is the cosine. The imaginary part has a gradient where the cosine is flat, at 0
    and 180 degrees. Embeddings of odd size are padded with a zero.

    The paper adds this to the same loss of cosines (:class:`~quaterion_nlp.CoSENTLoss`) and to a
    contrastive loss. Its equation 8 calls s an angle difference and orders pairs the other way
    round, which would separate equal objects; here, as in the authors' code, a higher s means more
    similar.

    Source: Li, Li, AoE: Angle-optimized Embeddings for Semantic Textual Similarity, ACL 2024
    (AnglE-optimized Text Embeddings, 2023), section 3.3, equations 5 to 9.

    Args:
        scale: Factor of the similarities, 1/temperature.

    Raises:
        ValueError: ``scale`` is not positive.

    Example:
        >>> import torch
        >>> embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [-1.0, 1.0]])
        >>> pairs, subgroups = torch.tensor([[0, 1], [2, 3]]), torch.zeros(4, dtype=torch.int64)
        >>> loss = AnglELoss(scale=1.0)
        >>> # s = |1 + 0| for the first pair, |-0.7071 - 0.7071| for the second
        >>> loss(embeddings, pairs, torch.tensor([0.9, 0.2]), subgroups)  # log(1 + exp(0.4142))
        tensor(0.9215)
    """

    def __init__(self, scale: PositiveFloat = 20.0):
        super().__init__(scale, Distance.COSINE)

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this loss, as JSON values."""
        return {"scale": self.scale}

    def pair_similarities(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the angle similarities of paired rows, shape (B,)."""
        unit_x, unit_y = l2_norm(_even(x), dim=1), l2_norm(_even(y), dim=1)
        real_x, imaginary_x = unit_x.chunk(2, dim=1)
        real_y, imaginary_y = unit_y.chunk(2, dim=1)
        real = real_x * real_y + imaginary_x * imaginary_y
        imaginary = imaginary_x * real_y - real_x * imaginary_y
        return (real + imaginary).sum(dim=1).abs()


def _even(rows: Tensor) -> Tensor:
    """Append a column of zeros where the number of columns is odd."""
    return F.pad(rows, (0, rows.shape[1] % 2))
