"""Shape of a cloud of embeddings: effective rank, alignment, uniformity, and PCA."""

from __future__ import annotations

import math
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

_BLOCK: Final = 1024
"""Rows whose distances to all others are in memory at once."""


def spectrum(embeddings: Tensor) -> Tensor:
    """Return the singular values of centered embeddings, largest first.

    Args:
        embeddings: Shape (N, D).

    Returns:
        Shape (min(N, D),), float64.

    Example:
        >>> spectrum(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))
        tensor([1.4142, 0.0000], dtype=torch.float64)
    """
    centered = _centered(embeddings)
    if len(centered) < centered.shape[1]:
        centered = centered.T
    squares: Tensor = torch.linalg.eigvalsh(centered.T @ centered).flip(0)
    return squares.clamp(min=0).sqrt()


def effective_rank(singular_values: Tensor) -> float:
    """Return the effective rank, the number of dimensions that embeddings make use of.

    It is the exponential of the entropy of the singular values, divided by their sum. Embeddings
    that spread evenly over d dimensions have the effective rank d; embeddings on a line have 1.

    Source: Roy and Vetterli, The Effective Rank: A Measure of Effective Dimensionality, EUSIPCO
    2007, definition 1.

    Args:
        singular_values: Those of the embeddings, as :func:`spectrum` returns them.

    Returns:
        A value between 1 and the number of singular values; 0 if all of them are 0.

    Example:
        >>> effective_rank(torch.tensor([1.0, 1.0, 1.0, 0.0]))
        3.0
        >>> effective_rank(torch.tensor([0.0, 0.0]))
        0.0
    """
    total = singular_values.sum()
    if total <= 0:
        return 0.0
    shares = singular_values.double() / total.double()
    return round(float(torch.special.entr(shares).sum().exp()), 6)


def alignment(first: Tensor, second: Tensor) -> float:
    """Return the mean squared distance of matching embeddings, normalized to unit length.

    Source: Wang and Isola, Understanding Contrastive Representation Learning through Alignment and
    Uniformity on the Hypersphere, ICML 2020, section 4.1, with exponent 2.

    Args:
        first: One embedding of each of P matching pairs, shape (P, D).
        second: The other embeddings, shape (P, D).

    Returns:
        A value between 0, for pairs in the same place, and 4; NaN without pairs.

    Example:
        >>> alignment(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 3.0]]))
        2.0
    """
    difference = F.normalize(first.double(), dim=1) - F.normalize(second.double(), dim=1)
    return round(float(difference.square().sum(dim=1).mean()), 6)


def uniformity(embeddings: Tensor) -> float:
    """Return the uniformity of embeddings, normalized to unit length.

    It is the logarithm of the mean of exp(-2 d²) over all pairs of different rows at distance d. It
    is computed in blocks, without a matrix of N × N.

    Source: Wang and Isola, 2020, section 4.1, with t = 2; see :func:`alignment`.

    Args:
        embeddings: Shape (N, D).

    Returns:
        A value between -8 and 0, for embeddings in one place; NaN for fewer than two.

    Example:
        >>> uniformity(torch.tensor([[1.0, 0.0], [1.0, 0.0]]))
        0.0
        >>> uniformity(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))
        -8.0
    """
    count = len(embeddings)
    if count < 2:
        return float("nan")
    unit = F.normalize(embeddings.float(), dim=1)
    total = 0.0
    for rows in torch.split(unit, _BLOCK):
        squared_distances = (2 - 2 * rows @ unit.T).clamp(min=0)
        total += float(squared_distances.mul_(-2).exp_().sum(dtype=torch.float64))
    # Each row is at distance 0 from itself, which adds 1.
    mean = (total - count) / (count * (count - 1))
    return round(math.log(max(mean, math.exp(-8))), 6)


def principal_axes(embeddings: Tensor, count: int = 2) -> tuple[Tensor, Tensor]:
    """Return the center of embeddings and their principal axes, with a fixed sign.

    Of each axis, the coordinate of largest magnitude is positive, so that the same embeddings give
    the same picture.

    Args:
        embeddings: Shape (N, D).
        count: Number of axes.

    Returns:
        The center, shape (D,), and unit axes of the largest variance first, shape (D, count);
        missing axes, for D < ``count``, are 0. Both are float64.

    Example:
        >>> center, axes = principal_axes(torch.tensor([[0.0, 0.0], [0.0, -4.0], [1.0, -2.0]]))
        >>> axes.abs().round()
        tensor([[0., 1.],
                [1., 0.]], dtype=torch.float64)
    """
    center = embeddings.double().mean(dim=0)
    centered = _centered(embeddings)
    _, vectors = torch.linalg.eigh(centered.T @ centered)
    axes = vectors.flip(1)[:, :count]
    largest = axes.gather(0, axes.abs().argmax(dim=0, keepdim=True))
    axes = axes * torch.where(largest < 0, -1.0, 1.0)
    return center, F.pad(axes, (0, count - axes.shape[1]))


def _centered(embeddings: Tensor) -> Tensor:
    wide = embeddings.double()
    return wide - wide.mean(dim=0)
