"""Calibration of int8 embeddings: the range of each dimension, kept with a model."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Final

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from quaterion_core.storage import InvalidFolderError, SavedFolder, write_json
from quaterion_core.utils.faults import checked_content

_FILE: Final = "config.json"
_LEVELS: Final = 255
_MOST_DIMENSIONS: Final = 20_000

Bound = Annotated[float, Field(allow_inf_nan=False, ge=-3.4028235e38, le=3.4028235e38)]


class _Saved(BaseModel):
    """Content of the file of a calibration."""

    model_config = ConfigDict(extra="forbid", strict=True)

    low: list[Bound] = Field(min_length=1, max_length=_MOST_DIMENSIONS)
    high: list[Bound] = Field(min_length=1, max_length=_MOST_DIMENSIONS)
    normalize: bool


@dataclass(frozen=True)
class Int8Calibration:
    """Linear map of each dimension from its range in typical embeddings to -128 ... 127.

    Values outside of the range are clipped.

    Args:
        low: Smallest value of each dimension, shape (D,), float32.
        high: Largest value of each dimension, shape (D,), float32.
        normalize: Whether these are the ranges of embeddings of unit length.

    Example:
        >>> calibration = Int8Calibration.of(torch.tensor([[0.0, -1.0], [1.0, 1.0]]), False)
        >>> codes = calibration.quantized(torch.tensor([[0.2, 3.0]]))
        >>> codes
        tensor([[-77, 127]], dtype=torch.int8)
        >>> calibration.dequantized(codes).round(decimals=2)
        tensor([[0.2000, 1.0000]])
    """

    low: Tensor
    high: Tensor
    normalize: bool

    FOLDER: ClassVar[str] = "calibration"

    @classmethod
    def of(cls, embeddings: Tensor, normalize: bool) -> Int8Calibration:
        """Return the calibration for the ranges of embeddings (n, D)."""
        values = embeddings.detach().float().cpu()
        return cls(values.amin(dim=0), values.amax(dim=0), normalize)

    @property
    def size(self) -> int:
        """Number of dimensions D."""
        return len(self.low)

    def check(self, dim: int, normalize: bool) -> None:
        """Check that embeddings are like those that were calibrated with.

        Raises:
            ValueError: The others were normalized or truncated in another way.
        """
        fits = dim == self.size if normalize else dim <= self.size
        if normalize != self.normalize or not fits:
            raise ValueError(
                f"Expected dim={self.size}, normalize={self.normalize}, for which the model is "
                f"calibrated, got dim={dim}, normalize={normalize}. Calibrate it for these: "
                f"model.calibrate_int8(objects, dim={dim}, normalize={normalize})."
            )

    def quantized(self, embeddings: Tensor) -> Tensor:
        """Map embeddings (n, d), the first d of D dimensions, to int8."""
        low, step = self._scale(embeddings)
        codes = ((embeddings.float() - low) / step).round() - 128
        return codes.clamp(-128, 127).to(torch.int8)

    def dequantized(self, codes: Tensor) -> Tensor:
        """Map int8 values (n, d) back to float32, up to half a step within the range."""
        low, step = self._scale(codes)
        return (codes.float() + 128) * step + low

    def _scale(self, values: Tensor) -> tuple[Tensor, Tensor]:
        low = self.low[: values.shape[1]].to(values.device)
        # In float64 the difference of two float32 values cannot overflow.
        step = ((self.high.double() - self.low.double()) / _LEVELS)[: values.shape[1]]
        return low, torch.where(step > 0, step, 1.0).float().to(values.device)

    def digest(self) -> str:
        """Return a digest of the ranges."""
        content = json.dumps([self.low.tolist(), self.high.tolist(), self.normalize])
        return hashlib.sha256(content.encode()).hexdigest()

    def save(self, folder: Path) -> None:
        """Write the calibration to an existing folder."""
        content = {
            "low": self.low.tolist(),
            "high": self.high.tolist(),
            "normalize": self.normalize,
        }
        write_json(folder / _FILE, content, owner="the calibration")

    @classmethod
    def load(cls, folder: SavedFolder) -> Int8Calibration:
        """Read a calibration from an untrusted folder.

        Raises:
            InvalidFolderError: The folder holds something else.
        """
        folder.require({_FILE})
        source = folder.path / _FILE
        saved = checked_content(_Saved, folder.read_json(_FILE), f"{source} is no calibration")
        ordered = all(low <= high for low, high in zip(saved.low, saved.high, strict=False))
        if len(saved.low) != len(saved.high) or not ordered:
            raise InvalidFolderError(
                f"{source} is no calibration: expected a low and a high value for each dimension."
            )
        return cls(torch.tensor(saved.low), torch.tensor(saved.high), saved.normalize)


def check_calibration(calibration: Int8Calibration, embedding_size: int) -> None:
    """Check that a calibration that was loaded fits the embeddings of its model.

    Raises:
        ValueError: It has more dimensions.
    """
    if calibration.size > embedding_size:
        raise ValueError(
            f"the calibration is of {calibration.size} dimensions, the embeddings have "
            f"{embedding_size}."
        )
