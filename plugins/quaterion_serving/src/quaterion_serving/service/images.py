"""Images of requests, and thumbnails of results."""

from __future__ import annotations

import base64
import binascii
import io
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from quaterion_core.dataset.file_kinds import IMAGES
from quaterion_core.storage.regular_files import open_regular_file
from quaterion_serving.service.errors import invalid, too_large

if TYPE_CHECKING:
    from PIL.Image import Image

_FORMATS: Final = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
_MOST_PIXELS: Final = 25_000_000
_THUMBNAIL: Final = 192
_DATA_URL: Final = "data:image/"


def image_of(data: bytes) -> Image:
    """Return the image that some bytes encode, in RGB, turned as its camera was held.

    Raises:
        ServiceError: They are no image of a known format, or it has too many pixels.
    """
    from PIL import ImageOps

    with _opened(io.BytesIO(data)) as image:
        return ImageOps.exif_transpose(image).convert("RGB")


def image_of_text(text: str) -> Image:
    """Return the image of a data URL, or of base64.

    Raises:
        ServiceError: The text is none, or no image.
    """
    if text.startswith(_DATA_URL):
        text = text.partition(",")[2]
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid(f"Expected an image in base64, got {text!r:.60} ({error}).") from error
    return image_of(data)


def is_data_url(text: str) -> bool:
    """Whether a text is the data URL of an image.

    Example:
        >>> is_data_url("data:image/png;base64,iVBORw0KGgo="), is_data_url("a text")
        (True, False)
    """
    return text.startswith(_DATA_URL)


def thumbnail_of(path: Path, folders: Sequence[Path] | None) -> bytes | None:
    """Return a small WebP picture of an image file.

    Args:
        path: The file.
        folders: Folders that it must be in; ``None`` for any.

    Returns:
        The picture; ``None`` if the file is no image, is not there, or not in these folders.
    """
    if path.suffix.lower() not in IMAGES:
        return None
    try:
        found = path.resolve(strict=True)
        if folders is not None and not any(found.is_relative_to(f.resolve()) for f in folders):
            return None
        with os.fdopen(open_regular_file(found), "rb") as file, _opened(file) as image:
            return _thumbnail(image)
    except Exception:  # of whatever is wrong with a file, only a missing picture is told
        return None


def _thumbnail(image: Image) -> bytes:
    from PIL import ImageOps

    image.draft("RGB", (2 * _THUMBNAIL, 2 * _THUMBNAIL))
    picture: Any = ImageOps.exif_transpose(image).convert("RGB")
    picture.thumbnail((_THUMBNAIL, _THUMBNAIL))
    stream = io.BytesIO()
    picture.save(stream, "WEBP", quality=80)
    return stream.getvalue()


@contextmanager
def _opened(file: Any) -> Iterator[Image]:
    """Open an image of a known format and size, and read it within a ``with`` block.

    Raises:
        ServiceError: It is none.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file, formats=_FORMATS) as image:
                if image.width * image.height > _MOST_PIXELS:
                    raise too_large(
                        f"Expected an image of up to {_MOST_PIXELS:,} pixels, got "
                        f"{image.width:,} × {image.height:,}."
                    )
                yield image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise too_large(f"Expected an image of up to {_MOST_PIXELS:,} pixels. {error}") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise invalid(
            f"Expected an image of one of the formats {', '.join(_FORMATS)}, got another file."
        ) from error
