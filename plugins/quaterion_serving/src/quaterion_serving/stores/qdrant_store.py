"""Store in Qdrant: embedded in this process, on a server, or in a cluster."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field

from quaterion_core.distances import Distance
from quaterion_core.serving.stores import (
    Condition,
    Hit,
    Payload,
    Record,
    Store,
    Vectors,
    check_objects,
    check_vectors,
)
from quaterion_core.serving.stores.store import payload_text
from quaterion_core.storage import InvalidFolderError, NotWritableError, OutputExistsError
from quaterion_core.utils.faults import checked_content
from quaterion_core.utils.objects import positive_count
from quaterion_core.utils.ranges import Count
from quaterion_serving.stores.points import (
    TAGS,
    AllOf,
    Clause,
    FoundPoint,
    NoneOf,
    Points,
    Tagged,
    clause_of,
    point_id,
    point_payload,
)

EDGE: Final = "qdrant-edge"
_PORT: Final = 6333
_SETTINGS: Final = "=settings"
"""Tag of the point that holds the settings; tags of objects do not begin with ``=``."""

_OBJECTS: Final = NoneOf((Tagged((_SETTINGS,)),))
_MORE: Final = 4
"""How many times as many points are asked for where a condition has ruled out too many."""


class QdrantStore(Store):
    """Store in Qdrant, which finds the nearest vectors approximately once there are many.

    The location says where:

    ==============================  ============================================================
    ``qdrant://host:port/name``     a collection on a server or in a cluster; port 6333 by default
    ``qdrants://host:port/name``    the same, over TLS
    ``qdrant-edge:///path``         a folder, in this process (Qdrant Edge); ``qdrant-edge://path``
                                    for a relative one
    ==============================  ============================================================

    The key of a server is read from the environment variable ``QDRANT_API_KEY``, and never stored.
    A folder of Qdrant Edge is opened by one process at a time, and is read by Qdrant's own code:
    open only folders that you trust. Conditions are answered by Qdrant, but for bounds that are
    texts, which are checked afterwards: results are those of :class:`ExactStore`, in both cases.

    Args:
        location: The URL.
        ef_search: Number of candidates of a search on a server: more find more of the nearest
            vectors, in more time.

    Raises:
        ValueError: The URL has another form.
    """

    schemes: ClassVar[tuple[str, ...]] = ("qdrant", "qdrants", EDGE)

    def __init__(self, location: str, ef_search: Count = 128):
        super().__init__(location)
        self._ef_search = ef_search
        self._url, self._name = _parsed(location)
        self._points: Points | None = None
        self._state: _Settings | None = None
        self._read_only = True

    def points(self) -> Points:
        """Return the points at the location, not connected yet."""
        if self._url is None:
            from quaterion_serving.stores.edge_points import EdgePoints

            return EdgePoints(Path(self._name))
        from quaterion_serving.stores.server_points import ServerPoints

        return ServerPoints(self._url, self._name, self._ef_search)

    def create(self, embedding_size: int, distance: Distance, metadata: Mapping[str, Any]) -> None:
        """Make a new collection, and open it for writing.

        Raises:
            OutputExistsError: There is one already.
        """
        settings = _Settings(
            embedding_size=embedding_size,
            distance=Distance(distance).value,
            metadata=json.loads(payload_text(metadata)),
        )
        self.close()
        points = self.points()
        if points.exists() or (self._url is None and _has_files(Path(self._name))):
            points.close()
            raise OutputExistsError(
                f"{self.location} exists already. Choose another name, or delete it."
            )
        points.create(embedding_size, Distance(distance))
        stored = {**settings.model_dump(), TAGS: [_SETTINGS]}
        points.upsert([point_id(_SETTINGS)], [[1.0] * embedding_size], [stored])
        self._points, self._state, self._read_only = points, settings, False

    def open(self, *, read_only: bool = True) -> None:
        """Open a collection that exists.

        Raises:
            InvalidFolderError: There is none, or none of a store.
            NotWritableError: The server cannot be reached, or another process has opened the
                folder.
        """
        self.close()
        points = self.points()
        try:
            if not points.exists():
                raise InvalidFolderError(f"There is no store at {self.location}.")
            points.open()
            found = points.retrieve([point_id(_SETTINGS)])
            self._state = _settings_of(found, self.location)
        except BaseException:
            points.close()
            raise
        self._points, self._read_only = points, read_only

    def close(self) -> None:
        """Close the collection."""
        if self._points is not None:
            self._points.close()
        self._points = self._state = None

    @property
    def embedding_size(self) -> int:
        """Size D of the vectors."""
        return self._settings.embedding_size

    @property
    def distance(self) -> Distance:
        """Distance whose similarity ranks."""
        return Distance(self._settings.distance)

    @property
    def metadata(self) -> dict[str, Any]:
        """JSON values that :meth:`create` was given."""
        return dict(self._settings.metadata)

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments of the constructor but the location, as JSON values."""
        return {"ef_search": self._ef_search}

    def __len__(self) -> int:
        """Return the number of objects."""
        return self._opened.count(_OBJECTS)

    def upsert(self, ids: Sequence[str], vectors: Vectors, payloads: Sequence[Payload]) -> None:
        """Add objects, or replace those whose ids are known.

        Raises:
            TypeError: An id is not a string, or a payload holds something else than JSON values.
            ValueError: The numbers or the shape do not fit, a value is not finite, or ids repeat.
            NotWritableError: The store was opened for reading.
        """
        array = check_objects(ids, vectors, payloads, self.embedding_size)
        self._require_writable()
        for payload in payloads:
            payload_text(payload)
        if ids:
            self._opened.upsert(
                [point_id(name) for name in ids],
                array.tolist(),
                [point_payload(*pair) for pair in zip(ids, payloads, strict=True)],
            )

    def delete(self, ids: Sequence[str]) -> int:
        """Remove objects, and return how many of the ids were known."""
        self._require_writable()
        known = list(self._opened.retrieve([point_id(name) for name in ids]))
        if known:
            self._opened.delete(known)
        return len(known)

    def get(self, ids: Sequence[str]) -> list[Record]:
        """Return the objects with these ids, in this order; unknown ids are left out."""
        found = self._opened.retrieve([point_id(name) for name in ids])
        return [
            Record(name, _payload_of(found[point_id(name)]))
            for name in ids
            if point_id(name) in found
        ]

    def search(
        self, queries: Vectors, top: int = 10, where: Condition | None = None
    ) -> list[list[Hit]]:
        """Return the nearest objects of each query, best first.

        Raises:
            ValueError: The shape does not fit, or a value is not finite.
        """
        array = check_vectors(queries, self.embedding_size, "queries")
        top = positive_count(top, "top")
        clause, is_exact = (None, True) if where is None else clause_of(where)
        searched = _OBJECTS if clause is None else AllOf((_OBJECTS, clause))
        return [self._found(query, top, where, searched, is_exact) for query in array.tolist()]

    def _found(
        self, query: list[float], top: int, where: Condition | None, clause: Clause, is_exact: bool
    ) -> list[Hit]:
        limit = top
        while True:
            points = self._opened.query(query, limit, clause)
            hits = [self._hit(point) for point in points]
            kept = [hit for hit in hits if where is None or where.matches(hit.payload)]
            if is_exact or len(kept) >= top or len(points) < limit:
                return kept[:top]
            limit *= _MORE

    def _hit(self, point: FoundPoint) -> Hit:
        is_similarity = self.distance in (Distance.COSINE, Distance.DOT_PRODUCT)
        score = point.score if is_similarity else 1 / (1 + point.score)
        name = point.payload.get("id")
        return Hit(name if isinstance(name, str) else "", score, _payload_of(point))

    def _require_writable(self) -> None:
        if self._opened is not None and self._read_only:
            raise NotWritableError(
                f"{self.location} was opened for reading. Open it with read_only=False."
            )

    @property
    def _opened(self) -> Points:
        if self._points is None:
            raise RuntimeError("Expected a store that is open. Call open() or create() first.")
        return self._points

    @property
    def _settings(self) -> _Settings:
        if self._state is None:
            raise RuntimeError("Expected a store that is open. Call open() or create() first.")
        return self._state


class _Settings(BaseModel):
    """Payload of the point that holds the settings."""

    model_config = ConfigDict(extra="ignore", strict=True)

    embedding_size: Annotated[int, Field(ge=1, le=65_536)]
    distance: Literal["cosine", "dot_product", "euclidean", "manhattan"]
    metadata: dict[str, Any]


def _settings_of(found: Mapping[str, FoundPoint], location: str) -> _Settings:
    point = found.get(point_id(_SETTINGS), FoundPoint({}))
    advice = "Give the URL that it was made with."
    return checked_content(_Settings, dict(point.payload), f"{location} holds no store", advice)


def _payload_of(point: FoundPoint) -> dict[str, Any]:
    payload = point.payload.get("payload")
    return dict(payload) if isinstance(payload, dict) else {}


def _has_files(folder: Path) -> bool:
    return folder.exists() and (not folder.is_dir() or any(folder.iterdir()))


def _parsed(location: str) -> tuple[str | None, str]:
    """Return the address of the server, ``None`` for a folder, and the collection or the folder.

    Raises:
        ValueError: The URL has another form.

    Example:
        >>> _parsed("qdrant://localhost/faq"), _parsed("qdrant-edge:///data/faq")
        (('http://localhost:6333', 'faq'), (None, '/data/faq'))
    """
    forms = "qdrant://HOST:PORT/COLLECTION, qdrants://HOST:PORT/COLLECTION or qdrant-edge://FOLDER"
    wrong = ValueError(f"Expected {forms}, got {_without_password(location)!r:.200}.")
    scheme, _, rest = location.partition("://")
    if scheme == EDGE and rest:
        return None, rest
    try:
        parts = urlsplit(location)
        port = parts.port or _PORT
    except ValueError:
        raise wrong from None
    name = unquote(parts.path.removeprefix("/"))
    if scheme not in ("qdrant", "qdrants") or not parts.hostname or not name or "/" in name:
        raise wrong
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError(
            f"Expected {forms}, without anything else, got {_without_password(location)!r:.200}. "
            "Set the key as the environment variable QDRANT_API_KEY."
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{'https' if scheme == 'qdrants' else 'http'}://{host}:{port}", name


def _without_password(location: str) -> str:
    """Return a URL without what may be a key."""
    scheme, separator, rest = location.partition("://")
    place, slash, path = rest.partition("/")
    return f"{scheme}{separator}{place.rpartition('@')[2]}{slash}{path.partition('?')[0]}"
