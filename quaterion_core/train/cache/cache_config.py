"""What to cache, where, and how."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, TypeAlias

import torch

from quaterion_core.components import CheckedArguments
from quaterion_core.plugins.nearest import unknown_name

KeyExtractorType: TypeAlias = Callable[[Any], Hashable]
"""Returns what identifies an object: objects with equal keys share an embedding."""

CACHE_DTYPES: Final = (torch.float32, torch.float16, torch.bfloat16)


class CacheType(str, Enum):
    """Where the embeddings of a frozen encoder are kept.

    - ``NONE``: nowhere; the encoder runs in every step.
    - ``AUTO``: on the GPU if training runs there and they fit, else in memory, else on disk.
    - ``CPU``: in memory.
    - ``GPU``: on the device of the training run.
    - ``DISK``: in a memory-mapped file.
    """

    AUTO = "auto"
    CPU = "cpu"
    GPU = "gpu"
    DISK = "disk"
    NONE = "none"


@dataclass
class CacheConfig(CheckedArguments):
    """The cache of a training run. Only frozen encoders can be cached.

    Args:
        cache_type: Where to keep the embeddings of frozen encoders that ``mapping`` does not name.
        mapping: Where to keep the embeddings of individual encoders, by key.
        key_extractors: What identifies an object: one function for all encoders, or one for each
            by key. By default objects are the same when their content is.
        batch_size: Number of objects of average length to embed at once. If an encoder provides
            the lengths of objects, a batch has more short objects or fewer long ones.
        num_workers: Processes that read and collate objects while the cache is filled. ``None``
            takes as many as the training loader has.
        save_dir: Folder in which the embeddings are kept for later runs. They are reused if the
            encoder (configuration, weights and code), the data and the settings are the same. A
            run that was killed while it filled the cache is resumed where it stopped. A folder
            that is read-only can be used if it holds the embeddings.
        dtype: ``torch.float32``, ``torch.float16`` or ``torch.bfloat16``.
        views: Number of embeddings to keep of each object, for encoders whose collate function
            augments at random. Each time an object is needed, one of them is drawn. If an encoder
            augments training data only
            (:meth:`~quaterion_core.encoders.Encoder.get_train_collate_fn`), ``views`` must be more
            than 1, and validation data are embedded once.

    Raises:
        ValueError: A value is out of range.

    Example:
        >>> CacheConfig(mapping={"image": CacheType.DISK}, save_dir="cache").batch_size
        32
    """

    cache_type: CacheType | None = CacheType.AUTO
    mapping: dict[str, CacheType] = field(default_factory=dict)
    key_extractors: KeyExtractorType | dict[str, KeyExtractorType] = field(default_factory=dict)
    batch_size: int | None = 32
    num_workers: int | None = None
    save_dir: str | None = None
    dtype: torch.dtype = torch.float32
    views: int = 1

    def __post_init__(self) -> None:
        self.cache_type = _cache_type(self.cache_type or CacheType.NONE)
        self.mapping = {key: _cache_type(kind) for key, kind in self.mapping.items()}
        self.batch_size = 32 if self.batch_size is None else self.batch_size
        if self.batch_size < 1 or self.views < 1:
            raise ValueError(
                "Expected batch_size and views of a CacheConfig to be at least 1, got "
                f"batch_size={self.batch_size} and views={self.views}."
            )
        if self.num_workers is not None and self.num_workers < 0:
            raise ValueError(
                f"Expected num_workers of a CacheConfig to be 0 or more, got {self.num_workers}."
            )
        if self.dtype not in CACHE_DTYPES:
            raise ValueError(
                f"Expected the dtype of a CacheConfig to be one of "
                f"{', '.join(map(str, CACHE_DTYPES))}, got {self.dtype}."
            )

    def type_for(self, key: str) -> CacheType:
        """Return where to keep the embeddings of an encoder."""
        return self.mapping.get(key, self.cache_type or CacheType.NONE)

    def key_extractor_for(self, key: str) -> KeyExtractorType | None:
        """Return the function that identifies the objects of an encoder, if there is one."""
        if callable(self.key_extractors):
            return self.key_extractors
        return self.key_extractors.get(key)

    def check_keys(self, frozen: set[str], trainable: set[str]) -> None:
        """Check that the encoders that the configuration names can be cached.

        Raises:
            ValueError: It names an encoder that the model does not have, or a trainable one.
        """
        extractors = {} if callable(self.key_extractors) else self.key_extractors
        for key in {**self.mapping, **extractors}:
            if key not in frozen | trainable:
                raise ValueError(
                    f"The cache configuration names the encoder {key!r}, but the model has: "
                    f"{', '.join(sorted(frozen | trainable))}."
                )
            if key in trainable and self.mapping.get(key, CacheType.NONE) != CacheType.NONE:
                raise ValueError(
                    f"The encoder {key!r} is trainable, so its embeddings change and cannot be "
                    "cached. Freeze it (trainable = False), or take it out of the mapping."
                )


def _cache_type(name: str | CacheType) -> CacheType:
    """Return the type of cache of a name, or raise an error that lists all of them."""
    try:
        return CacheType(name)
    except ValueError:
        known = [kind.value for kind in CacheType]
        message = unknown_name("There is no type of cache", name, known, known_as="Choose one of")
        raise ValueError(message) from None
