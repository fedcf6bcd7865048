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

SIZES: Final = (64, 48, 32, 24, 16)
"""Sides of thumbnails in pixels: the largest whose picture is small enough is taken."""

_QUALITY: Final = 70
_MOST_PIXELS: Final = 100_000_000
_WIDEST: Final = 16_383
"""Most pixels on a side of a WebP picture."""

_SAMPLE: Final = 100
"""Number of thumbnails by which the size of all of them is estimated."""


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
    shown = list(pictures)[: (_WIDEST // SIZES[-1]) ** 2]
    while shown:
        size = _fitting_size([pictures[number] for number in shown], budget)
        image = _encoded([pictures[number] for number in shown], size)
        if len(image) <= budget:
            sprite = Sprite(image=image, columns=_columns(len(shown)), size=size, objects=shown)
            return sprite, unreadable
        shown = shown[: min(len(shown) - 1, int(len(shown) * 0.95 * budget / len(image)))]
    return None, unreadable


def _fitting_size(pictures: Sequence[Image], budget: int) -> int:
    """Return the largest size with which pictures probably fit, by a sample of them."""
    sample = pictures[:: -(-len(pictures) // _SAMPLE)]
    allowed = budget * len(sample) / len(pictures)
    sizes = (size for size in SIZES if _columns(len(pictures)) * size <= _WIDEST)
    return next((size for size in sizes if len(_encoded(sample, size)) <= allowed), SIZES[-1])


def _columns(count: int) -> int:
    return math.ceil(math.sqrt(count))


def _encoded(pictures: Sequence[Image], size: int) -> str:
    """Return pictures side by side in rows, as a data URI."""
    from PIL import Image

    columns = _columns(len(pictures))
    sheet = Image.new("RGB", (columns * size, -(-len(pictures) // columns) * size), "white")
    for place, picture in enumerate(pictures):
        row, column = divmod(place, columns)
        if size != picture.width:
            picture = picture.resize((size, size), Image.Resampling.LANCZOS)
        sheet.paste(picture, (column * size, row * size))
    stream = io.BytesIO()
    sheet.save(stream, "WEBP", quality=_QUALITY, method=4)
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode()


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
