"""Smooth random deformation of images."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms import v2


class ElasticChange(v2.Transform):  # type: ignore[misc]  # torchvision is untyped
    """Elastic deformation: a smooth random displacement of the pixels.

    The displacements of a coarse grid of points are drawn from a normal distribution and
    interpolated bicubically for the pixels in between. Pixels outside the image are filled with
    the nearest edge. torchvision's ``ElasticTransform``, which draws a displacement for every
    pixel and blurs them, takes more than ten times as long.

    Source: Ronneberger, Fischer, Brox, U-Net: Convolutional Networks for Biomedical Image
    Segmentation, MICCAI 2015, section 3.1.

    Args:
        deviation: Standard deviation of the displacements, relative to the image size.
        points: Number of grid points per side.

    Example:
        >>> from PIL import Image
        >>> ElasticChange(deviation=0.03, points=5)(Image.new("L", (12, 8))).size
        (12, 8)
    """

    def __init__(self, deviation: float, points: int):
        super().__init__()
        self.deviation = deviation
        self.points = points

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the source position of each pixel, shape (1, H, W, 2)."""
        height, width = v2.functional.get_size(flat_inputs[0])
        shifts = self.deviation * torch.randn(1, 2, self.points, self.points)
        of_pixels = F.interpolate(shifts, size=(height, width), mode="bicubic", align_corners=True)
        unmoved = F.affine_grid(
            torch.eye(2, 3).unsqueeze(0), [1, 1, height, width], align_corners=False
        )
        return {"grid": unmoved + 2 * of_pixels.permute(0, 2, 3, 1)}  # a side is from -1 to 1

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Sample the image at the drawn positions."""
        values = v2.functional.to_dtype(v2.functional.to_image(inpt), torch.float32, scale=True)
        changed = F.grid_sample(
            values.unsqueeze(0), **params, padding_mode="border", align_corners=False
        )[0]
        if isinstance(inpt, Tensor):
            return changed
        return v2.functional.to_pil_image((255 * changed).round().to(torch.uint8))
