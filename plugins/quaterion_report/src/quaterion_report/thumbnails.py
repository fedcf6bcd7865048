"""Thumbnails of objects that are images, many in one small picture."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from quaterion_report.report_data import Sprite

if TYPE_CHECKING:
    from PIL.Image import Image

SIZES: Final = (64, 48, 32, 24)
"""Sides of thumbnails in pixels: the largest whose picture is small enough is taken."""

_QUALITY: Final = 72
_MOST_PIXELS: Final = 100_000_000
_WIDEST: Final = 16_000
"""Most pixels on a side of a WebP picture, which may have 16,383."""


def is_image(obj: Any) -> bool:
    """Whether an object is an image, or the path of a file.

    Example:
        >>> is_image("a text"), is_image(Path("cat.png")), is_image(torch.zeros(3, 8, 8))
        (False, True, True)
        >>> is_image(torch.zeros(8))
        False
    """
    if isinstance(obj, (np.ndarray, torch.Tensor)):
        return obj.ndim in (2, 3)
    return isinstance(obj, Path) or (hasattr(obj, "thumbnail") and hasattr(obj, "mode"))


def thumbnail(obj: Any, size: int) -> Image:
    """Return an image scaled to fit a square, on a white background.

    Args:
        obj: A Pillow image, the path of an image file, or an array or tensor of shape (H, W),
            (H, W, C) or (C, H, W) with uint8, or floating-point values between 0 and 1.
        size: Side of the square in pixels.

    Raises:
        OSError: A file cannot be read as an image.
        ValueError: It is none of these, or has too many pixels.
    """
    from PIL import Image, ImageOps

    picture: Image.Image
    if isinstance(obj, Path):
        with Image.open(obj) as opened:
            _check_size(opened.size)
            opened.draft("RGB", (size * 2, size * 2))
            picture = ImageOps.exif_transpose(opened)
    elif isinstance(obj, (np.ndarray, torch.Tensor)):
        picture = Image.fromarray(_pixels(obj))
    else:
        picture = obj
    if picture.mode in ("I;16", "I", "F"):
        picture = picture.point(lambda value: value / 256)
    picture = picture.convert("RGBA")
    picture.thumbnail((size, size))
    if max(picture.size) < size:
        picture = ImageOps.contain(picture, (size, size), Image.Resampling.NEAREST)
    square = Image.new("RGB", (size, size), "white")
    place = ((size - picture.width) // 2, (size - picture.height) // 2)
    square.paste(picture, place, picture)
    return square


def sprite_of(objects: Mapping[int, Any], budget: int) -> tuple[Sprite | None, Sequence[int]]:
    """Return one picture with thumbnails of objects.

    The largest of :data:`SIZES` is taken with which the picture fits the budget. If it does not fit
    with the smallest one, it shows only as many of the first objects as do.

    Args:
        objects: Images by number, the most important first.
        budget: Most bytes of the picture as it is written in the page.

    Returns:
        The picture, if there is an image; and the numbers of objects that cannot be read.
    """
    unreadable: list[int] = []
    pictures: dict[int, Image] = {}
    for number, obj in objects.items():
        try:
            pictures[number] = thumbnail(obj, SIZES[0])
        except (OSError, ValueError, SyntaxError):  # Pillow raises the latter for broken PNG
            unreadable.append(number)
    shown = list(pictures)
    for size in SIZES:
        sprite = _sprite(pictures, shown, size) if shown else None
        if sprite is None or len(sprite.image) <= budget:
            return sprite, unreadable
    while sprite is not None and len(sprite.image) > budget:
        shown = shown[: int(len(shown) * 0.95 * budget / len(sprite.image))]
        sprite = _sprite(pictures, shown, SIZES[-1]) if shown else None
    return sprite, unreadable


def _sprite(pictures: Mapping[int, Image], shown: Sequence[int], size: int) -> Sprite:
    from PIL import Image

    columns = min(math.ceil(math.sqrt(len(shown))), _WIDEST // size)
    rows = math.ceil(len(shown) / columns)
    sheet = Image.new("RGB", (columns * size, rows * size), "white")
    for place, number in enumerate(shown):
        row, column = divmod(place, columns)
        picture = pictures[number]
        if size != picture.width:
            picture = picture.resize((size, size), Image.Resampling.LANCZOS)
        sheet.paste(picture, (column * size, row * size))
    stream = io.BytesIO()
    sheet.save(stream, "WEBP", quality=_QUALITY, method=4)
    image = "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode()
    return Sprite(image=image, columns=columns, size=size, objects=list(shown))


def _pixels(obj: np.ndarray[Any, Any] | torch.Tensor) -> np.ndarray[Any, Any]:
    """Return an array of uint8, (H, W) or (H, W, C)."""
    array = obj.detach().cpu().numpy() if isinstance(obj, torch.Tensor) else obj
    if array.ndim == 3 and isinstance(obj, torch.Tensor):
        array = array.transpose(1, 2, 0)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim == 3 and array.shape[2] not in (3, 4):
        array = array[:, :, :3].mean(axis=2)
    _check_size(array.shape[:2])
    if np.issubdtype(array.dtype, np.floating):
        array = (np.nan_to_num(array).clip(0, 1) * 255).round()
    return np.ascontiguousarray(array.astype(np.uint8))


def _check_size(size: Sequence[int]) -> None:
    if math.prod(size) > _MOST_PIXELS:
        raise ValueError(
            f"Expected an image of up to {_MOST_PIXELS:,} pixels, got {size[0]} × {size[1]}."
        )
