"""Conformance checks for stores."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from quaterion_core.components import build_component
from quaterion_core.distances import Distance
from quaterion_core.serving.stores.filters import And, Condition, Equals, InRange, Not, Or
from quaterion_core.serving.stores.store import Hit, Store, Vectors
from quaterion_core.storage import InvalidFolderError, NotWritableError, OutputExistsError
from quaterion_core.testing.checks import CheckError, Checks
from quaterion_core.testing.comparing import require_equal, require_interface
from quaterion_core.testing.subject import Subject

_SIZE: Final = 16
_COUNT: Final = 60
_METADATA: Final = {"model": "a model", "sizes": [1, 2]}
_TOLERANCE: Final = 0.02
"""Tolerance of similarities: that of vectors quantized to int8."""

_CONDITIONS: Final[tuple[Condition, ...]] = (
    Equals("source", ("aws",)),
    Equals("source", ("aws", "azure")),
    Equals("year", (2003,)),
    Equals("free", (True,)),
    Equals("missing", (None,)),
    Equals("tags", ("even",)),
    InRange("year", at_least=2002, below=2006),
    InRange("source", above="aws"),
    Not(Equals("source", ("aws",))),
    Or((Equals("year", (2001,)), Equals("year", (2002,)))),
    And((Equals("free", (False,)), InRange("year", at_most=2004.5))),
)


class StoreSubject(Subject[Store]):
    """A store under test. Each check gets one at a location of its own."""

    def fresh(self) -> Store:
        """Return a store at a new location, unless the example names one."""
        super().fresh()
        return self._build()

    @contextmanager
    def filled(self) -> Iterator[Store]:
        """Create a store of :data:`_COUNT` objects within a ``with`` block."""
        store = self.fresh()
        with created(store):
            half = _COUNT // 2
            ids, vectors, payloads = ids_of(), vectors_of(), [payload_of(n) for n in range(_COUNT)]
            store.upsert(ids[:half], vectors[:half], payloads[:half])
            store.upsert(ids[half:], vectors[half:], payloads[half:])
            yield store


STORE_CHECKS: Final[Checks[StoreSubject]] = Checks("store")


def build_temporary_store(choice: Any) -> Store:
    """Build a store in a temporary folder, unless the choice names a location.

    The folder is removed when the process ends.
    """
    if "location" not in choice:
        folder = tempfile.mkdtemp(prefix="quaterion-store-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        choice = {**choice, "location": str(Path(folder, "store"))}
    store: Store = build_component("store", choice)
    return store


@contextmanager
def created(store: Store) -> Iterator[Store]:
    """Create a store of vectors of :data:`_SIZE` dimensions, and close it in the end."""
    store.create(_SIZE, Distance.COSINE, _METADATA)
    try:
        yield store
    finally:
        store.close()


def ids_of() -> list[str]:
    """Return the ids, which need not look alike."""
    return [f"object {number}" if number % 2 else str(number) for number in range(_COUNT)]


def vectors_of() -> Vectors:
    """Return the vectors, which are of different lengths."""
    vectors = np.random.default_rng(0).normal(size=(_COUNT, _SIZE))
    scaled: Vectors = (vectors * np.arange(1, _COUNT + 1)[:, None]).astype(np.float32)
    return scaled


def payload_of(number: int) -> dict[str, Any]:
    """Return the payload of an object."""
    return {
        "text": f"Text {number}: \u00e4\u00f6\u00fc \u4f60\u597d",
        "source": ("aws", "azure", "gcp")[number % 3],
        "year": 2000 + number % 8,
        "free": number % 2 == 0,
        "tags": ["even"] if number % 2 == 0 else [],
        "nested": {"number": number, "none": None},
    }


@STORE_CHECKS.add
def construction(subject: StoreSubject) -> None:
    """The store cannot be built from the arguments given, cannot be copied, or connects at once.

    Take `location` as the first argument, and connect and create files in `create` and `open`.
    """
    subject.built()
    store = subject.fresh()
    if not store.schemes and Path(store.location).exists():
        raise CheckError(f"expected nothing at {store.location} before create(), got something")


@STORE_CHECKS.add
def interface(subject: StoreSubject) -> None:
    """The class is not derived from `Store`.

    Derive from `quaterion_core.serving.stores.Store` and implement its abstract methods.
    """
    require_interface(subject.fresh(), Store)


@STORE_CHECKS.add
def configuration(subject: StoreSubject) -> None:
    """`get_config_dict` does not rebuild the store.

    Return all arguments of the constructor but `location`, as JSON values.
    """
    store = subject.fresh()
    rebuilt = type(store)(store.location, **store.get_config_dict())
    require_equal(rebuilt.get_config_dict(), store.get_config_dict(), "the configuration")


@STORE_CHECKS.add
def nearest(subject: StoreSubject) -> None:
    """A search does not find the nearest vectors, or returns wrong similarities.

    Rank by the similarity of the distance that `create` was given, the highest first, and return
    it as the score. A store of sixty vectors has to be exact.
    """
    vectors = vectors_of()
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    with subject.filled() as store:
        found = store.search(vectors[:5], top=7)
        require_equal(len(found), 5, "the number of lists for five queries")
        for query, hits in zip(units, found, strict=False):
            similarities = units @ query
            best = np.sort(similarities)[::-1][:7]
            require_equal(len(hits), 7, "the number of results for top=7")
            _require_close([hit.score for hit in hits], best.tolist(), "scores")
            of_hits = [float(similarities[ids_of().index(hit.id)]) for hit in hits]
            _require_close(of_hits, best.tolist(), "similarities of what is found")
        require_equal(len(store.search(vectors[:1], top=500)[0]), _COUNT, "results for top=500")


@STORE_CHECKS.add
def payloads(subject: StoreSubject) -> None:
    """Payloads are not returned as they were stored.

    Keep all JSON values, texts of any alphabet and nested values included.
    """
    with subject.filled() as store:
        for record in store.get(["object 3", "4", "unknown"]):
            expected = payload_of(int(record.id.removeprefix("object ")))
            require_equal(record.payload, expected, "a payload of get()")
        names = [record.id for record in store.get(["object 3", "unknown", "4"])]
        require_equal(names, ["object 3", "4"], "ids of get()")
        hit = store.search(vectors_of()[3:4], top=1)[0][0]
        require_equal((hit.id, hit.payload), ("object 3", payload_of(3)), "a result")


@STORE_CHECKS.add
def replacement(subject: StoreSubject) -> None:
    """An object with a known id does not replace the earlier one.

    Let `upsert` replace vector and payload.
    """
    vectors = vectors_of()
    with subject.filled() as store:
        store.upsert(["0", "new"], np.stack([vectors[5], -vectors[0]]), [{"text": "other"}, {}])
        require_equal(len(store), _COUNT + 1, "the number of objects")
        require_equal(store.get(["0"])[0].payload, {"text": "other"}, "the payload")
        tied = {hit.id for hit in store.search(vectors[5:6], top=2)[0]}
        require_equal(tied, {"0", "object 5"}, "what is nearest to the new vector")


@STORE_CHECKS.add
def deletion(subject: StoreSubject) -> None:
    """A deleted object is still found or counted.

    Let `delete` remove objects from searches, `get` and `len`, and return how many there were.
    """
    with subject.filled() as store:
        require_equal(store.delete(["object 3", "unknown"]), 1, "the result of delete()")
        require_equal(len(store), _COUNT - 1, "the number of objects")
        require_equal(store.get(["object 3"]), [], "the deleted object")
        found = {hit.id for hit in store.search(vectors_of()[3:4], top=_COUNT)[0]}
        require_equal(found, set(ids_of()) - {"object 3"}, "what is found")


@STORE_CHECKS.add
def conditions(subject: StoreSubject) -> None:
    """A search with a condition returns other objects than those that fulfil it.

    Follow `Condition.matches`, and search among all objects that fulfil the condition, so that as
    many are found as there are.
    """
    everything = {name: payload_of(number) for number, name in enumerate(ids_of())}
    with subject.filled() as store:
        for condition in _CONDITIONS:
            hits = store.search(vectors_of()[:1], top=_COUNT, where=condition)[0]
            expected = {name for name, payload in everything.items() if condition.matches(payload)}
            require_equal({hit.id for hit in hits}, expected, f"what fulfils {condition}")


@STORE_CHECKS.add
def persistence(subject: StoreSubject) -> None:
    """A store that is opened again differs from what was written.

    Write everything before `upsert` and `delete` return; keep size, distance and metadata.
    """
    with subject.filled() as store:
        store.delete(["4"])
        before = _state(store)
        store.close()
        store.open()
        require_equal(_state(store), before, "what the store holds after it was opened again")
        require_equal(store.metadata, _METADATA, "the metadata")
        require_equal((store.embedding_size, store.distance), (_SIZE, Distance.COSINE), "settings")


@STORE_CHECKS.add
def protection(subject: StoreSubject) -> None:
    """A store that is opened for reading can be changed, or one is created over another one.

    Raise `NotWritableError` and `OutputExistsError`, and `InvalidFolderError` where there is none.
    """
    _require_error(InvalidFolderError, subject.fresh().open, "opening what does not exist")
    with subject.filled() as store:
        create = partial(store.create, _SIZE, Distance.COSINE, {})
        _require_error(OutputExistsError, create, "creating a store where there is one")
        store.close()
        store.open(read_only=True)
        _require_error(NotWritableError, lambda: store.delete(["4"]), "deleting while reading")
        require_equal(len(store), _COUNT, "the number of objects")


@STORE_CHECKS.add
def bad_input(subject: StoreSubject) -> None:
    """Wrong vectors or ids are accepted, or change the store before they are refused.

    Call `check_objects` and `check_vectors` of `quaterion_core.serving.stores` first.
    """
    nan = np.full((1, _SIZE), np.nan, dtype=np.float32)
    one = np.ones((1, _SIZE), dtype=np.float32)
    with subject.filled() as store:
        before = _state(store)
        for ids, vectors, what in (
            (["a"], one[:, :3], "a vector of another size"),
            (["a"], nan, "a vector with NaN"),
            (["a", "a"], np.repeat(one, 2, axis=0), "an id that repeats"),
            (["a", "b"], one, "more ids than vectors"),
        ):
            call = partial(store.upsert, ids, vectors, [{}] * len(ids))
            _require_error(ValueError, call, what)
        _require_error(ValueError, lambda: store.search(nan), "a query with NaN")
        require_equal(_state(store), before, "what the store holds afterwards")


def _state(store: Store) -> list[tuple[str, dict[str, Any], float]]:
    hits: list[Hit] = store.search(vectors_of()[:1], top=_COUNT)[0]
    return sorted((hit.id, hit.payload, round(hit.score, 4)) for hit in hits)


def _require_error(kind: type[Exception], call: Callable[[], object], what: str) -> None:
    try:
        call()
    except kind:
        return
    except Exception as error:
        raise CheckError(
            f"expected a {kind.__name__} for {what}, got {type(error).__name__}: {error}"
        ) from error
    raise CheckError(f"expected a {kind.__name__} for {what}, got no error")


def _require_close(actual: list[float], expected: list[float], what: str) -> None:
    if len(actual) != len(expected) or not np.allclose(actual, expected, atol=_TOLERANCE):
        raise CheckError(f"{what}: expected {expected!r:.120}, got {actual!r:.120}")
