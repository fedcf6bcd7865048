"""Character n-gram encoder."""

from __future__ import annotations

import unicodedata
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from quaterion_core.encoders import Encoder
from torch import Tensor, nn


class CharNgramsEncoder(Encoder):
    """Mean of trainable embeddings of the character n-grams of a text.

    Texts with similar spelling share most of their n-grams, so that their embeddings are close even
    before training. This suits names, part numbers and other text that is typed by hand. There is
    no vocabulary: each n-gram is hashed (CRC-32) to a row of the embedding table, and n-grams with
    the same row are indistinguishable. Texts are case-folded and normalized (NFKC). The embedding
    of a text without any word is zero.

    Source: Bojanowski et al., Enriching Word Vectors with Subword Information, TACL 2017, section
    3.2: n-grams of ``<word>``, which distinguish prefixes and suffixes from other n-grams.

    Args:
        smallest: Minimum number of characters of an n-gram.
        largest: Maximum number of characters of an n-gram. A word shorter than ``smallest``,
            including the two marks, is a single n-gram.
        rows: Number of rows of the embedding table.
        embedding_size: Number of components of an embedding, D.

    Raises:
        ValueError: A number is not positive, or ``largest`` is less than ``smallest``.

    Example:
        >>> encoder = CharNgramsEncoder(embedding_size=512)
        >>> texts = ["Kobenhavn", "Kobenhvan", "Reykjavik"]
        >>> right, misspelt, other = encoder(encoder.get_collate_fn()(texts))
        >>> bool(right @ misspelt > right @ other)
        True
    """

    def __init__(
        self,
        smallest: int = 2,
        largest: int = 4,
        rows: int = 2**15,
        embedding_size: int = 128,
    ):
        super().__init__()
        if not 1 <= smallest <= largest:
            raise ValueError(
                f"Expected 1 <= smallest <= largest, got smallest={smallest} and largest={largest}."
            )
        if rows < 1 or embedding_size < 1:
            raise ValueError(
                f"Expected positive rows and embedding_size, got {rows} and {embedding_size}."
            )
        self.bags = NgramBags(smallest, largest, rows)
        self.table = nn.EmbeddingBag(rows, embedding_size, mode="mean")
        nn.init.normal_(self.table.weight, std=embedding_size**-0.5)

    @property
    def trainable(self) -> bool:
        """Always True: the embedding table is trained."""
        return True

    @property
    def embedding_size(self) -> int:
        """Number of components of an embedding, D."""
        return self.table.embedding_dim

    def get_collate_fn(self) -> NgramBags:
        """Return the function that converts N texts to the rows and offsets of their n-grams."""
        return self.bags

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """Return embeddings, shape (N, D): the mean over the n-grams of each text."""
        embeddings: Tensor = self.table(batch["rows"], batch["offsets"])
        return embeddings

    def get_config_dict(self) -> dict[str, Any]:
        """Return the constructor arguments as JSON values."""
        return {
            "smallest": self.bags.smallest,
            "largest": self.bags.largest,
            "rows": self.bags.rows,
            "embedding_size": self.embedding_size,
        }


@dataclass(frozen=True)
class NgramBags:
    """Collate function of :class:`CharNgramsEncoder`.

    Args:
        smallest: Minimum number of characters of an n-gram.
        largest: Maximum number of characters of an n-gram.
        rows: Number of rows of the embedding table.
    """

    smallest: int
    largest: int
    rows: int

    def __call__(self, texts: list[str]) -> dict[str, Tensor]:
        """Hash the n-grams of texts to rows of the embedding table.

        Args:
            texts: N texts.

        Returns:
            Int64 tensors: ``rows``, the rows of the n-grams of all texts, concatenated, and
            ``offsets``, shape (N,), the index in ``rows`` at which each text starts.

        Raises:
            TypeError: An object is not a string.
        """
        bags = []
        for text in texts:
            if not isinstance(text, str):
                raise TypeError(f"Expected strings, got {text!r:.60}.")
            bags.append([zlib.crc32(ngram.encode()) % self.rows for ngram in self.ngrams(text)])
        lengths = torch.tensor([len(bag) for bag in bags], dtype=torch.int64)
        return {
            "rows": torch.tensor([row for bag in bags for row in bag], dtype=torch.int64),
            "offsets": lengths.cumsum(0) - lengths,
        }

    def ngrams(self, text: str) -> Iterator[str]:
        """Yield the n-grams of each word, shorter ones first.

        Example:
            >>> list(NgramBags(smallest=3, largest=4, rows=1000).ngrams("Oslo A"))
            ['<os', 'osl', 'slo', 'lo>', '<osl', 'oslo', 'slo>', '<a>']
        """
        for word in unicodedata.normalize("NFKC", text).casefold().split():
            marked = f"<{word}>"
            if len(marked) < self.smallest:
                yield marked
            for size in range(self.smallest, self.largest + 1):
                for start in range(len(marked) - size + 1):
                    yield marked[start : start + size]
