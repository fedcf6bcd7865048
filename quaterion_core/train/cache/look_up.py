"""Looking up the embeddings of objects, in the place of embedding them again."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from typing_extensions import Self

from quaterion_core.dataset.object_digest import DIGEST_SIZE, object_digest
from quaterion_core.encoders.encoder import Encoder
from quaterion_core.train.cache.cache_config import KeyExtractorType
from quaterion_core.train.cache.embedding_table import EmbeddingTable


class LookUp:
    """A collate function of a cached encoder: it gives embeddings instead of preparing objects.

    A batch with an object that the table does not have is prepared for the encoder as always.

    Args:
        encoder: The encoder.
        key_of: What identifies an object; ``None`` for its content.
        digests: Digest of the object of each row, shape (R, 16), bytes.
        table: The table; row r · ``views`` is the first view of object r.
        views: Number of views of each object.
    """

    def __init__(
        self,
        encoder: Encoder,
        key_of: KeyExtractorType | None,
        digests: npt.NDArray[np.uint8],
        table: EmbeddingTable,
        views: int,
    ):
        self._encoder = encoder
        self._key_of = key_of
        self._digests = digests
        self._table = table
        self._views = views

    def __call__(self, objects: list[Any]) -> Any:
        """Return the embeddings of N objects, or what the encoder takes."""
        keys = objects if self._key_of is None else map(self._key_of, objects)
        rows = [self._rows.get(object_digest(key)) for key in keys]
        if None in rows:
            return self._encoder.get_collate_fn()(objects)
        return self._table.look_up(torch.tensor(rows))

    @cached_property
    def _rows(self) -> dict[bytes, int]:
        """Row of each object by its digest; made once it is needed, which it often is not."""
        digests = self._digests.view(f"V{DIGEST_SIZE}").ravel().tolist()
        return dict(zip(digests, range(0, len(digests) * self._views, self._views), strict=True))

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return itself, so that a copy of a model in training does not copy the table."""
        return self
