"""A frozen encoder whose embeddings are read from a table instead of being computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from typing_extensions import Self

from quaterion_core.dataset.object_digest import DIGEST_SIZE, object_digest
from quaterion_core.encoders.encoder import Encoder
from quaterion_core.train.cache.cache_config import KeyExtractorType
from quaterion_core.train.cache.embedding_table import EmbeddingTable
from quaterion_core.types import CollateFnType, MetaExtractorFnType, TensorTree


class LookUp:
    """A collate function that reads the embeddings of objects from a table.

    A batch with an object that is not in the table is collated for the encoder as usual.

    Args:
        collate: The collate function of the encoder.
        key_of: Returns what identifies an object; ``None`` for its content.
        digests: Digest of the object of each row, shape (R, 16), bytes.
        table: The table.
    """

    def __init__(
        self,
        collate: CollateFnType,
        key_of: KeyExtractorType | None,
        digests: npt.NDArray[np.uint8],
        table: EmbeddingTable,
    ):
        self._collate = collate
        self._key_of = key_of
        self._digests = digests
        self._table = table

    def __call__(self, objects: list[Any]) -> Any:
        """Return the embeddings of N objects, or their collated input to the encoder."""
        keys = objects if self._key_of is None else map(self._key_of, objects)
        rows = [self._rows.get(object_digest(key)) for key in keys]
        if None in rows:
            return self._collate(objects)
        return self._table.look_up(torch.tensor(rows))

    @cached_property
    def _rows(self) -> dict[bytes, int]:
        """Row of each object by its digest; computed lazily, since it is often not needed."""
        digests = self._digests.view(f"V{DIGEST_SIZE}").ravel().tolist()
        return dict(zip(digests, range(len(digests)), strict=True))

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return itself, so that copying a model in training does not copy the table."""
        return self


class TableEncoder(Encoder):
    """Stand-in for a frozen encoder whose embeddings are already in a table.

    The encoder is not a submodule: while the table is used, it takes no memory on the device and
    in checkpoints. It is moved to the device for objects that are not in the table, and stays
    there until :meth:`release`.

    Args:
        encoder: The frozen encoder.
        look_up: Collate function that reads the embeddings of objects; ``None`` to embed all
            objects if only augmented training data are in a table.
    """

    encoder: Encoder
    _place: Tensor

    def __init__(self, encoder: Encoder, look_up: LookUp | None):
        super().__init__()
        object.__setattr__(self, "encoder", encoder.cpu())  # not a submodule
        self._look_up = look_up
        # Moves with the model that this encoder is part of, and so gives its device.
        self.register_buffer("_place", torch.empty(0), persistent=False)
        self._is_released = True

    @property
    def trainable(self) -> bool:
        """Always ``False``."""
        return False

    @property
    def embedding_size(self) -> int:
        """The embedding size of the encoder."""
        return self.encoder.embedding_size

    def get_collate_fn(self) -> CollateFnType:
        """Return the function that reads embeddings, or collates what is not in the table."""
        return self._look_up or self.encoder.get_collate_fn()

    def get_train_collate_fn(self) -> CollateFnType | None:
        """Return the collate function of the encoder for training data."""
        return self.encoder.get_train_collate_fn()

    def get_length_fn(self) -> Callable[[list[Any]], Sequence[int]] | None:
        """Return ``None`` if objects are read from the table, where all cost the same."""
        return self.encoder.get_length_fn() if self._look_up is None else None

    @property
    def reads_meta(self) -> bool:
        """Whether the encoder reads meta."""
        return self.encoder.reads_meta

    def get_meta_extractor(self) -> MetaExtractorFnType:
        """Return the meta extractor of the encoder."""
        return self.encoder.get_meta_extractor()

    def forward(self, batch: TensorTree) -> Tensor:
        """Embed a batch of objects that are not in the table."""
        if self._is_released:
            self.encoder.to(self._place.device)
            self._is_released = False
        embeddings: Tensor = self.encoder(batch)
        return embeddings

    def release(self) -> None:
        """Move the encoder off the device."""
        if not self._is_released:
            self.encoder.cpu()
            self._is_released = True
