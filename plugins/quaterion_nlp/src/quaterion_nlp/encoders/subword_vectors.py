"""Vectors of words, and of the character n-grams of unknown words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator
from safetensors.numpy import save_file
from typing_extensions import Self

from quaterion_core.storage import (
    InvalidFolderError,
    NotSavableError,
    SavedFolder,
    write_json,
)
from quaterion_core.storage.tensor_files import TensorInfo
from quaterion_nlp.saved.schemas import Schema, check

_VOCABULARY_FILE: Final = "vocabulary.json"
_VECTORS_FILE: Final = "vectors.safetensors"
_VOCABULARY_LIMIT: Final = 256 << 20


@dataclass(frozen=True, eq=False)
class SubwordVectors:
    """Vectors of a fastText model, or any other table of word vectors.

    A word of the vocabulary has its own vector. The vector of any other word is the mean of the
    vectors of its character n-grams, which are looked up by their hash.

    Source: Bojanowski et al., Enriching Word Vectors with Subword Information, TACL 2017, section
    3.2; boundaries, bytes and the hash (FNV-1a, 32 bits) follow the fastText program.

    Args:
        words: The vocabulary, V distinct words.
        word_vectors: Their vectors, shape (V, D).
        ngram_vectors: Vectors of n-grams by hash, shape (B, D); (0, D) for a table without n-grams.
        min_n: Number of characters of the shortest n-gram.
        max_n: Number of characters of the longest n-gram.

    Example:
        >>> vectors = SubwordVectors(["red"], np.array([[1.0, 2.0]]), np.ones((10, 2)), 3, 6)
        >>> vectors.find("red"), vectors.find("reddish")
        (array([1., 2.]), array([1., 1.]))
    """

    words: list[str]
    word_vectors: npt.NDArray[np.floating[Any]]
    ngram_vectors: npt.NDArray[np.floating[Any]]
    min_n: int
    max_n: int

    @classmethod
    def of_gensim(cls, vectors: Any) -> Self:
        """Wrap the vectors of a gensim ``KeyedVectors``, without copying them."""
        no_ngrams = np.empty((0, vectors.vector_size), dtype=vectors.vectors.dtype)
        if getattr(vectors, "bucket", 0) == 0:
            return cls(list(vectors.index_to_key), vectors.vectors, no_ngrams, 0, 0)
        return cls(
            list(vectors.index_to_key),
            vectors.vectors,
            vectors.vectors_ngrams,
            vectors.min_n,
            vectors.max_n,
        )

    @property
    def size(self) -> int:
        """Number of dimensions D."""
        return int(self.word_vectors.shape[1])

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {word: row for row, word in enumerate(self.words)}

    def find(self, word: str) -> npt.NDArray[np.floating[Any]] | None:
        """Return the vector of a word, shape (D,); ``None`` if it has none."""
        row = self._rows.get(word)
        if row is not None:
            vector: npt.NDArray[np.floating[Any]] = self.word_vectors[row]
            return vector
        if len(self.ngram_vectors) == 0:
            return None
        buckets = [fnv1a(ngram) % len(self.ngram_vectors) for ngram in self._ngrams(word)]
        if not buckets:
            return None
        mean: npt.NDArray[np.floating[Any]] = self.ngram_vectors[buckets].mean(axis=0)
        return mean

    def _ngrams(self, word: str) -> Iterator[bytes]:
        """Yield the n-grams of a word with boundary marks, except for the marks alone."""
        marked = f"<{word}>"
        for start in range(len(marked)):
            longest = min(start + self.max_n, len(marked))
            for end in range(start + max(self.min_n, 1), longest + 1):
                if end - start > 1 or 0 < start < len(marked) - 1:
                    yield marked[start:end].encode("utf-8", "surrogatepass")

    FILES: ClassVar[frozenset[str]] = frozenset({_VOCABULARY_FILE, _VECTORS_FILE})
    """What :meth:`save` writes."""

    def save(self, folder: Path) -> None:
        """Write ``vocabulary.json`` and ``vectors.safetensors`` into an existing folder.

        Raises:
            NotSavableError: A vector contains NaN or infinity, or a word is not valid Unicode.
        """
        arrays = {"words": self.word_vectors, "ngrams": self.ngram_vectors}
        for name, array in arrays.items():
            if not np.isfinite(array).all():
                raise NotSavableError(f"The vectors of {name} contain NaN or infinity.")
        vocabulary = {"words": self.words, "min_n": self.min_n, "max_n": self.max_n}
        write_json(folder / _VOCABULARY_FILE, vocabulary, owner=type(self).__name__)
        save_file(
            {name: np.ascontiguousarray(array) for name, array in arrays.items()},
            folder / _VECTORS_FILE,
        )

    @classmethod
    def load(cls, folder: SavedFolder, *, on_disk: bool) -> Self:
        """Read what :meth:`save` wrote.

        Args:
            folder: The opened folder.
            on_disk: Whether to map the file into memory instead of reading it. Only the rows that
                are looked up are then read, and the file must not change.

        Raises:
            InvalidFolderError: A file is missing or damaged, or the files do not match.
        """
        source = str(folder.path / _VOCABULARY_FILE)
        value = folder.read_json(_VOCABULARY_FILE, limit=_VOCABULARY_LIMIT)
        vocabulary = check(_Vocabulary, value, source)
        with folder.open_tensors(_VECTORS_FILE) as file:
            _check_tables(file.tensors, len(vocabulary.words), str(folder.path / _VECTORS_FILE))
            tensors = file.map() if on_disk else dict(file.read())
        words, ngrams = tensors["words"].numpy(), tensors["ngrams"].numpy()
        if len(set(vocabulary.words)) < len(vocabulary.words):
            raise InvalidFolderError(f"{source} contains a word twice.")
        return cls(vocabulary.words, words, ngrams, vocabulary.min_n, vocabulary.max_n)


class _Vocabulary(Schema):
    words: list[str] = Field(max_length=20_000_000)
    min_n: int = Field(ge=0, le=1000)
    max_n: int = Field(ge=0, le=1000)

    @model_validator(mode="after")
    def _check_lengths(self) -> Self:
        if self.min_n > self.max_n:
            raise ValueError(f"n-grams of {self.min_n} to {self.max_n} characters")
        return self


def _check_tables(tensors: Mapping[str, TensorInfo], words: int, source: str) -> None:
    """Check that a file contains the vectors of a number of words, and of n-grams."""
    found = {name: info.shape for name, info in tensors.items()}
    dtypes = {info.dtype for info in tensors.values()}
    is_right = (
        found.keys() == {"words", "ngrams"}
        and len(found["words"]) == len(found["ngrams"]) == 2
        and found["words"][0] == words
        and found["words"][1] == found["ngrams"][1] > 0
        and len(dtypes) == 1
        and all(dtype.is_floating_point for dtype in dtypes)
    )
    if not is_right:
        raise InvalidFolderError(
            f"Expected {source} to contain the vectors of {words:,} words and of n-grams, with one "
            f"size and type, got { {name: str(info) for name, info in list(tensors.items())[:3]} }."
        )


def fnv1a(data: bytes) -> int:
    """Return the 32-bit FNV-1a hash as fastText computes it, with signed bytes.

    Example:
        >>> fnv1a(b"hello")  # the published value of FNV-1a: ASCII has no sign
        1335831723
    """
    value = 2166136261
    for byte in data:
        signed = byte if byte < 128 else byte | 0xFFFFFF00
        value = ((value ^ signed) * 16777619) & 0xFFFFFFFF
    return value
