"""Interface of stores: vectors with payloads by id, searched for the nearest ones."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt
from typing_extensions import Self

from quaterion_core.distances import Distance
from quaterion_core.serving.stores.filters import Condition

Vectors: TypeAlias = npt.NDArray[np.float32]
"""Vectors, shape (N, D), float32."""

Payload: TypeAlias = Mapping[str, Any]
"""What is stored with a vector: JSON values by name."""


@dataclass(frozen=True, slots=True)
class Record:
    """A stored object.

    Attributes:
        id: Its id.
        payload: Its payload.
    """

    id: str
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Hit:
    """A search result.

    Attributes:
        id: Id of the object.
        score: Its similarity to the query, the higher the nearer.
        payload: Its payload.
    """

    id: str
    score: float
    payload: dict[str, Any] = field(default_factory=dict)


class Store(ABC):
    """Base class of stores, which keep vectors with payloads by id and find the nearest ones.

    The constructor takes where the store is as ``location``, a path or a URL, and the arguments of
    its configuration; it does not connect and creates nothing. :meth:`create` makes a new store,
    :meth:`open` opens one that exists; the other methods need one of them to be called first. A
    store is a context manager that closes itself.

    What :meth:`upsert` and :meth:`delete` have done when they return is kept, also if the process
    is killed then. One process writes at a time; readers see all of a call or nothing of it.

    Args:
        location: Where the store is.
    """

    schemes: ClassVar[tuple[str, ...]] = ()
    """Schemes of the URLs that name a store of this kind, such as ``("qdrant",)``.

    A store without schemes lives in a folder.
    """

    def __init__(self, location: str):
        self.location = location

    @abstractmethod
    def create(self, embedding_size: int, distance: Distance, metadata: Mapping[str, Any]) -> None:
        """Make a new, empty store, and open it for writing.

        Args:
            embedding_size: Size D of the vectors.
            distance: Distance whose similarity ranks.
            metadata: JSON values that are kept with the store.

        Raises:
            OutputExistsError: There is a store already.
            ValueError: The store does not support the distance.
        """

    @abstractmethod
    def open(self, *, read_only: bool = True) -> None:
        """Open a store that exists.

        Args:
            read_only: Refuse changes; many processes can read at the same time.

        Raises:
            InvalidFolderError: There is no store, or it is damaged.
        """

    @abstractmethod
    def close(self) -> None:
        """Release all resources. A store that is closed, or was never opened, stays so."""

    @property
    @abstractmethod
    def embedding_size(self) -> int:
        """Size D of the vectors."""

    @property
    @abstractmethod
    def distance(self) -> Distance:
        """Distance whose similarity ranks."""

    @property
    @abstractmethod
    def metadata(self) -> dict[str, Any]:
        """JSON values that :meth:`create` was given."""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of objects."""

    @abstractmethod
    def upsert(self, ids: Sequence[str], vectors: Vectors, payloads: Sequence[Payload]) -> None:
        """Add objects, or replace those whose ids are known.

        Args:
            ids: N distinct ids.
            vectors: Shape (N, D), finite.
            payloads: N payloads, of JSON values.

        Raises:
            ValueError: The numbers or the shape do not fit, a value is not finite, or ids repeat.
        """

    @abstractmethod
    def delete(self, ids: Sequence[str]) -> int:
        """Remove objects, and return how many of the ids were known."""

    @abstractmethod
    def get(self, ids: Sequence[str]) -> list[Record]:
        """Return the objects with these ids, in this order; unknown ids are left out."""

    @abstractmethod
    def search(
        self, queries: Vectors, top: int = 10, where: Condition | None = None
    ) -> list[list[Hit]]:
        """Return the nearest objects of each query, best first.

        Args:
            queries: Shape (Q, D), finite.
            top: Maximum number of results for each query.
            where: Condition on the payloads of results.

        Raises:
            ValueError: The shape does not fit, or a value is not finite.
        """

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments of the constructor but the location, as JSON values."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Build a store from its location and what :meth:`get_config_dict` returned."""
        return cls(**config)

    def __reduce__(self) -> tuple[Any, ...]:
        """Describe the store for copies and other processes, which open it themselves."""
        return _rebuilt, (type(self), self.location, self.get_config_dict())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _rebuilt(cls: type[Store], location: str, config: dict[str, Any]) -> Store:
    return cls(location, **config)


def payload_text(payload: Payload) -> str:
    """Return a payload as JSON.

    Raises:
        TypeError: It holds something else than JSON values.
        ValueError: It holds NaN, infinity, or a lone surrogate.

    Example:
        >>> payload_text({"source": "aws", "tags": ["a"]})
        '{"source": "aws", "tags": ["a"]}'
    """
    try:
        text = json.dumps(dict(payload), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(
            f"Expected a payload of JSON values, such as texts and finite numbers, got "
            f"{payload!r:.80} ({error})."
        ) from error
    text.encode()
    return text


def check_vectors(vectors: Any, embedding_size: int, name: str = "vectors") -> Vectors:
    """Return vectors as float32, shape (N, D).

    Raises:
        ValueError: The shape does not fit, or a value is not finite.

    Example:
        >>> check_vectors([[1, 2, 3]], 2)
        Traceback (most recent call last):
        ValueError: Expected vectors of shape (N, 2), got (1, 3).
    """
    array = np.ascontiguousarray(vectors, dtype=np.float32)
    if array.ndim != 2 or array.shape[1] != embedding_size:
        raise ValueError(f"Expected {name} of shape (N, {embedding_size}), got {array.shape}.")
    if not np.isfinite(array).all():
        rows = np.flatnonzero(~np.isfinite(array).all(axis=1))
        raise ValueError(
            f"Expected finite {name}, got NaN or infinity in {len(rows)} of {len(array)}, first in "
            f"number {rows[0]}."
        )
    return array


def check_objects(
    ids: Sequence[str], vectors: Any, payloads: Sequence[Payload], embedding_size: int
) -> Vectors:
    """Check the arguments of :meth:`Store.upsert`, and return the vectors as float32.

    Raises:
        TypeError: An id is not a string.
        ValueError: The numbers or the shape do not fit, a value is not finite, or ids repeat.
    """
    if not len(ids) == len(vectors) == len(payloads):
        raise ValueError(
            f"Expected as many ids as vectors and payloads, got {len(ids)}, {len(vectors)} and "
            f"{len(payloads)}."
        )
    for name in ids:
        if not isinstance(name, str):
            raise TypeError(f"Expected strings as ids, got {name!r:.80}. Pass str(id).")
    if len(set(ids)) < len(ids):
        repeated = next(name for number, name in enumerate(ids) if name in ids[:number])
        raise ValueError(f"Expected distinct ids, got {repeated!r:.80} more than once.")
    return check_vectors(np.zeros((0, embedding_size)) if not ids else vectors, embedding_size)
