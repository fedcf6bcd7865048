"""Reading of images, and conversion to a number of channels."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from PIL import Image, ImageColor, ImageOps, UnidentifiedImageError
from torch import Tensor

from quaterion_core.storage.errors import printable

Background: TypeAlias = str | Sequence[int]
"""A colour: its name, ``#rrggbb``, or red, green and blue from 0 to 255."""

_FORMATS: Final = (
    "AVIF", "BMP", "DDS", "DIB", "GIF", "ICO", "JPEG", "JPEG2000", "MPO", "PCX", "PNG", "PPM",
    "PSD", "QOI", "SGI", "TGA", "TIFF", "WEBP",
)  # fmt: skip
_MODES: Final = {1: "L", 3: "RGB", 4: "RGBA"}
_LUMA: Final = (0.299, 0.587, 0.114)  # ITU-R BT.601, the weights that Pillow uses
_QUARTER_TURNS: Final = {
    1: Image.Transpose.ROTATE_90,
    2: Image.Transpose.ROTATE_180,
    3: Image.Transpose.ROTATE_270,
}


@dataclass(frozen=True)
class TurnedImage:
    """Image file that is read turned, mirrored, or mirrored and then turned.

    Args:
        path: Path of the file.
        quarter_turns: Number of turns by 90 degrees, anticlockwise: 0 to 3.
        mirrored: Whether left and right are swapped before the image is turned.

    Raises:
        ValueError: ``quarter_turns`` is out of range, or the image is neither turned nor mirrored.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "high.png"
        >>> Image.new("L", (6, 8)).save(path)
        >>> read_image(TurnedImage(path, 1), channels=1).size
        (8, 6)
    """

    path: Path
    quarter_turns: int
    mirrored: bool = False

    def __post_init__(self) -> None:
        if self.quarter_turns not in _QUARTER_TURNS and not (
            self.mirrored and self.quarter_turns == 0
        ):
            raise ValueError(
                "Expected quarter_turns to be 1, 2 or 3, or 0 for an image that is mirrored, got "
                f"{self.quarter_turns!r}."
            )

    def read(self) -> Image.Image:
        """Read the image; see :func:`read_image` for the errors."""
        image = _open(self.path)
        if self.mirrored:
            image = ImageOps.mirror(image)
        turn = _QUARTER_TURNS.get(self.quarter_turns)
        return image if turn is None else image.transpose(turn)


def read_image(obj: Any, channels: int, background: Background = "white") -> Image.Image | Tensor:
    """Read an image and convert it to a given number of channels.

    Greyscale, RGB and RGBA (1, 3 and 4 channels) are converted into each other: grey is repeated,
    and colours are weighted to grey (ITU-R BT.601). Transparent images are composed on the
    background, unless the result has an alpha channel; opaque images get a full alpha channel.
    Palettes and CMYK are converted to RGB. Images with any other number of channels must have the
    wanted number. The EXIF orientation is applied, so that a photo is upright as in a viewer. Of an
    animated image, the first frame is used, or the current frame of a Pillow image.

    The same 8-bit image gives the same result as a file, a Pillow image, an array or a tensor.
    Images of higher precision are not rounded to 8 bits.

    Args:
        obj: A Pillow image, the path of an image file, its content as ``bytes`` or ``BytesIO``, a
            dictionary with either under ``"bytes"`` or ``"path"`` (as in Parquet files and Hugging
            Face datasets), a :class:`TurnedImage`, a NumPy array (H, W) or (H, W, C), or a tensor
            (H, W) or (C, H, W). Arrays and tensors contain uint8, or floating-point values in
            [0, 1].
        channels: Number of channels C of the result.
        background: Colour behind transparent images: a name or value that Pillow knows, such as
            ``"white"`` or ``"#ff0000"``, or a tuple (R, G, B) of integers from 0 to 255.

    Returns:
        A Pillow image if ``obj`` has 8 bits per channel and 1, 3 or 4 channels, otherwise a float32
        tensor (C, H, W) of values in [0, 1].

    Raises:
        FileNotFoundError: There is no such file.
        TypeError: ``obj`` or its values are of another type.
        ValueError: The file is broken, not an image or not a regular file, or the shape, the number
            of channels or the range of values is invalid. The error names the file.

    Example:
        >>> read_image(np.zeros((8, 6), dtype=np.uint8), channels=3).mode
        'RGB'
        >>> read_image(np.full((8, 6, 3), 0.5), channels=1).shape
        torch.Size([1, 8, 6])
    """
    if isinstance(obj, Mapping) and obj.keys() & {"bytes", "path"}:
        obj = _content(obj)
    if isinstance(obj, TurnedImage):
        source, opened = str(obj.path), obj.read()
    elif isinstance(obj, (str, Path)):
        source, opened = str(obj), _open(Path(obj))
    elif isinstance(obj, (bytes, bytearray, io.BytesIO)):
        source = "an image in memory"
        opened = _decode(io.BytesIO(obj.getvalue() if isinstance(obj, io.BytesIO) else obj), source)
    elif isinstance(obj, Image.Image):
        source, opened = "a Pillow image", ImageOps.exif_transpose(obj)
    else:
        return _with_channels(_from_values(obj), channels, background)
    try:
        return _with_channels(_from_pillow(opened), channels, background)
    except ValueError as error:
        raise ValueError(f"Cannot use {source}: {error}") from error


def _content(image: Mapping[Any, Any]) -> Any:
    """Return the bytes or the path in a dictionary of an image."""
    content = image.get("bytes")
    content = image.get("path") if content is None else content
    if content is None:
        raise ValueError(
            "Expected an image as a dictionary with 'bytes' or 'path', got one with the keys "
            f"{list(image)} in which neither has a value."
        )
    return content


def _with_channels(
    image: Image.Image | Tensor, channels: int, background: Background
) -> Image.Image | Tensor:
    given = len(image.getbands()) if isinstance(image, Image.Image) else len(image)
    if isinstance(image, Image.Image) and channels in _MODES:
        if channels < 4 and _is_transparent(image):
            image = image.convert("RGBA")
            behind = Image.new("RGBA", image.size, (*background_colour(background), 255))
            image = Image.alpha_composite(behind, image).convert("RGB")
        return image.convert(_MODES[channels])
    if isinstance(image, Tensor) and given == channels:
        return image
    if isinstance(image, Tensor) and {given, channels} <= _MODES.keys():
        return _convert(image, channels, background)
    raise ValueError(
        f"Expected an image with {channels} channels, got {given}. Only 1, 3 and 4 channels (grey, "
        "RGB, RGBA) are converted into each other. The shape of a NumPy array is (H, W) or "
        "(H, W, C), that of a tensor (H, W) or (C, H, W)."
    )


def _open(path: Path) -> Image.Image:
    if not path.is_file():
        if not path.exists():
            raise FileNotFoundError(f"There is no image file {path}.")
        kind = "a folder" if path.is_dir() else "a pipe, socket or device"
        raise ValueError(f"The file {path} cannot be read as an image: it is {kind}.")
    return _decode(path, f"the file {path}")


@cache
def _formats() -> tuple[str, ...]:
    """Return the formats that are read, of those that this version of Pillow has.

    Formats for which Pillow starts another program, or that are documents, are not among them.
    """
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def _decode(file: Path | io.BytesIO, source: str) -> Image.Image:
    refused = f"{source[0].upper()}{source[1:]} cannot be read as an image"
    try:
        with Image.open(file, formats=_formats()) as image:
            largest, size = Image.MAX_IMAGE_PIXELS, image.width * image.height
            if largest is not None and size > largest:
                raise ValueError(
                    f"it has {size:,} pixels, more than the {largest:,} of PIL.Image."
                    "MAX_IMAGE_PIXELS. Shrink it, or raise that limit if you trust the file."
                )
            return ImageOps.exif_transpose(image)
    except UnidentifiedImageError:
        raise ValueError(
            f"{refused}: its format is not known. Expected one of {', '.join(_formats())}."
        ) from None
    except Exception as error:  # Pillow's decoders raise any error, such as SyntaxError
        raise ValueError(f"{refused}: {printable(str(error))}") from error


def _is_transparent(image: Image.Image) -> bool:
    palette = image.palette.mode if image.palette is not None else ""
    has_alpha = image.mode in ("RGBA", "RGBa", "LA", "La", "PA") or palette == "RGBA"
    return has_alpha or "transparency" in image.info


def background_colour(background: Background) -> tuple[int, int, int]:
    """Return the red, green and blue of a background, each from 0 to 255.

    Raises:
        ValueError: ``background`` is not a colour.

    Example:
        >>> background_colour("#ff0000"), background_colour("white")
        ((255, 0, 0), (255, 255, 255))
    """
    try:
        colour = ImageColor.getrgb(background) if isinstance(background, str) else tuple(background)
    except (TypeError, ValueError):
        colour = ()
    if len(colour) not in (3, 4) or not all(
        type(value) is int and 0 <= value <= 255 for value in colour
    ):
        raise ValueError(
            "Expected background to be a colour, such as 'white', '#ff0000' or (255, 0, 0), got "
            f"{background!r}."
        )
    return colour[0], colour[1], colour[2]


def _from_pillow(image: Image.Image) -> Image.Image | Tensor:
    """Return an 8-bit image unchanged, and the values (1, H, W) of a 16-bit one."""
    if image.mode in ("I", "F"):
        raise ValueError(
            f"Expected values of a known range, got a Pillow image of mode {image.mode!r}. Pass "
            "the values as a NumPy array, scaled to [0, 1]."
        )
    if image.mode.startswith("I;16"):  # Pillow would clip the values at 255
        return torch.from_numpy(np.asarray(image, dtype=np.float32) / 65535).unsqueeze(0)
    return image


def _from_values(values: Any) -> Image.Image | Tensor:
    """Return an array or a tensor as an 8-bit image, or as float32 values (C, H, W)."""
    if isinstance(values, Tensor):
        values = values.detach().cpu()
        pixels = (values.float() if values.is_floating_point() else values).numpy()
        pixels = pixels.transpose(1, 2, 0) if pixels.ndim == 3 else pixels
    elif isinstance(values, np.ndarray):
        pixels = values
    else:
        raise TypeError(
            "Expected an image as a Pillow image, the path of a file or its bytes, a NumPy array "
            f"or a tensor, got {values!r:.80} of type {type(values).__name__}."
        )
    if pixels.ndim not in (2, 3) or pixels.size == 0:
        raise ValueError(
            "Expected an image as a NumPy array (H, W) or (H, W, C), or a tensor (H, W) or "
            f"(C, H, W), got shape {tuple(values.shape)}. Pass the images of a batch one by one."
        )
    if pixels.dtype == np.uint8:
        pixels = np.atleast_3d(pixels)
        if pixels.shape[2] in _MODES:
            return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
        pixels = pixels / 255
    if pixels.dtype.kind != "f":
        raise TypeError(
            "Expected an image of uint8, or of floating-point values in [0, 1], got values of type "
            f"{values.dtype}. Convert them to uint8, or divide them by the largest possible one."
        )
    if not (pixels.min() >= 0 and pixels.max() <= 1):  # NaN fails both comparisons
        raise ValueError(
            "Expected floating-point values of an image in [0, 1], got values from "
            f"{pixels.min():.4g} to {pixels.max():.4g}. Divide 8-bit values by 255, clip values "
            "that resizing has moved out of range, and do not normalise: the encoder does."
        )
    planes = np.atleast_3d(pixels).astype(np.float32).transpose(2, 0, 1)
    return torch.from_numpy(np.ascontiguousarray(planes))


def _convert(image: Tensor, channels: int, background: Background) -> Tensor:
    """Convert float values (C, H, W) between grey, RGB and RGBA."""
    colours = image[:3].expand(3, -1, -1)
    if len(image) == 4:
        behind = torch.tensor(background_colour(background)).div(255).view(3, 1, 1)
        colours = behind + image[3] * (colours - behind)
    if channels == 3:
        return colours
    if channels == 4:
        return torch.cat([colours, torch.ones_like(colours[:1])])
    return torch.einsum("chw,c->hw", colours, torch.tensor(_LUMA)).unsqueeze(0)
