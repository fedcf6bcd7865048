"""What counts as an image, and how one is given the number of channels that a model takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

_MODES: Final = {1: "L", 3: "RGB", 4: "RGBA"}
_LUMA: Final = (0.299, 0.587, 0.114)  # ITU-R BT.601, the weights that Pillow uses
_QUARTER_TURNS: Final = {
    1: Image.Transpose.ROTATE_90,
    2: Image.Transpose.ROTATE_180,
    3: Image.Transpose.ROTATE_270,
}


@dataclass(frozen=True)
class TurnedImage:
    """An image file that is read turned, mirrored, or mirrored and then turned.

    Args:
        path: The file.
        quarter_turns: By how many times 90 degrees, anticlockwise: 0 to 3.
        mirrored: Whether left and right are swapped, before it is turned.

    Raises:
        ValueError: ``quarter_turns`` is none of these, or the image is neither turned nor mirrored.

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
                "quarter_turns is 1, 2 or 3 times 90 degrees, or 0 for an image that is mirrored, "
                f"but got {self.quarter_turns!r}."
            )

    def read(self) -> Image.Image:
        """Open the file; see :func:`read_image` for the errors."""
        image = _open(self.path)
        if self.mirrored:
            image = ImageOps.mirror(image)
        turn = _QUARTER_TURNS.get(self.quarter_turns)
        return image if turn is None else image.transpose(turn)


def read_image(obj: Any, channels: int) -> Image.Image | Tensor:
    """Turn what a user calls an image into one with a given number of channels.

    Greyscale, RGB and RGBA (1, 3 and 4 channels) are converted into one another: grey is
    repeated, colours are weighed into grey (ITU-R BT.601), alpha is dropped or set to opaque.
    An image with any other number of channels has to have the wanted one. The EXIF orientation
    is applied, so that a photo stands as a viewer shows it.

    The same 8-bit image gives the same result whether it comes as a file, as a Pillow image, as
    an array or as a tensor. Images of higher precision are not rounded to 8 bits.

    Args:
        obj: A Pillow image, the path of an image file, a :class:`TurnedImage`, a NumPy array
            (H, W) or (H, W, C), or a tensor (H, W) or (C, H, W). Arrays and tensors hold uint8,
            or floating-point values in [0, 1].
        channels: C of the result.

    Returns:
        A Pillow image where ``obj`` has 8 bits per channel and 1, 3 or 4 channels, otherwise a
        float32 tensor (C, H, W) of values in [0, 1].

    Raises:
        FileNotFoundError: There is no such file.
        TypeError: ``obj`` is of another type, or holds values of another type.
        ValueError: The file is broken or no image, or the shape, the number of channels or the
            range of the values is none of the above.

    Example:
        >>> read_image(np.zeros((8, 6), dtype=np.uint8), channels=3).mode
        'RGB'
        >>> read_image(np.full((8, 6, 3), 0.5), channels=1).shape
        torch.Size([1, 8, 6])
    """
    if isinstance(obj, (str, Path)):
        obj = _open(Path(obj))
    elif isinstance(obj, TurnedImage):
        obj = obj.read()
    elif isinstance(obj, Image.Image):
        obj = ImageOps.exif_transpose(obj)
    image = _from_pillow(obj) if isinstance(obj, Image.Image) else _from_values(obj)
    given = len(image.getbands()) if isinstance(image, Image.Image) else len(image)
    if isinstance(image, Image.Image) and channels in _MODES:
        return image.convert(_MODES[channels])
    if isinstance(image, Tensor) and given == channels:
        return image
    if isinstance(image, Tensor) and {given, channels} <= _MODES.keys():
        return _convert(image, channels)
    raise ValueError(
        f"An image has {given} channels, but {channels} are wanted, and only 1, 3 and 4 (grey, "
        "RGB, RGBA) are converted into one another. The shape of a NumPy array is (H, W) or "
        "(H, W, C), that of a tensor (H, W) or (C, H, W)."
    )


def _open(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            return ImageOps.exif_transpose(image)
    except FileNotFoundError:
        raise FileNotFoundError(f"There is no image file {path}.") from None
    except Exception as error:  # Pillow's decoders raise anything, SyntaxError for one
        raise ValueError(f"The file {path} cannot be read as an image: {error}") from error


def _from_pillow(image: Image.Image) -> Image.Image | Tensor:
    """Return an 8-bit image as it is, and the values (1, H, W) of a 16-bit one."""
    if image.mode in ("I", "F"):
        raise ValueError(
            f"A Pillow image of mode {image.mode!r} has values of no fixed range. Pass them as "
            "a NumPy array, scaled to [0, 1]."
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
            "An image is a Pillow image, the path of a file, a NumPy array or a tensor, but got "
            f"{values!r:.80} of type {type(values).__name__}."
        )
    if pixels.ndim not in (2, 3) or pixels.size == 0:
        raise ValueError(
            "An image is a NumPy array (H, W) or (H, W, C), or a tensor (H, W) or (C, H, W), but "
            f"got one of shape {tuple(values.shape)}. Pass the images of a batch one by one."
        )
    if pixels.dtype == np.uint8:
        pixels = np.atleast_3d(pixels)
        if pixels.shape[2] in _MODES:
            return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
        pixels = pixels / 255
    if pixels.dtype.kind != "f":
        raise TypeError(
            "An image holds uint8, or floating-point values in [0, 1], but got values of type "
            f"{values.dtype}. Convert them to uint8, or divide them by the largest possible one."
        )
    if not (pixels.min() >= 0 and pixels.max() <= 1):  # NaN fails both comparisons
        raise ValueError(
            f"An image has values from {pixels.min():.4g} to {pixels.max():.4g}, but those of "
            "floating point have to lie in [0, 1]. Divide those of an 8-bit image by 255, clip "
            "what resizing has pushed out, and do not normalise: the encoder does."
        )
    planes = np.atleast_3d(pixels).astype(np.float32).transpose(2, 0, 1)
    return torch.from_numpy(np.ascontiguousarray(planes))


def _convert(image: Tensor, channels: int) -> Tensor:
    """Convert float values (C, H, W) between grey, RGB and RGBA."""
    colours = image[:3].expand(3, -1, -1)
    if channels == 3:
        return colours
    if channels == 4:
        return torch.cat([colours, torch.ones_like(colours[:1])])
    return torch.einsum("chw,c->hw", colours, torch.tensor(_LUMA)).unsqueeze(0)
