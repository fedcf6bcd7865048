"""Types of the values that embeddings are returned and stored as."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

from quaterion_core.encoding.calibration import Int8Calibration
from quaterion_core.utils.objects import positive_count

DTYPES: Final = ("float32", "float16", "int8", "binary")
"""Types by name. ``binary`` has one bit for each dimension, eight in a byte."""

_BITS: Final = 8


@dataclass(frozen=True)
class Values:
    """What is made of the embeddings (n, D) of a model.

    Args:
        size: The embedding size D of the model.
        dtype: One of :data:`DTYPES`; ``None`` leaves the type as it is.
        dim: Number of dimensions to keep; ``None`` keeps all.
        normalize: Whether to scale what is kept to unit length.
        calibration: The calibration of the model, for ``int8``.

    Raises:
        TypeError: ``dim`` is not an integer.
        ValueError: There is no such type, ``dim`` is not between 1 and D, or the model is not
            calibrated for ``int8``.

    Example:
        >>> Values(9, "binary")(torch.tensor([[1.0, -1, 1, 0, 0, 0, 0, 2, 3]]))
        tensor([[161, 128]], dtype=torch.uint8)
    """

    size: int
    dtype: str | None = None
    dim: int | None = None
    normalize: bool = False
    calibration: Int8Calibration | None = None

    def __post_init__(self) -> None:
        if self.dtype is not None and self.dtype not in DTYPES:
            raise ValueError(
                f"Expected dtype to be one of {', '.join(DTYPES)}, got {self.dtype!r}."
            )
        if self.dim is not None and not 1 <= positive_count(self.dim, "dim") <= self.size:
            raise ValueError(
                f"Expected dim to be between 1 and the embedding size {self.size}, got {self.dim}."
            )
        if self.dtype == "int8":
            if self.calibration is None:
                raise ValueError(
                    "The model is not calibrated for dtype='int8'. Call "
                    "model.calibrate_int8(objects) with some thousand typical objects, and save "
                    "it; on the command line: quaterion encode ... --calibrate."
                )
            self.calibration.check(self.kept, self.normalize)

    @property
    def kept(self) -> int:
        """Number of dimensions that are kept."""
        return self.dim or self.size

    @property
    def columns(self) -> int:
        """Number of columns of the result."""
        return -(-self.kept // _BITS) if self.dtype == "binary" else self.kept

    @property
    def torch_dtype(self) -> torch.dtype:
        """Type of the result, float32 if it is left as it is."""
        types = {"float16": torch.float16, "int8": torch.int8, "binary": torch.uint8}
        return types.get(self.dtype or "", torch.float32)

    def __call__(self, embeddings: Tensor) -> Tensor:
        """Return values (n, :attr:`columns`).

        Raises:
            ValueError: An embedding exceeds the range of float16.
        """
        values = embeddings[:, : self.dim]
        if self.normalize:
            values = F.normalize(values.float(), dim=1).to(values.dtype)
        if self.dtype is None:
            return values
        if self.dtype == "int8":
            assert self.calibration is not None
            return self.calibration.quantized(values)
        if self.dtype == "binary":
            return _packed(values > 0)
        converted = values.to(self.torch_dtype)
        if self.dtype == "float16" and not torch.isfinite(converted).all():
            raise ValueError(
                "Embeddings exceed 65,504, the largest float16. Use dtype='float32', or normalize."
            )
        return converted


def _packed(bits: Tensor) -> Tensor:
    """Pack bits (n, d) into bytes (n, ceil(d / 8)), the first one highest, as numpy.packbits."""
    padded = F.pad(bits.to(torch.uint8), (0, -bits.shape[1] % _BITS))
    weights = torch.tensor([128, 64, 32, 16, 8, 4, 2, 1], dtype=torch.uint8, device=bits.device)
    octets = padded.view(len(bits), padded.shape[1] // _BITS, _BITS)
    return (octets * weights).sum(dim=2, dtype=torch.uint8)
