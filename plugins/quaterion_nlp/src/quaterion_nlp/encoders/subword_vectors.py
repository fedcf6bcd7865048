"""Vectors of words, and of the character n-grams that unknown words are made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from typing_extensions import Self

from quaterion_core.storage import InvalidFolderError, read_json, write_json

_VOCABULARY_FILE: Final = "vocabulary.json"
_VECTORS_FILE: Final = "vectors.safetensors"


@dataclass(frozen=True, eq=False)
class SubwordVectors:
    """The vectors of a fastText model, or of any other table of word vectors.

    A word of the vocabulary has a vector of its own. Any other word has the mean of the vectors of
    its character n-grams, which are found by their hash.

    Source: Bojanowski et al., Enriching Word Vectors with Subword Information, TACL 2017, section
    3.2; boundaries, bytes and the hash (FNV-1a, 32 bits) follow the fastText program.

    Args:
        words: The vocabulary, V distinct words.
        word_vectors: Their vectors, (V, D).
        ngram_vectors: The vectors of n-grams by hash, (B, D), or (0, D) for a table that knows
            nothing of n-grams.
        min_n: The number of characters of the shortest n-gram.
        max_n: The number of characters of the longest n-gram.

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
        """Take over the vectors of a gensim ``KeyedVectors``, without a copy."""
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
        """The number D of dimensions."""
        return int(self.word_vectors.shape[1])

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {word: row for row, word in enumerate(self.words)}

    def find(self, word: str) -> npt.NDArray[np.floating[Any]] | None:
        """Return the vector of a word, (D,); ``None`` if nothing is known of it."""
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
        """Yield the n-grams of a word between boundary marks; a mark alone is none."""
        marked = f"<{word}>"
        for start in range(len(marked)):
            longest = min(start + self.max_n, len(marked))
            for end in range(start + max(self.min_n, 1), longest + 1):
                if end - start > 1 or 0 < start < len(marked) - 1:
                    yield marked[start:end].encode("utf-8", "surrogatepass")

    def save(self, folder: Path) -> None:
        """Write ``vocabulary.json`` and ``vectors.safetensors`` into an existing folder."""
        vocabulary = {"words": self.words, "min_n": self.min_n, "max_n": self.max_n}
        write_json(folder / _VOCABULARY_FILE, vocabulary, owner=type(self).__name__)
        arrays = {"words": self.word_vectors, "ngrams": self.ngram_vectors}
        save_file(
            {name: np.ascontiguousarray(array) for name, array in arrays.items()},
            folder / _VECTORS_FILE,
        )

    @classmethod
    def load(cls, folder: Path, *, on_disk: bool) -> Self:
        """Read what :meth:`save` wrote.

        Args:
            folder: Where it is.
            on_disk: Whether to leave the vectors in the file, which is then mapped into memory:
                only the rows that are looked up are read, and the file has to stay.

        Raises:
            InvalidFolderError: A file is missing or broken, or they do not belong together.
        """
        vocabulary = read_json(folder / _VOCABULARY_FILE)
        file = folder / _VECTORS_FILE
        try:
            with safe_open(file, framework="pt") as tensors:  # PyTorch's are mapped, NumPy's copied
                words, ngrams = (tensors.get_tensor(name).numpy() for name in ("words", "ngrams"))
            if not on_disk:
                words, ngrams = words.copy(), ngrams.copy()
            vectors = cls(
                vocabulary["words"], words, ngrams, vocabulary["min_n"], vocabulary["max_n"]
            )
            vectors._check()
        except FileNotFoundError:
            raise InvalidFolderError(f"{folder} is incomplete: {file.name} is missing.") from None
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise InvalidFolderError(f"{folder} holds no vectors of words: {error}.") from error
        return vectors

    def _check(self) -> None:
        shapes = [self.word_vectors.shape, self.ngram_vectors.shape]
        are_tables = all(len(shape) == 2 and shape[1] == shapes[0][1] for shape in shapes)
        if not are_tables or shapes[0][0] != len(self.words):
            raise ValueError(f"{len(self.words)} words do not fit vectors of shapes {shapes}")
        if not all(isinstance(word, str) for word in self.words):
            raise TypeError("a word is not a string")
        if not 0 <= self.min_n <= self.max_n:
            raise ValueError(f"n-grams of {self.min_n} to {self.max_n} characters")


def fnv1a(data: bytes) -> int:
    """Return the FNV-1a hash of 32 bits as fastText computes it, with bytes taken as signed.

    Example:
        >>> fnv1a(b"hello")  # the published value of FNV-1a: ASCII has no sign
        1335831723
    """
    value = 2166136261
    for byte in data:
        signed = byte if byte < 128 else byte | 0xFFFFFF00
        value = ((value ^ signed) * 16777619) & 0xFFFFFFFF
    return value
