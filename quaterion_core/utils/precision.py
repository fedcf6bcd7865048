"""Precision of arithmetic whose range or differences half precision cannot hold."""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor

__all__ = ["at_least_float32", "embeddings_for_loss", "without_autocast"]

_LONGEST: Final = {torch.float32: 1e8, torch.float64: 1e30}


def at_least_float32(x: Tensor) -> Tensor:
    """Widen half precision and integers to float32; float32 and float64 are unchanged.

    Example:
        >>> at_least_float32(torch.ones(2, dtype=torch.bfloat16)).dtype
        torch.float32
        >>> at_least_float32(torch.ones(2, dtype=torch.float64)).dtype
        torch.float64
    """
    if x.dtype == torch.float16 and x.requires_grad:
        wide: Tensor = _Widen.apply(x)
        return wide
    return x.to(torch.promote_types(x.dtype, torch.float32))


class _Widen(torch.autograd.Function):
    """Widening of float16; gradients beyond its range are clamped to it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.float()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        limits = torch.finfo(torch.float16)
        return gradients[0].clamp(limits.min, limits.max).half()


def embeddings_for_loss(x: Tensor) -> Tensor:
    """Widen embeddings as :func:`at_least_float32` does, and shorten those of extreme length.

    Losses multiply, square and sum the embeddings. Where the length of a row of float32 exceeds
    1e8 (1e30 of float64), as in a run that diverges, the row is shortened to that, so that loss and
    gradient stay finite. Its direction is kept.

    Args:
        x: Embeddings, shape (N, D).

    Example:
        >>> embeddings_for_loss(torch.tensor([[3e25, 4e25], [3.0, 4.0]]))
        tensor([[6.0000e+07, 8.0000e+07],
                [3.0000e+00, 4.0000e+00]])
    """
    x = at_least_float32(x)
    longest = _LONGEST[x.dtype]
    if not x.numel():
        return x
    # On a GPU the check would wait for the device, and costs more than the rest.
    if x.device.type == "cpu" and _is_within(x.detach(), longest / x.shape[-1]):
        return x
    with torch.no_grad():
        largest = x.abs().amax(dim=-1, keepdim=True).clamp(min=1.0)
    reduced = x / largest
    norm = torch.linalg.vector_norm(reduced, dim=-1, keepdim=True)
    is_long = norm > longest / largest
    return torch.where(is_long, reduced * (longest / norm.where(is_long, 1.0)), x)


def _is_within(x: Tensor, bound: float) -> bool:
    """Whether no number exceeds a bound; false if any is NaN."""
    low, high = torch.aminmax(x)
    return bool((low >= -bound) & (high <= bound))


def without_autocast(device: torch.device) -> torch.autocast:
    """Return a context in which autocast does not narrow matrix products on a device.

    Example:
        >>> ones = torch.ones(2, 2)
        >>> with torch.autocast("cpu", dtype=torch.bfloat16):
        ...     inside = ones @ ones
        ...     with without_autocast(ones.device):
        ...         exempt = ones @ ones
        >>> inside.dtype, exempt.dtype
        (torch.bfloat16, torch.float32)
    """
    return torch.autocast(device.type, enabled=False)
