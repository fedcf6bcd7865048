"""Generalised-mean pooling, in the place of a timm model's average pooling."""

from __future__ import annotations

from typing import Final

import torch
from timm.layers.adaptive_avgmax_pool import FastAdaptiveAvgPool, SelectAdaptivePool2d
from torch import Tensor, nn

from quaterion_core.utils.precision import at_least_float32

_SMALLEST: Final = 1e-6


class GeMPooling(nn.Module):
    """Pools each channel of a feature map to the generalised mean of its values.

    ::

        f_k = (1/|X_k| Σ_{x in X_k} x^p)^(1/p)

    with one exponent p for all channels, which is learned: 1 is the average, infinity the maximum.
    It stays at 1 or above. Values below 0.000001 count as that, negative ones too, so it suits
    features that end in a ReLU or something like it.

    The values are divided by the largest one before they are raised to p, which changes nothing
    but that no power overflows or vanishes.

    Source: Radenović, Tolias, Chum, Fine-tuning CNN Image Retrieval with No Human Annotation,
    TPAMI 2018, equations 2 and 3.

    Args:
        exponent: p at the start; 3 as in the paper.
        dim: The two dimensions of height and width.
        keepdim: Whether these stay, with the size 1.

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
            features: Shape (N, C, H, W), or (N, H, W, C) where ``dim`` says so.

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
    """Put :class:`GeMPooling` where a timm model averages its last feature map.

    What comes after the pooling, such as a normalisation, stays.

    Raises:
        ValueError: The model pools in another way, or not a feature map: most transformers embed
            an image as one of their tokens.
    """
    pools = [module for module in model.modules() if isinstance(module, SelectAdaptivePool2d)]
    kinds = sorted({type(pool.pool).__name__ for pool in pools})
    if len(pools) != 1 or kinds[0] not in ("AdaptiveAvgPool2d", "FastAdaptiveAvgPool"):
        has = f"pools by {' and '.join(kinds)}" if pools else "pools no feature map"
        raise ValueError(
            "pooling='gem' takes the place of the average pooling of a feature map, but "
            f"{type(model).__name__} {has}. Leave pooling out, or choose a convolutional model."
        )
    (pool,) = pools
    average = pool.pool
    if isinstance(average, FastAdaptiveAvgPool):
        pooling = GeMPooling(dim=average.dim, keepdim=not average.flatten)
    else:
        pooling = GeMPooling(keepdim=True)
    pool.add_module("pool", pooling)
