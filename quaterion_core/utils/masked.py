"""Reductions over the marked values of a tensor."""

from __future__ import annotations

import torch
from torch import Tensor


def masked_log_sum_exp(logits: Tensor, mask: Tensor, dim: int | tuple[int, ...]) -> Tensor:
    """Return log Σ exp of the marked values; of none, a number so low that exp of it is 0.

    Minus infinity would be exact there, but the gradient of log Σ exp of nothing is 0/0.

    Args:
        logits: Any shape, floating point; not empty.
        mask: Which values to sum, same shape, bool.
        dim: The dimensions that are reduced.

    Example:
        >>> mask = torch.tensor([[True, True], [False, False]])
        >>> sums = masked_log_sum_exp(torch.zeros(2, 2), mask, dim=1)
        >>> sums[0].exp(), sums[1].exp()
        (tensor(2.), tensor(0.))
    """
    lowest = torch.finfo(logits.dtype).min / 4
    return logits.masked_fill(~mask, lowest).logsumexp(dim)
