"""Generalised-mean pooling, which replaces the average pooling of a timm model."""

from __future__ import annotations

from typing import Final

import torch
from timm.layers.adaptive_avgmax_pool import FastAdaptiveAvgPool, SelectAdaptivePool2d
from torch import Tensor, nn

from quaterion_core.utils.precision import at_least_float32

_SMALLEST: Final = 1e-6


class GeMPooling(nn.Module):
    """Generalised mean of each channel of a feature map.

    ::

        f_k = (1/|X_k| Σ_{x in X_k} x^p)^(1/p)

    with one exponent p for all channels, which is learned: 1 is the average, infinity the maximum.
    It is kept at 1 or above. Values below 0.000001, including negative ones, are clamped, so it
    suits features after a ReLU or a similar activation.

    The values are divided by the largest one before they are raised to p, only to avoid overflow
    and underflow.

    Source: Radenović, Tolias, Chum, Fine-tuning CNN Image Retrieval with No Human Annotation,
    TPAMI 2018, equations 2 and 3.

    Args:
        exponent: Initial value of p; 3 as in the paper.
        dim: The two dimensions of height and width.
        keepdim: Whether these are kept with size 1.

    Example:
        >>> features = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])  # (N, C, H, W)
        >>> GeMPooling(exponent=2.0)(features).item() ** 2  # (1 + 4 + 9 + 16) / 4
        7.5...
    """

    def __init__(self, exponent: float = 3.0, dim: tuple[int, int] = (2, 3), keepdim: bool = False):
        super().__init__()
        self.exponent = nn.Parameter(torch.tensor(float(exponent)))
        self.dim = dim
        self.keepdim = keepdim

    def forward(self, features: Tensor) -> Tensor:
        """Pool a feature map.

        Args:
            features: Shape (N, C, H, W), or (N, H, W, C), according to ``dim``.

        Returns:
            Shape (N, C), or with height and width of 1 if they are kept; of the same type.
        """
        values = at_least_float32(features).clamp(min=_SMALLEST)
        largest = values.detach().amax(self.dim, keepdim=True)
        exponent = at_least_float32(self.exponent).clamp(min=1.0)
        mean = (values / largest).pow(exponent).mean(self.dim, keepdim=True)
        pooled = (largest * mean.pow(1 / exponent)).to(features.dtype)
        return pooled if self.keepdim else pooled.flatten(1)


def use_gem_pooling(model: nn.Module) -> None:
    """Replace the average pooling of a timm model's last feature map by :class:`GeMPooling`.

    Modules after the pooling, such as a normalisation, are kept.

    Raises:
        ValueError: The model pools differently, or has no feature map: most transformers use one
            of their tokens as the embedding.
    """
    pools = [module for module in model.modules() if isinstance(module, SelectAdaptivePool2d)]
    kinds = sorted({type(pool.pool).__name__ for pool in pools})
    if len(pools) != 1 or kinds[0] not in ("AdaptiveAvgPool2d", "FastAdaptiveAvgPool"):
        has = f"pools by {' and '.join(kinds)}" if pools else "pools no feature map"
        raise ValueError(
            "pooling='gem' replaces the average pooling of a feature map, but "
            f"{type(model).__name__} {has}. Leave pooling out, or choose a convolutional model."
        )
    (pool,) = pools
    average = pool.pool
    if isinstance(average, FastAdaptiveAvgPool):
        pooling = GeMPooling(dim=average.dim, keepdim=not average.flatten)
    else:
        pooling = GeMPooling(keepdim=True)
    pool.add_module("pool", pooling)
