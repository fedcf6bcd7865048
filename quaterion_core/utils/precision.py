"""Precision of arithmetic whose range or differences half precision cannot hold."""

from __future__ import annotations

import torch
from torch import Tensor


def at_least_float32(x: Tensor) -> Tensor:
    """Widen half precision and integers to float32; float32 and float64 stay what they are.

    Example:
        >>> at_least_float32(torch.ones(2, dtype=torch.bfloat16)).dtype
        torch.float32
        >>> at_least_float32(torch.ones(2, dtype=torch.float64)).dtype
        torch.float64
    """
    return x.to(torch.promote_types(x.dtype, torch.float32))


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
