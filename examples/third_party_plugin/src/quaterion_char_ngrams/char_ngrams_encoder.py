"""Texts as the mean of their character n-grams: near where the spelling is near."""

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
    """Embeds a text as the mean of its character n-grams' rows in a table, which is trained.

    Texts that are spelled alike share most of their n-grams and are near each other before any
    training: that suits names, part numbers and whatever is typed by hand. Training then learns
    which n-grams matter. There is no vocabulary: the row of an n-gram is its hash (CRC-32), and
    n-grams that share a row cannot be told apart. Letters are compared without regard to case and
    to the ways that Unicode has of writing one letter. A text of white space has the embedding
    zero.

    Source: Bojanowski et al., Enriching Word Vectors with Subword Information, TACL 2017, section
    3.2: n-grams of ``<word>``, so that a beginning and an end differ from a middle.

    Args:
        smallest: The least number of characters of an n-gram.
        largest: The greatest number. Words shorter than ``smallest`` count as one n-gram.
        rows: Rows of the table.
        embedding_size: Columns of the table, D.

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
                f"smallest and largest should be 1 or more, in this order, but are {smallest} and "
                f"{largest}."
            )
        if rows < 1 or embedding_size < 1:
            raise ValueError(
                f"rows and embedding_size should be positive, but are {rows} and {embedding_size}."
            )
        self.bags = NgramBags(smallest, largest, rows)
        self.table = nn.EmbeddingBag(rows, embedding_size, mode="mean")
        nn.init.normal_(self.table.weight, std=embedding_size**-0.5)

    @property
    def trainable(self) -> bool:
        """Training changes the table."""
        return True

    @property
    def embedding_size(self) -> int:
        """Columns of the table, D."""
        return self.table.embedding_dim

    def get_collate_fn(self) -> NgramBags:
        """Return the function that turns N texts into rows and where each text begins."""
        return self.bags

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """Average the rows of each text's n-grams; returns shape (N, D)."""
        embeddings: Tensor = self.table(batch["rows"], batch["offsets"])
        return embeddings

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that build this encoder again, as JSON values."""
        return {
            "smallest": self.bags.smallest,
            "largest": self.bags.largest,
            "rows": self.bags.rows,
            "embedding_size": self.embedding_size,
        }


@dataclass(frozen=True)
class NgramBags:
    """Turns texts into the batch of a :class:`CharNgramsEncoder`; holds no weights.

    Args:
        smallest: The least number of characters of an n-gram.
        largest: The greatest number.
        rows: How many rows n-grams are hashed to.
    """

    smallest: int
    largest: int
    rows: int

    def __call__(self, texts: list[str]) -> dict[str, Tensor]:
        """Hash the n-grams of texts.

        Args:
            texts: N texts.

        Returns:
            ``rows``, those of all n-grams one after the other, and ``offsets`` (N,), where each
            text begins; both int64.

        Raises:
            TypeError: An object is not a string.
        """
        bags = []
        for text in texts:
            if not isinstance(text, str):
                raise TypeError(f"CharNgramsEncoder encodes strings, but got {text!r:.60}.")
            bags.append([zlib.crc32(ngram.encode()) % self.rows for ngram in self.ngrams(text)])
        lengths = torch.tensor([len(bag) for bag in bags], dtype=torch.int64)
        return {
            "rows": torch.tensor([row for bag in bags for row in bag], dtype=torch.int64),
            "offsets": lengths.cumsum(0) - lengths,
        }

    def ngrams(self, text: str) -> Iterator[str]:
        """List the n-grams of each word, shorter ones first.

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
