"""The samples whose embeddings are stored with an export."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from quaterion_core import SimilarityModel
from quaterion_core.dataset import Document, Query
from quaterion_core.dataset.text_roles import RoleText
from quaterion_serving.export.graph import ModelGraph
from quaterion_serving.exported.golden import Embeddings, Sample

TEXTS: Final = (
    "",
    "a",
    "How do I reset my password?",
    "  Where are my backups stored,  and who can read them?\n",
    "Une question en français, 日本語, and an emoji: \U0001f44b!",
    "A long text with the same words, again and again. " * 40,
)
"""Texts by default: an empty, a short, a usual and a long one, and what tokenizers differ in."""

_ROLES: Final[dict[str | None, type[str]]] = {"query": Query, "document": Document, None: str}
_MOST: Final = 100


def golden_samples(graph: ModelGraph, given: Sequence[Any] | None) -> list[Sample]:
    """Return the golden samples of a model.

    Args:
        graph: The model as it is exported.
        given: Texts, which may be ``Query`` and ``Document``, or images (paths, bytes of files,
            Pillow images); by default a few that are built in.

    Raises:
        TypeError: A sample is something else.
        ValueError: There are none, or too many.
    """
    is_image = any(encoder["kind"] == "image" for encoder in graph.encoders.values())
    if given is None:
        return _images(graph) if is_image else _texts(graph)
    chosen = checked_samples(given)
    return [_image(value) if is_image else text_sample(value) for value in chosen]


def checked_samples(given: Sequence[Any]) -> Sequence[Any]:
    """Return samples.

    Raises:
        ValueError: They are no list, or there are none, or too many.
    """
    if isinstance(given, str) or not 1 <= len(given) <= _MOST:
        raise ValueError(f"Expected 1 to {_MOST} samples as a list, got {given!r:.60}.")
    return given


def expected_embeddings(
    model: SimilarityModel, samples: Sequence[Sample], *, normalize: bool
) -> Embeddings:
    """Embed golden samples with the model itself."""
    objects = [
        _ROLES[sample.role](sample.content) if isinstance(sample.content, str) else sample.content
        for sample in samples
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a sample is meant to be cut off
        embeddings: Embeddings = model.encode(objects, normalize=normalize, dtype="float32")
    return embeddings


def _texts(graph: ModelGraph) -> list[Sample]:
    roles: list[str | None] = []
    for encoder in graph.encoders.values():
        roles += encoder["prompts"]
        if encoder["prompt"] is not None or not encoder["prompts"]:
            roles.append(None)
    return [Sample(text, role) for role in dict.fromkeys(roles) for text in TEXTS]


def text_sample(value: Any) -> Sample:
    """Return a golden sample of a text, which may have a role.

    Raises:
        TypeError: It is something else.
    """
    if not isinstance(value, str):
        raise TypeError(f"Expected samples to be texts, got a {type(value).__name__}.")
    return Sample(str(value), value.role if isinstance(value, RoleText) else None)


def _images(graph: ModelGraph) -> list[Sample]:
    """Return coloured waves of several sizes, one of them transparent."""
    return [
        _image(_waves(height, width, channels))
        for height, width, channels in ((64, 64, 3), (97, 143, 3), (300, 200, 4))
    ]


def _waves(height: int, width: int, channels: int) -> Any:
    from PIL import Image

    rows, columns = np.mgrid[0:height, 0:width]
    planes = [
        np.sin(rows / (7 + 3 * channel)) + np.cos(columns / (11 - channel))
        for channel in range(channels)
    ]
    pixels = np.stack(planes, axis=-1) * 63 + 127
    return Image.fromarray(pixels.round().astype(np.uint8))


def _image(value: Any) -> Sample:
    from PIL import Image

    if isinstance(value, (str, Path)):
        return Sample(Path(value).read_bytes())
    if isinstance(value, bytes):
        return Sample(value)
    if not isinstance(value, Image.Image):
        raise TypeError(
            "Expected samples to be paths of images, bytes of image files or Pillow images, got a "
            f"{type(value).__name__}."
        )
    stream = io.BytesIO()
    value.save(stream, "PNG")
    return Sample(stream.getvalue())
