"""Selection and weights of the positive pairs of ranking losses with graded labels."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

POSITIVE_FROM: Final = 0.5
"""Lowest label of a similar pair, by default: half of the range of scores."""


def check_positive_from(positive_from: float) -> float:
    """Return ``positive_from``, the lowest label of a similar pair, if it is valid.

    Raises:
        ValueError: It is not in (0, 1].
    """
    if not 0 < positive_from <= 1:
        raise ValueError(
            "Expected positive_from, the lowest score of a similar pair, to be above 0 and at most "
            f"1, got {positive_from!r}."
        )
    return positive_from


def positive_weights(labels: Tensor, positive_from: float, dtype: torch.dtype) -> Tensor:
    """Return the labels of similar pairs and 0 for other pairs, shape (B,).

    Example:
        >>> positive_weights(torch.tensor([1.0, 0.75, 0.3, 0.0]), 0.5, torch.float32)
        tensor([1.0000, 0.7500, 0.0000, 0.0000])
    """
    weights = labels.to(dtype)
    return weights * (labels >= positive_from)
