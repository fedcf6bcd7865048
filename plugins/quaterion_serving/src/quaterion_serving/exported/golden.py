"""Golden vectors: a few samples and their embeddings, by which an export is checked."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from quaterion_serving.exported.files import GOLDEN_FILE, ExportedModelError, read_json

TOLERANCE: Final = 1e-5
"""Largest difference of a value, in proportion to the length of its embedding."""

INT8_TOLERANCE: Final = 0.1
"""The same where weights are int8, whose arithmetic differs between processors."""

_MOST_SAMPLES: Final = 1000
Embeddings = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True)
class Sample:
    """A golden sample.

    Attributes:
        content: A text, or the bytes of an image file.
        role: Role of a text.
    """

    content: str | bytes
    role: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the sample as JSON values."""
        if isinstance(self.content, str):
            return {"text": self.content, "role": self.role}
        return {"image": base64.b64encode(self.content).decode()}


@dataclass(frozen=True)
class Golden:
    """Samples and their embeddings.

    Attributes:
        samples: N samples.
        embeddings: Their embeddings (N, D).
        tolerance: See :data:`TOLERANCE`.
    """

    samples: Sequence[Sample]
    embeddings: Embeddings
    tolerance: float

    def to_json(self) -> dict[str, Any]:
        """Return samples and embeddings as JSON values."""
        return {
            "tolerance": self.tolerance,
            "samples": [sample.to_json() for sample in self.samples],
            "embeddings": [[float(value) for value in row] for row in self.embeddings],
        }

    def check(self, encode: Callable[[Sample], Embeddings], source: str) -> float:
        """Embed each sample alone, and compare.

        Args:
            encode: Returns the embedding (1, D) of a sample.
            source: What is checked, for the error.

        Returns:
            The largest difference of a value, in proportion to the length of its embedding.

        Raises:
            ExportedModelError: It exceeds the tolerance.
        """
        found = np.concatenate([encode(sample) for sample in self.samples])
        return compare(found, self.embeddings, self.tolerance, source)


def compare(found: Embeddings, expected: Embeddings, tolerance: float, source: str) -> float:
    """Compare embeddings (N, D) with those expected; see :meth:`Golden.check`."""
    if found.shape != expected.shape:
        raise ExportedModelError(
            f"{source} gives embeddings of shape {found.shape}, but golden vectors of shape "
            f"{expected.shape} are stored."
        )
    lengths = np.maximum(np.linalg.norm(expected, axis=1, keepdims=True), 1e-12)
    differences = np.abs(found.astype(np.float64) - expected) / lengths
    largest = float(differences.max(initial=0))
    if not largest <= tolerance:  # NaN fails, too
        row = int(differences.max(axis=1).argmax())
        raise ExportedModelError(
            f"{source} does not give the embeddings of its model: sample {row} differs by "
            f"{largest:.2g} of its length, more than {tolerance:.2g}."
        )
    return largest


def read_golden(folder: Path) -> Golden:
    """Read and check ``golden.json``.

    Raises:
        ExportedModelError: It is missing, or not what exporting writes.
    """
    path = folder / GOLDEN_FILE
    value = read_json(path)
    fault = ExportedModelError(f"{path} does not contain golden vectors. Export the model again.")
    if not isinstance(value, dict) or not isinstance(value.get("samples"), list):
        raise fault
    samples = [_sample(entry, fault) for entry in value["samples"]]
    tolerance = value.get("tolerance")
    try:
        embeddings = np.array(value.get("embeddings"), dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise fault from error
    if (
        not 1 <= len(samples) <= _MOST_SAMPLES
        or embeddings.ndim != 2
        or len(embeddings) != len(samples)
        or not isinstance(tolerance, float)
        or not 0 < tolerance <= INT8_TOLERANCE
    ):
        raise fault
    return Golden(samples, embeddings, tolerance)


def _sample(entry: Any, fault: ExportedModelError) -> Sample:
    if not isinstance(entry, dict):
        raise fault
    if entry.keys() == {"text", "role"}:
        text, role = entry["text"], entry["role"]
        if isinstance(text, str) and role in (None, "query", "document"):
            return Sample(text, role)
    elif entry.keys() == {"image"} and isinstance(entry["image"], str):
        try:
            return Sample(base64.b64decode(entry["image"], validate=True))
        except binascii.Error as error:
            raise fault from error
    raise fault
