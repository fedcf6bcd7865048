"""Images as arrays of pixel values, by Pillow and NumPy."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from quaterion_serving.exported.settings import ImageSettings

_MODES: Final = {1: "L", 3: "RGB", 4: "RGBA"}
_FORMATS: Final = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
_RESAMPLING: Final = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
}
_READ: Final = (str, Path, bytes, Image.Image)


class ImagePreparation:
    """Turns images into the input of a graph.

    The EXIF orientation is applied, transparent images are composed on the background, and of an
    animated image the first frame is used.

    Args:
        settings: How.
    """

    def __init__(self, settings: ImageSettings):
        self.settings = settings
        shape = (settings.channels, 1, 1)
        self._mean = np.array(settings.mean, dtype=np.float32).reshape(shape)
        self._std = np.array(settings.std, dtype=np.float32).reshape(shape)

    def lengths(self, images: Sequence[Any]) -> list[int]:
        """Return the same length for all images."""
        return [0] * len(images)

    def check(self, objects: Sequence[Any]) -> None:
        """Refuse objects that are not images.

        Raises:
            TypeError: An object is something else.
        """
        for index, value in enumerate(objects):
            if not isinstance(value, _READ):
                raise TypeError(
                    "Expected images as paths, the bytes of files or Pillow images, got a "
                    f"{type(value).__name__} as object {index}."
                )

    def arrays(self, images: Sequence[Any], role: str | None) -> dict[str, np.ndarray[Any, Any]]:
        """Return the input for N images, float32 of shape (N, C, H, W).

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: An image cannot be read, or there is a role.
        """
        if role is not None:
            raise ValueError(f"Images have no role, but got role={role!r:.60}.")
        return {self.settings.input: np.stack([self._values(image) for image in images])}

    def _values(self, image: Any) -> np.ndarray[Any, Any]:
        pixels = self._fitted(self._converted(_opened(image)))
        values = np.asarray(pixels, dtype=np.float32) / np.float32(255)
        planes = values[np.newaxis] if values.ndim == 2 else values.transpose(2, 0, 1)
        normalized: np.ndarray[Any, Any] = (planes - self._mean) / self._std
        return normalized

    def _converted(self, image: Image.Image) -> Image.Image:
        if image.mode in ("I", "F") or image.mode.startswith("I;16"):
            raise ValueError(
                f"Expected an image of 8 bits per channel, got one of the mode {image.mode!r}."
            )
        if self.settings.channels < 4 and _is_transparent(image):
            image = image.convert("RGBA")
            behind = Image.new("RGBA", image.size, (*self.settings.background, 255))
            image = Image.alpha_composite(behind, image).convert("RGB")
        return image.convert(_MODES[self.settings.channels])

    def _fitted(self, image: Image.Image) -> Image.Image:
        """Resize and crop an image."""
        settings = self.settings
        height = math.floor(settings.height / settings.crop_share)
        width = math.floor(settings.width / settings.crop_share)
        if settings.crop_mode == "squash":
            size = (width, height)
        elif height == width:
            size = _shorter_side(image, height)
        else:
            ratio = min(image.height / height, image.width / width)
            size = (round(image.width / ratio), round(image.height / ratio))
        if size != image.size:
            image = image.resize(size, _RESAMPLING[settings.interpolation])
        left = round((image.width - settings.width) / 2)
        top = round((image.height - settings.height) / 2)
        return image.crop((left, top, left + settings.width, top + settings.height))


def _shorter_side(image: Image.Image, side: int) -> tuple[int, int]:
    """Return the width and height of an image whose shorter side gets a length."""
    if image.width <= image.height:
        return side, int(side * image.height / image.width)
    return int(side * image.width / image.height), side


def _opened(image: Any) -> Image.Image:
    if isinstance(image, Image.Image):
        return ImageOps.exif_transpose(image)
    if isinstance(image, (str, Path)) and not Path(image).is_file():
        raise FileNotFoundError(f"There is no image file {image}.")
    source = "an image in memory" if isinstance(image, bytes) else str(image)
    try:
        with Image.open(
            io.BytesIO(image) if isinstance(image, bytes) else image, formats=_FORMATS
        ) as opened:
            most = Image.MAX_IMAGE_PIXELS
            if most is not None and opened.width * opened.height > most:
                raise ValueError(f"it has more than the {most:,} pixels of PIL.MAX_IMAGE_PIXELS")
            return ImageOps.exif_transpose(opened)
    except UnidentifiedImageError:
        raise ValueError(
            f"{source} cannot be read as an image. Expected one of {', '.join(_FORMATS)}."
        ) from None
    except Exception as error:  # Pillow's decoders raise any error
        raise ValueError(f"{source} cannot be read as an image: {error}") from error


def _is_transparent(image: Image.Image) -> bool:
    palette = image.palette.mode if image.palette is not None else ""
    has_alpha = image.mode in ("RGBA", "RGBa", "LA", "La", "PA") or palette == "RGBA"
    return has_alpha or "transparency" in image.info
