"""Index: the objects of a corpus in a store, searched with the model that embedded them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice, repeat
from pathlib import Path, PurePath
from typing import Any, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from typing_extensions import Self

from quaterion_core.components import ComponentChoice, build_component, split_choice
from quaterion_core.dataset.object_digest import object_digest
from quaterion_core.dataset.object_files import FileObject
from quaterion_core.dataset.text_roles import as_document, as_query
from quaterion_core.distances import Distance
from quaterion_core.encoding.values import Values
from quaterion_core.matches import MatchCalibration, MatchRule
from quaterion_core.model import SimilarityModel
from quaterion_core.model_folder import document_fingerprint
from quaterion_core.plugins import ComponentKind, is_id, registry
from quaterion_core.serving.exact_search import check_query
from quaterion_core.serving.lexical import LEXICAL_FILE, LexicalTable, fused
from quaterion_core.serving.stores import Condition, Hit, Payload, Store, Vectors
from quaterion_core.storage import (
    InvalidFolderError,
    OutputExistsError,
    UnsupportedFormatError,
    new_folder,
    read_json,
    write_json,
)
from quaterion_core.utils.faults import checked_content
from quaterion_core.utils.given import expected
from quaterion_core.utils.objects import positive_count
from quaterion_core.version import __version__

INDEX_FILE: Final = "index.json"
FORMAT: Final = "quaterion-index"

_STORE: Final = "store"
_BLOCK: Final = 1024
"""Number of objects that are embedded and stored together: what a killed process loses."""

_FUSED: Final = 100
"""Number of results of each ranking that are fused."""

_OBJECT: Final = "_object"
_KIND: Final = "_kind"
_DIGEST: Final = "_digest"
_RESERVED: Final = frozenset({_OBJECT, _KIND, _DIGEST})

ModelLike = SimilarityModel | str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class IndexHit:
    """An object that a query has found.

    Attributes:
        id: Its id.
        score: Its similarity to the query, the higher the nearer.
        object: The text, or the path of the file; ``None`` for any other object.
        payload: What was stored with it.
        probability: The probability that it matches the query; ``None`` if the model's matches are
            not calibrated for this similarity.
    """

    id: str
    score: float
    object: str | Path | None
    payload: dict[str, Any]
    probability: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        shown = str(self.object) if isinstance(self.object, Path) else self.object
        return {
            "id": self.id,
            "score": self.score,
            "probability": self.probability,
            "object": shown,
            "payload": self.payload,
        }


@dataclass(frozen=True, slots=True)
class Added:
    """What :meth:`Index.add` has done.

    Attributes:
        embedded: Number of objects that were embedded, new ones and changed ones.
        unchanged: Number of objects that were there already, with the same content and payload.
    """

    embedded: int = 0
    unchanged: int = 0


class Index:
    """Objects in a store, and the model that embedded them.

    An index in a folder names its store and the model's folder; one in a store at a URL keeps all
    in the store. It holds embeddings of one model only, which it knows by its fingerprint. Any
    model that embeds documents in the same way may search it, such as one whose head moves only
    queries.

    Use :meth:`create` and :meth:`open`. An index is a context manager that closes itself.

    Example:
        >>> import tempfile
        >>> import torch
        >>> from quaterion_core.encoders import Encoder
        >>> from quaterion_core.heads import EmptyHead
        >>> class Lengths(Encoder):
        ...     trainable, embedding_size = False, 2
        ...     def get_collate_fn(self):
        ...         return lambda words: torch.tensor([[len(word), 1.0] for word in words])
        ...     def forward(self, batch): return batch
        ...     def get_config_dict(self): return {}
        >>> model = SimilarityModel(Lengths(), EmptyHead(2))
        >>> index = Index.create(tempfile.mkdtemp() + "/index", model)
        >>> index.add(["a", "bb", "cccccc"], payloads=[{"n": 1}, {"n": 2}, {"n": 6}])
        Added(embedded=3, unchanged=0)
        >>> [hit.object for hit in index.search("xx", top=2)]
        ['bb', 'cccccc']
        >>> index.close()
    """

    def __init__(
        self, store: Store, model: ModelLike | None = None, lexical: LexicalTable | None = None
    ):
        facts = _Facts.of(store)
        self._lexical = lexical
        self._store = store
        self._facts = facts
        self._given = facts.model_path if model is None else model
        self._model: SimilarityModel | None = None

    @classmethod
    def create(
        cls,
        location: str | os.PathLike[str],
        model: ModelLike,
        *,
        store: ComponentChoice = "exact",
        distance: Distance | str = Distance.COSINE,
        dim: int | None = None,
        lexical: bool = False,
        overwrite: bool = False,
    ) -> Self:
        """Make a new, empty index, open for writing.

        Args:
            location: A new or empty folder; or the URL of a store, such as
                ``qdrant://localhost:6333/faq``.
            model: The model, or the folder that it is saved in.
            store: For a folder, the store: its name, or a mapping of its name and arguments, such
                as ``{"name": "exact", "dtype": "int8"}``.
            distance: Distance whose similarity ranks.
            dim: Truncate embeddings to this many dimensions, for a model that was trained with
                :class:`~quaterion_core.loss.MatryoshkaLoss`.
            lexical: Index the words of texts, too, for :meth:`search` with ``lexical``; only in a
                folder.
            overwrite: Replace an index that is there. Anything else is never replaced.

        Raises:
            OutputExistsError: Something is there already.
            ValueError: ``dim`` is not between 1 and the model's embedding size, or a lexical side
                is asked for at a URL.
        """
        if lexical and _scheme(location) is not None:
            raise ValueError("Expected a folder for an index with a lexical side, got a URL.")
        loaded = _loaded(model)
        size = Values(loaded.embedding_size, dim=dim).kept
        path = None if isinstance(model, SimilarityModel) else str(Path(model).absolute())
        facts = _Facts(
            fingerprint=_fingerprint(model), model_path=path, dim=dim, core_version=__version__
        )
        metadata = {"index": facts.model_dump()}
        if _scheme(location) is None:
            with _new_folder(Path(location), store, overwrite=overwrite) as empty, empty:
                empty.create(size, Distance(distance), metadata)
                if lexical:
                    LexicalTable.create(Path(empty.location).parent / LEXICAL_FILE)
            built = _known_store(location)
            built.open(read_only=False)
        else:
            built = _store_of_url(os.fspath(location))
            built.create(size, Distance(distance), metadata)
        index = cls(built, model, _lexical_of(location, read_only=False))
        index._model = loaded
        return index

    @classmethod
    def open(
        cls,
        location: str | os.PathLike[str],
        model: ModelLike | None = None,
        *,
        read_only: bool = True,
    ) -> Self:
        """Open an index that exists.

        Args:
            location: The folder, or the URL of the store.
            model: The model that embedded its objects, or the folder that it is saved in; by
                default the folder that it was indexed from. It is loaded when it is needed.
            read_only: Refuse changes; many processes can read at the same time.

        Raises:
            InvalidFolderError: There is no index.
            MissingComponentError: Its store is not installed.
        """
        store = _known_store(location)
        store.open(read_only=read_only)
        try:
            return cls(store, model, _lexical_of(location, read_only=read_only))
        except BaseException:
            store.close()
            raise

    @property
    def store(self) -> Store:
        """The store."""
        return self._store

    @property
    def model(self) -> SimilarityModel:
        """The model that embedded the objects.

        Raises:
            FileNotFoundError: It is not where it was.
            ValueError: It is another model.
            InvalidFolderError: The store has vectors of another size.
        """
        if self._model is None:
            if self._given is None:
                raise ValueError("The index does not know where its model is. Pass the model.")
            if not isinstance(self._given, SimilarityModel) and not Path(self._given).exists():
                raise FileNotFoundError(
                    f"The model of the index is not at {self._given} any more. Pass the folder "
                    "that it is saved in now, on the command line --model."
                )
            self.check_model(self._given)
            model = _loaded(self._given)
            size = self._facts.dim or model.embedding_size
            if size != self._store.embedding_size:
                raise InvalidFolderError(
                    f"The store at {self._store.location} is damaged: it states the size "
                    f"{self._store.embedding_size}, but embeddings of its model have {size}."
                )
            self._model = model
        return self._model

    def check_model(self, model: ModelLike) -> None:
        """Check that a model is the one that embedded the objects.

        Raises:
            ValueError: It is another one.
        """
        if _fingerprint(model) != self._facts.fingerprint:
            name = "the model given" if isinstance(model, SimilarityModel) else str(model)
            raise ValueError(
                f"Expected the model that embedded the objects of the index, got another one: "
                f"{name} has another fingerprint for documents, so that its embeddings cannot be "
                "compared with these. Build a new index with it."
            )

    def __len__(self) -> int:
        """Return the number of objects."""
        return len(self._store)

    def add(
        self,
        objects: Iterable[Any],
        ids: Iterable[str] | None = None,
        payloads: Iterable[Payload] | None = None,
        *,
        batch_size: int = 128,
    ) -> Added:
        """Embed and store objects, or replace those with the same ids.

        Objects that are there already, with the same payload, are not embedded again: to go on
        after an interruption, or to bring an index up to date, add all objects again. What is
        stored is kept in blocks of 1,024 objects.

        Args:
            objects: Raw objects: a list, or any iterable, which is read block by block.
            ids: Their ids; by default a digest of the content, so that equal objects are one.
            payloads: JSON values by name to store with each; conditions of searches refer to them.
            batch_size: Number of objects that the encoders embed at once.

        Raises:
            ValueError: Numbers differ, different objects have one id, or a payload is no JSON.
        """
        return self.add_rows(_rows(objects, ids, payloads), batch_size=batch_size)

    def add_rows(self, rows: Iterable[FileObject], *, batch_size: int = 128) -> Added:
        """Embed and store the objects of a file; see :meth:`add`."""
        batch_size = positive_count(batch_size, "batch_size")
        embedded = unchanged = 0
        iterator = iter(rows)
        while block := list(islice(iterator, _BLOCK)):
            entries = _entries(block)
            known = {
                record.id: record.payload.get(_DIGEST) for record in self._store.get(list(entries))
            }
            new = {
                name: entry
                for name, entry in entries.items()
                if known.get(name) != entry.payload[_DIGEST]
            }
            if new:
                objects = [as_document(entry.object) for entry in new.values()]
                if self._lexical is not None:  # first, so that nothing stored lacks its words
                    texts = {n: e.object for n, e in new.items() if isinstance(e.object, str)}
                    self._lexical.add(list(texts), list(texts.values()))
                self._store.upsert(
                    list(new),
                    self._embeddings(objects, batch_size),
                    [entry.payload for entry in new.values()],
                )
            embedded += len(new)
            unchanged += len(entries) - len(new)
        return Added(embedded, unchanged)

    def delete(self, ids: Sequence[str]) -> int:
        """Remove objects, and return how many of the ids were known."""
        deleted = self._store.delete(ids)
        if self._lexical is not None:
            self._lexical.remove(ids)
        return deleted

    @property
    def has_lexical(self) -> bool:
        """Whether rankings by words can be fused."""
        return self._lexical is not None

    def get(self, ids: Sequence[str]) -> list[IndexHit]:
        """Return the objects with these ids, with the score 0; unknown ids are left out."""
        records = self._store.get(ids)
        return [_index_hit(Hit(record.id, 0.0, record.payload)) for record in records]

    @property
    def matches(self) -> MatchCalibration | None:
        """The calibration of matches, if the model has one for the similarities of the index."""
        calibration = self.model.matches
        if calibration is None or calibration.distance is not self._store.distance:
            return None
        size = calibration.dim or self.model.embedding_size
        return calibration if size == self._store.embedding_size else None

    def check_rule(self, rule: MatchRule) -> None:
        """Check that a rule can decide what matches.

        Raises:
            ValueError: The model's matches are not calibrated for the similarities of the index,
                or with too few objects for the rate.
        """
        calibration = self.matches
        if calibration is None:
            raise ValueError(
                "The model cannot tell matches: they are not calibrated for the distance "
                f"{self._store.distance.value!r} and {self._store.embedding_size} dimensions of "
                "the index. Call model.calibrate(samples), and save it; on the command line: "
                "quaterion calibrate MODEL."
            )
        rule.accepts(calibration, [])

    def search(
        self,
        query: Any,
        top: int = 10,
        where: Condition | None = None,
        *,
        lexical: bool = False,
        rule: MatchRule | None = None,
    ) -> list[IndexHit]:
        """Return the objects nearest to a query, best first.

        Args:
            query: A raw object.
            top: Maximum number of results.
            where: Condition on the payloads of results.
            lexical: Fuse the ranking by similarity with one by words, which finds names and codes
                that embeddings miss; the index needs a lexical side. Scores are those of the
                fusion.
            rule: Return only matches by this rule, so that there may be none; the model needs a
                calibration, see :meth:`SimilarityModel.calibrate`.

        Raises:
            InvalidFolderError: The index has no lexical side.
            TypeError: The query is a list of texts, or with ``lexical`` no text.
            ValueError: The model's matches are not calibrated, or a rule is given together with
                ``lexical``.
        """
        check_query(query)
        return self.search_many([query], top, where, lexical=lexical, rule=rule)[0]

    def check_lexical(self, queries: Sequence[Any] = (), rule: MatchRule | None = None) -> None:
        """Check that rankings by words can be fused.

        Raises:
            InvalidFolderError: The index has no lexical side.
            TypeError: A query is no text.
            ValueError: A rule is given, too.
        """
        if rule is not None:
            raise ValueError(
                "Expected either lexical or a rule for matches: the scores of a fusion are no "
                "similarities."
            )
        if self._lexical is None:
            raise InvalidFolderError(
                "The index has no lexical side. Build it with lexical=True, on the command line "
                "--lexical."
            )
        for query in queries:
            if not isinstance(query, str):
                raise expected("query", "a text for a lexical search", query, "Leave lexical out.")

    def _fused(
        self, query: str, near: list[IndexHit], top: int, where: Condition | None
    ) -> list[IndexHit]:
        """Fuse the nearest objects of a query with those that have its words."""
        assert self._lexical is not None
        lexical, depth = self._lexical, max(_FUSED, top)
        by_words = [
            Hit(record.id, 0.0, record.payload)
            for record in self._store.get(lexical.search(query, depth))
            if where is None or where.matches(record.payload)
        ]
        found = {hit.id: hit for hit in [*map(_index_hit, by_words), *near]}
        # Of equal scores, the first one has the words of the query.
        ranked = fused([[hit.id for hit in by_words], [hit.id for hit in near]], top)
        return [replace(found[name], score=score) for name, score in ranked]

    def search_many(
        self,
        queries: Sequence[Any],
        top: int = 10,
        where: Condition | None = None,
        *,
        lexical: bool = False,
        rule: MatchRule | None = None,
    ) -> list[list[IndexHit]]:
        """Return the objects nearest to each of several queries, as :meth:`search` does."""
        top = positive_count(top, "top")
        if lexical:
            self.check_lexical(queries, rule)
        if rule is not None:
            self.check_rule(rule)
        embeddings = self._embeddings([as_query(query) for query in queries])
        texts = queries if lexical else None
        return self.search_embeddings(embeddings, top, where, texts=texts, rule=rule)

    def search_embeddings(
        self,
        embeddings: Vectors,
        top: int = 10,
        where: Condition | None = None,
        *,
        texts: Sequence[str] | None = None,
        rule: MatchRule | None = None,
    ) -> list[list[IndexHit]]:
        """Return the objects nearest to queries that are embedded already, best first.

        Args:
            embeddings: Shape (Q, D), with the dimensions of the index; of texts in the role of a
                :class:`~quaterion_core.dataset.Query`.
            top: Maximum number of results of each.
            where: Condition on the payloads of results.
            texts: The queries, to fuse the ranking by similarity with one by words.
            rule: Return only matches by this rule.
        """
        depth = top if texts is None else max(_FUSED, top)
        found = self._store.search(embeddings, depth, where)
        if texts is not None:
            return [
                self._fused(text, [_index_hit(hit) for hit in hits], top, where)
                for text, hits in zip(texts, found, strict=True)
            ]
        calibration = self.matches
        return [self._judged(hits, calibration, rule) for hits in found]

    @staticmethod
    def _judged(
        hits: Sequence[Hit], calibration: MatchCalibration | None, rule: MatchRule | None
    ) -> list[IndexHit]:
        """Return results with their probabilities; with a rule, those that match."""
        found = [_index_hit(hit) for hit in hits]
        if calibration is None:
            return found
        scores = [hit.score for hit in hits]
        probabilities = calibration.probability(scores).tolist()
        accepted = [True] * len(hits) if rule is None else rule.accepts(calibration, scores)
        return [
            replace(hit, probability=probability)
            for hit, probability, accepts in zip(found, probabilities, accepted, strict=True)
            if accepts
        ]

    def close(self) -> None:
        """Close the store."""
        self._store.close()
        if self._lexical is not None:
            self._lexical.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _embeddings(self, objects: list[Any], batch_size: int = 128) -> Any:
        found = self.model.encode(objects, batch_size=batch_size, dim=self._facts.dim)
        return found.astype(np.float32, copy=False)


class _Facts(BaseModel):
    """What an index keeps with its store."""

    model_config = ConfigDict(extra="forbid", strict=True)

    fingerprint: str = Field(pattern="^[0-9a-f]{64}$")
    model_path: str | None = Field(max_length=4096)
    dim: int | None = Field(default=None, ge=1)
    core_version: str = Field(max_length=100)

    @classmethod
    def of(cls, store: Store) -> _Facts:
        try:
            return cls.model_validate(store.metadata.get("index"))
        except ValidationError as error:
            raise InvalidFolderError(
                f"The store at {store.location} is none of an index. Give the folder or the URL of "
                "an index."
            ) from error


class _StoreFile(BaseModel):
    """Content of ``index.json``."""

    model_config = ConfigDict(extra="forbid", strict=True)

    format: Literal["quaterion-index"]
    format_version: Literal[1]
    core_version: str = Field(max_length=100)
    component: str = Field(max_length=200)
    config: dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class _Entry:
    """An object to be stored."""

    object: Any
    payload: dict[str, Any]


def is_index(location: str | os.PathLike[str]) -> bool:
    """Return whether a location is the folder of an index, of any version, or a URL."""
    if _scheme(location) is not None:
        return True
    try:
        return read_json(Path(location) / INDEX_FILE).get("format") == FORMAT
    except InvalidFolderError:
        return False


def exists(location: str | os.PathLike[str]) -> bool:
    """Return whether there is an index at a location; of a URL, whether it can be opened.

    Raises:
        ValueError: No installed store has the scheme of the URL.
    """
    if _scheme(location) is None:
        return is_index(location)
    try:
        with _store_of_url(os.fspath(location)) as store:
            store.open()
            return True
    except InvalidFolderError:
        return False


def _lexical_of(location: str | os.PathLike[str], *, read_only: bool) -> LexicalTable | None:
    if _scheme(location) is not None:
        return None
    path = Path(location) / LEXICAL_FILE
    return LexicalTable(path, read_only=read_only) if os.path.lexists(path) else None


def _scheme(location: str | os.PathLike[str]) -> str | None:
    text = os.fspath(location)
    return text.partition("://")[0] if "://" in text else None


def _store_of_url(location: str) -> Store:
    """Return the store whose scheme a URL has.

    Raises:
        ValueError: No installed store has it.
    """
    scheme = _scheme(location)
    schemes = []
    for record in registry.components(ComponentKind.STORE):
        try:
            store = registry.load(ComponentKind.STORE, record.id)
        except ImportError:  # its extra is missing, which matters if it is the one
            schemes.append(f"{record.name} (not installed)")
            continue
        if scheme in store.schemes:
            found: Store = build_component("store", {"name": record.id, "location": location})
            return found
        schemes += store.schemes
    raise ValueError(
        f"Expected a folder, or a URL of an installed store, got {location!r:.200}. Installed are "
        f"stores for {', '.join(sorted(schemes)) or 'no URL'}; "
        'pip install "quaterion-serving[qdrant]" brings qdrant://.'
    )


@contextmanager
def _new_folder(folder: Path, choice: ComponentChoice, *, overwrite: bool) -> Iterator[Store]:
    """Make the folder of an index atomically, from the store that is created within the block."""
    if is_index(folder) and not overwrite:
        raise OutputExistsError(
            f"{folder} holds an index already. Choose another folder, or replace the index with "
            "overwrite=True, on the command line --overwrite."
        )
    name, arguments = split_choice("store", choice)
    with new_folder(folder, may_replace=is_index if overwrite else None) as temporary:
        place = str(temporary / _STORE)
        store: Store = build_component("store", {"name": name, "location": place, **arguments})
        if store.schemes:
            raise ValueError(
                f"Expected a store that lives in a folder, got {name!r}. Give its URL as the "
                f"location, such as {store.schemes[0]}://host/collection."
            )
        content = {
            "format": FORMAT,
            "format_version": 1,
            "core_version": __version__,
            "component": registry.find(ComponentKind.STORE, name).id,
            "config": store.get_config_dict(),
        }
        write_json(temporary / INDEX_FILE, content, owner="the index")
        yield store


def _known_store(location: str | os.PathLike[str]) -> Store:
    if _scheme(location) is not None:
        return _store_of_url(os.fspath(location))
    file = Path(location) / INDEX_FILE
    content = read_json(file)
    if content.get("format") != FORMAT:
        raise InvalidFolderError(f"{location} holds no index. Build one with Index.create().")
    if content.get("format_version") != 1:
        raise UnsupportedFormatError(
            f"{location} was written by quaterion-core {content.get('core_version')!r:.100} in a "
            "later format. Upgrade: pip install --upgrade quaterion-core"
        )
    checked = checked_content(_StoreFile, content, f"{file} is damaged")
    if not is_id(checked.component) or "location" in checked.config:
        raise InvalidFolderError(f"{file} is damaged: it names no store.")
    registry.require([("store", checked.component)], source=str(file))
    place = str(Path(location) / _STORE)
    choice = {"name": checked.component, "location": place, **checked.config}
    try:
        store: Store = build_component("store", choice)
    except (TypeError, ValueError) as error:
        raise InvalidFolderError(f"{file} is damaged: {error}") from error
    return store


def _loaded(model: ModelLike) -> SimilarityModel:
    return model if isinstance(model, SimilarityModel) else SimilarityModel.load(Path(model))


def _fingerprint(model: ModelLike) -> str:
    if isinstance(model, SimilarityModel):
        return model.document_fingerprint()
    return document_fingerprint(Path(model))


def _rows(
    objects: Iterable[Any], ids: Iterable[str] | None, payloads: Iterable[Payload] | None
) -> Iterator[FileObject]:
    if isinstance(objects, (str, bytes)):
        raise TypeError(f"Expected a list of objects, got {objects!r:.60}. Pass [{objects!r:.60}].")
    names = repeat(None) if ids is None else iter(ids)
    fields = repeat({}) if payloads is None else iter(payloads)
    try:
        for obj in objects:
            yield FileObject(obj, next(names), dict(next(fields)))
    except StopIteration:
        raise ValueError("Expected an id and a payload for each object, got fewer.") from None
    for given, rest in ((ids, names), (payloads, fields)):
        if given is not None and next(rest, None) is not None:
            raise ValueError("Expected an object for each id and each payload, got fewer.")


def _entries(rows: Iterable[FileObject]) -> dict[str, _Entry]:
    """Return the objects to store by id.

    Raises:
        ValueError: Different objects have one id, or a field has a reserved name.
    """
    entries: dict[str, _Entry] = {}
    for row in rows:
        if reserved := _RESERVED & row.fields.keys():
            raise ValueError(
                f"Expected payloads without the reserved name {min(reserved)!r}. Rename the field."
            )
        content = object_digest(row.object).hex()
        name = content if row.id is None else row.id
        payload = dict(row.fields)
        if isinstance(row.object, (str, PurePath)):
            payload[_OBJECT] = str(row.object)
            payload[_KIND] = "path" if isinstance(row.object, PurePath) else "text"
        payload[_DIGEST] = object_digest((content, row.fields)).hex()
        known = entries.get(name)
        if known is not None and row.id is not None and known.payload != payload:
            raise ValueError(
                f"Expected one object for each id, got two for {name!r:.80}: "
                f"{known.object!r:.80} and {row.object!r:.80}."
            )
        entries[name] = _Entry(row.object, payload)
    return entries


def _index_hit(hit: Hit) -> IndexHit:
    shown, kind = hit.payload.get(_OBJECT), hit.payload.get(_KIND)
    found = Path(shown) if kind == "path" and isinstance(shown, str) else shown
    payload = {key: value for key, value in hit.payload.items() if key not in _RESERVED}
    return IndexHit(hit.id, hit.score, found if isinstance(found, (str, Path)) else None, payload)
