"""An encoder of vectors that were computed elsewhere."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePath
from typing import Any, ClassVar, Final

import numpy as np
import torch
from torch import Tensor
from typing_extensions import Self

from quaterion_core.encoders.encoder import Encoder
from quaterion_core.encoders.vector_files import read_vectors
from quaterion_core.encoders.vector_table import VectorTable
from quaterion_core.storage import InvalidFolderError, SavedFolder, write_json
from quaterion_core.types import CollateFnType
from quaterion_core.utils.objects import about_object

_CONFIG_FILE: Final = "config.json"
_SHOWN: Final = 3


class PrecomputedEncoder(Encoder):
    """Frozen encoder that looks up vectors by key, such as those of a closed API.

    The key of an object is the object itself: a text, whatever its role, a path or an integer id.

    A saved model contains the vectors, and digests of the keys instead of the keys. Vectors of
    more than 256 MiB are mapped into memory when it is loaded: the folder must not be removed.

    Args:
        vectors: A Parquet file, as ``quaterion encode -o vectors.parquet`` writes it
            (``quaterion-core[parquet]``); a ``.npz`` file with two arrays; a ``.npy`` file with
            vectors of shape (N, D); or, in Python, a function from a list of N keys to an array of
            that shape, which cannot be saved.
        keys: For a ``.npy`` file, the file of the N keys: ``.json``, ``.jsonl``, ``.txt`` with one
            key per line, or ``.npy``.
        key_column: Column or array of the keys.
        vector_column: Column or array of the vectors.
        embedding_size: D; needed for a function.

    Raises:
        FileNotFoundError: A file is missing.
        ImportError: The file is a Parquet file, and pyarrow is missing.
        TypeError: ``vectors`` is something else.
        ValueError: A file is not as expected, a value is NaN or infinite, or a key has two
            different vectors.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "vectors.npz")
        >>> np.savez(file, object=["a", "b"], embedding=[[1.0, 2.0], [3.0, 4.0]])
        >>> encoder = PrecomputedEncoder(file)
        >>> encoder(encoder.get_collate_fn()(["b"]))
        tensor([[3., 4.]])
    """

    def __init__(
        self,
        vectors: str | Path | Callable[[list[str]], Any],
        keys: str | Path | None = None,
        key_column: str = "object",
        vector_column: str = "embedding",
        embedding_size: int | None = None,
    ):
        super().__init__()
        self._table: VectorTable | Callable[[list[str]], Any]
        if isinstance(vectors, (str, os.PathLike)):
            given = None if keys is None else Path(keys)
            table = read_vectors(Path(vectors), given, key_column, vector_column)
            if embedding_size not in (None, table.size):
                raise ValueError(
                    f"Expected vectors of size {embedding_size} in {vectors}, got {table.size}."
                )
            self._table, self._size = table, table.size
        elif callable(vectors):
            if embedding_size is None:
                raise ValueError("Expected embedding_size with a function that returns vectors.")
            self._table, self._size = vectors, embedding_size
        else:
            raise TypeError(
                "Expected the path of a file of vectors, or a function that returns them, got a "
                f"{type(vectors).__name__}."
            )
        self._register_place()

    def _register_place(self) -> None:
        # Moves with the module, and so gives the device of the embeddings.
        self.register_buffer("_place", torch.empty(0), persistent=False)

    @classmethod
    def from_data(cls, objects: Iterable[Any], **config: Any) -> Self:
        """Build an encoder, and check that all training objects have a vector.

        Raises:
            ValueError: Some have none; the message tells how many.
        """
        encoder = cls(**config)
        if isinstance(encoder._table, VectorTable):
            encoder._rows(encoder._table, list(dict.fromkeys(object_keys(list(objects)))))
        return encoder

    @property
    def trainable(self) -> bool:
        """``False``: the vectors are constants."""
        return False

    @property
    def embedding_size(self) -> int:
        """Size D of the vectors."""
        return self._size

    def get_collate_fn(self) -> CollateFnType:
        """Return :func:`object_keys`."""
        return object_keys

    def forward(self, batch: list[str]) -> Tensor:
        """Look up the vectors of N keys.

        Returns:
            Vectors (N, D), float32, on the device of the module.

        Raises:
            ValueError: A key has no vector, or a function returns something else than N vectors.
        """
        if isinstance(self._table, VectorTable):
            found = self._table[self._rows(self._table, batch)]
        else:
            found = np.asarray(self._table(batch), dtype=np.float32)
            if found.shape != (len(batch), self._size):
                raise ValueError(
                    f"Expected the function to return vectors of shape {(len(batch), self._size)} "
                    f"for {len(batch)} keys, got {found.shape}."
                )
        return torch.from_numpy(found).to(self.get_buffer("_place").device)

    def _rows(self, table: VectorTable, keys: Sequence[str]) -> Any:
        rows = table.rows(keys)
        missing = (rows < 0).nonzero()[0]
        if len(missing):
            shown = ", ".join(f"{keys[row]!r:.60}" for row in missing[:_SHOWN])
            more = ", ..." if len(missing) > _SHOWN else ""
            raise about_object(
                ValueError(
                    f"Expected a vector for each of {len(keys):,} objects, got none for "
                    f"{len(missing):,}: {shown}{more}. A precomputed encoder knows only the "
                    f"{len(table):,} keys that it was given: add these to the file of vectors, or "
                    "embed new texts with the encoder 'openai-compatible' under the same head. If "
                    "the keys are ids, check key_column."
                ),
                int(missing[0]),
            )
        return rows

    def get_config_dict(self) -> dict[str, Any]:
        """Raise an error: the vectors cannot be described by arguments. :meth:`save` works."""
        raise NotImplementedError(
            f"The vectors of {type(self).__name__} cannot be described by arguments. Use "
            "save(path)."
        )

    saved_files: ClassVar[frozenset[str]] = frozenset({_CONFIG_FILE, *VectorTable.FILES})

    def save(self, output_path: str | Path) -> None:
        """Save ``config.json`` and ``vectors.safetensors`` into an existing folder.

        Raises:
            NotImplementedError: The vectors are those of a function.
        """
        if not isinstance(self._table, VectorTable):
            raise NotImplementedError(
                f"{type(self).__name__} cannot be saved with a function. Write its vectors to a "
                "file, and give the file."
            )
        folder = Path(output_path)
        write_json(folder / _CONFIG_FILE, {"embedding_size": self._size}, owner=type(self).__name__)
        self._table.save(folder)

    @classmethod
    def load_from(cls, folder: SavedFolder) -> Self:
        """Load an encoder from an opened folder that :meth:`save` filled.

        Raises:
            InvalidFolderError: A file is missing, surplus or broken, or they do not match.
        """
        folder.require(cls.saved_files)
        config = folder.read_json(_CONFIG_FILE)
        table = VectorTable.load(folder)
        if config != {"embedding_size": table.size} or type(config["embedding_size"]) is not int:
            raise InvalidFolderError(
                f"{folder.path / _CONFIG_FILE} does not describe vectors of size {table.size}. "
                "Save the model again."
            )
        encoder = cls.__new__(cls)
        Encoder.__init__(encoder)
        encoder._table, encoder._size = table, table.size
        encoder._register_place()
        return encoder


def object_keys(objects: Sequence[Any]) -> list[str]:
    """Return the keys of objects: texts and paths as they are, integers as texts.

    Raises:
        TypeError: An object is something else.

    Example:
        >>> object_keys(["a text", PurePath("images/1.png"), 17])
        ['a text', 'images/1.png', '17']
    """
    keys = []
    for index, obj in enumerate(objects):
        if isinstance(obj, bool) or not isinstance(obj, (str, PurePath, int, np.integer)):
            raise about_object(
                TypeError(
                    "Expected a text, a path or an integer id, by which a precomputed vector is "
                    f"found, got a {type(obj).__name__} as object {index}: {obj!r:.60}."
                ),
                index,
            )
        keys.append(str(obj))
    return keys
