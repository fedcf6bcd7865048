"""An exported model, whatever runs its graph: from objects to arrays to embeddings."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from quaterion_serving.exported.files import (
    GOLDEN_FILE,
    SETTINGS_FILE,
    ExportedModelError,
    list_files,
)
from quaterion_serving.exported.golden import Sample, read_golden
from quaterion_serving.exported.settings import EncoderSettings, TextSettings, read_settings

if TYPE_CHECKING:
    from quaterion_serving.exported.images import ImagePreparation
    from quaterion_serving.exported.texts import TextPreparation

_BLOCK: Final = 4096
"""Number of objects that are sorted by their length together."""


class ExportedModel(ABC):
    """An exported model in a folder.

    A subclass opens the graph in :meth:`_open` and runs it in :meth:`_run`.

    Args:
        path: The folder.

    Raises:
        ExportedModelError: The folder is not an exported model of this kind, or was changed.
    """

    kind: ClassVar[str]
    graph_file: ClassVar[str]

    def __init__(self, path: str | Path):
        self.path = Path(path)
        files = list_files(self.path)
        self.settings = read_settings(self.path)
        if self.settings.kind != self.kind:
            raise ExportedModelError(
                f"{path} was exported to {self.settings.kind}, not to {self.kind}."
            )
        known = {self.graph_file, SETTINGS_FILE, GOLDEN_FILE, *self.settings.tokenizers}
        if surplus := sorted({*files} - known):
            raise ExportedModelError(
                f"{self.path / surplus[0]} is no file of an exported model. Remove it."
            )
        self._preparations = [
            _preparation(encoder, self.path) for encoder in self.settings.encoders.values()
        ]

    @property
    def embedding_size(self) -> int:
        """Size D of the embeddings."""
        return self.settings.embedding_size

    def encode(
        self,
        inputs: Sequence[Any] | str,
        batch_size: int = 32,
        *,
        role: str | None = None,
        normalize: bool = False,
    ) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Embed objects.

        Args:
            inputs: A list of n objects, or one text or path, which is treated as a list of one.
                Images are paths, the bytes of files, or Pillow images.
            batch_size: Number of objects that the graph embeds at once. Texts of similar length
                are batched together.
            role: Whether texts are queries (``"query"``) or documents (``"document"``), for a model
                with prompts of its own for these.
            normalize: Scale embeddings to unit length.

        Returns:
            Embeddings (n, D), float32.

        Raises:
            TypeError: An object is no text, or no image.
            ValueError: ``batch_size`` is less than 1, there is no such role, or an object cannot be
                read.
        """
        if batch_size < 1:
            raise ValueError(f"Expected batch_size to be at least 1, got {batch_size}.")
        objects = [inputs] if isinstance(inputs, (str, bytes, Path)) else list(inputs)
        for preparation in self._preparations:
            preparation.check(objects)
        embeddings = np.empty((len(objects), self.embedding_size), dtype=np.float32)
        for start in range(0, len(objects), _BLOCK):
            block = objects[start : start + _BLOCK]
            order = np.argsort(self._preparations[0].lengths(block), kind="stable")
            for first in range(0, len(block), batch_size):
                rows = order[first : first + batch_size]
                embeddings[start + rows] = self._embed([block[row] for row in rows], role)
        if normalize:
            lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
            embeddings /= np.where(lengths < 1e-12, np.inf, lengths)
        return embeddings

    def check(self) -> float:
        """Embed the stored samples again, and compare with their golden vectors.

        Returns:
            The largest difference of a value, in proportion to the length of its embedding.

        Raises:
            ExportedModelError: The folder has no golden vectors, or embeddings differ from them.
        """
        golden = read_golden(self.path)
        return golden.check(self.encode_sample, str(self.path))

    def encode_sample(self, sample: Sample) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Embed a golden sample: (1, D)."""
        return self.encode([sample.content], role=sample.role)

    def _embed(self, objects: list[Any], role: str | None) -> np.ndarray[Any, Any]:
        arrays: dict[str, np.ndarray[Any, Any]] = {}
        for preparation in self._preparations:
            arrays |= preparation.arrays(objects, role)
        embeddings = self._run(arrays)
        if embeddings.shape != (len(objects), self.embedding_size):
            raise ExportedModelError(
                f"The graph of {self.path} gives embeddings of shape {embeddings.shape} for "
                f"{len(objects)} objects, expected {(len(objects), self.embedding_size)}."
            )
        return embeddings

    @abstractmethod
    def _run(self, arrays: dict[str, np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
        """Run the graph on inputs by name, which gives embeddings (N, D)."""


def _preparation(settings: EncoderSettings, folder: Path) -> TextPreparation | ImagePreparation:
    if isinstance(settings, TextSettings):
        from quaterion_serving.exported.texts import TextPreparation

        return TextPreparation(settings, folder)
    from quaterion_serving.exported.images import ImagePreparation

    return ImagePreparation(settings)
