"""Engine of the service: a model and perhaps an index, used by one thread in batches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from quaterion_core import SimilarityModel
from quaterion_core.dataset.text_roles import as_query
from quaterion_core.encoders.encoder import length_functions
from quaterion_core.matches import MatchRule
from quaterion_core.serving import Index, IndexHit
from quaterion_core.serving.stores import Condition
from quaterion_core.storage import StorageError
from quaterion_serving.service.accepted import Accepted
from quaterion_serving.service.batching import Batcher
from quaterion_serving.service.errors import ServiceError, invalid, too_large, unavailable
from quaterion_serving.service.settings import ServiceSettings

T = TypeVar("T")
Vector: TypeAlias = npt.NDArray[np.float32]

_MODEL_BATCH: Final = 32


@dataclass(frozen=True)
class Embedded:
    """An object that was embedded.

    Attributes:
        embedding: Its embedding, shape (D,).
        tokens: Number of its tokens; 0 if the model has none.
    """

    embedding: Vector
    tokens: int


@dataclass(frozen=True)
class _ToEmbed:
    object: Any


@dataclass(frozen=True)
class Search:
    """A search.

    Attributes:
        query: A raw object.
        top: Most results.
        where: Condition on payloads.
        lexical: Whether to fuse the ranking with one by words.
        rule: By which results are matches.
    """

    query: Any
    top: int
    where: Condition | None = None
    lexical: bool = False
    rule: MatchRule | None = None

    @property
    def object(self) -> Any:
        """What is embedded."""
        return as_query(self.query)

    @property
    def kind(self) -> tuple[Condition | None, bool, MatchRule | None, int]:
        """What searches must share to be made together."""
        return self.where, self.lexical, self.rule, self.top


Item: TypeAlias = "_ToEmbed | Search"
Result: TypeAlias = "Embedded | list[IndexHit]"


class Engine:
    """A model and perhaps an index, which serve many requests at once.

    Objects of several requests are embedded together, and searched for together.

    Args:
        model: The model.
        settings: The limits.
        index: An index of this model.
        observe: Is called with the size of each batch.

    Attributes:
        accepted: The kinds of objects that the model embeds.
    """

    def __init__(
        self,
        model: SimilarityModel,
        settings: ServiceSettings,
        index: Index | None = None,
        observe: Callable[[int], None] = lambda size: None,
    ):
        self.model = model
        self.index = index
        self.accepted = Accepted.by(model)
        self._settings = settings
        self._observe = observe
        self._lengths = next(iter(length_functions(model.encoders).values()), None)
        self._batcher: Batcher[Item, Result] = Batcher(
            self._run, settings.batch_size, settings.max_waiting
        )

    @property
    def waiting(self) -> int:
        """Number of objects that wait."""
        return self._batcher.waiting

    def check_count(self, count: int) -> None:
        """Check that a request has no more objects than it may have.

        Raises:
            ServiceError: It has more.
        """
        if count > self._settings.max_inputs:
            raise too_large(
                f"Expected at most {self._settings.max_inputs:,} objects in a request, got "
                f"{count:,}. Send several requests."
            )

    def close(self) -> None:
        """Finish what is being worked on, and refuse the rest."""
        self._batcher.close()

    async def embed(self, objects: Sequence[Any]) -> list[Embedded]:
        """Return the embeddings of objects.

        Raises:
            ServiceError: There are too many, they wait for too long, or the model cannot embed
                one of them.
        """
        self.check_count(len(objects))
        self.accepted.check(objects)
        results = await self._in_time(self._batcher.results([_ToEmbed(o) for o in objects]))
        return [result for result in results if isinstance(result, Embedded)]

    async def search(self, search: Search) -> list[IndexHit]:
        """Return the results of a search, best first.

        Raises:
            ServiceError: There is no index, it cannot be searched like this, or not in time.
        """
        if self.index is None:
            raise ServiceError(
                404, "There is no index. Start the service with --index INDEX.", "no_index"
            )
        if search.top > self._settings.max_top:
            raise too_large(
                f"Expected top to be at most {self._settings.max_top:,}, got {search.top:,}."
            )
        self.accepted.check([search.query])
        try:
            if search.lexical:
                self.index.check_lexical([search.query], search.rule)
            if search.rule is not None:
                self.index.check_rule(search.rule)
        except (ValueError, TypeError) as error:
            raise invalid(str(error)) from error
        [result] = await self._in_time(self._batcher.results([search]))
        assert isinstance(result, list)
        return result

    async def _in_time(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return await asyncio.wait_for(work, self._settings.timeout)
        except (TimeoutError, asyncio.TimeoutError):
            raise unavailable(
                f"The service is overloaded: the request took more than "
                f"{self._settings.timeout:g} seconds. Try again later."
            ) from None
        except StorageError:  # of the index, not of the request
            raise
        except (ValueError, TypeError) as error:
            raise invalid(str(error)) from error

    def _run(self, items: list[Item]) -> list[Result]:
        self._observe(len(items))
        objects = [item.object for item in items]
        embeddings = self._embeddings(objects)
        results: list[Result | None] = [None] * len(items)
        texts = [n for n, item in enumerate(items) if isinstance(item, _ToEmbed)]
        for number, tokens in zip(texts, self._tokens([objects[n] for n in texts]), strict=True):
            results[number] = Embedded(embeddings[number], tokens)
        searches = [(n, item) for n, item in enumerate(items) if isinstance(item, Search)]
        for kind, found in groupby(_in_groups(searches), key=lambda numbered: numbered[1].kind):
            group = list(found)
            hits = self._found(kind, embeddings[[n for n, _ in group]], [s for _, s in group])
            for (number, _), of_query in zip(group, hits, strict=True):
                results[number] = of_query
        return [result for result in results if result is not None]

    def _embeddings(self, objects: list[Any]) -> Vector:
        try:
            return self.model.encode(objects, batch_size=_MODEL_BATCH).astype(np.float32)
        except (ValueError, TypeError) as error:
            raise invalid(f"The model cannot embed the input. {error}") from error

    def _found(
        self,
        kind: tuple[Condition | None, bool, MatchRule | None, int],
        embeddings: Vector,
        searches: Sequence[Search],
    ) -> list[list[IndexHit]]:
        assert self.index is not None
        where, lexical, rule, top = kind
        return self.index.search_embeddings(
            embeddings[:, : self.index.store.embedding_size],
            top,
            where,
            texts=[search.query for search in searches] if lexical else None,
            rule=rule,
        )

    def _tokens(self, objects: list[Any]) -> Sequence[int]:
        if self._lengths is None or not all(isinstance(obj, str) for obj in objects):
            return [0] * len(objects)
        return self._lengths(objects)


def _in_groups(searches: list[tuple[int, Search]]) -> list[tuple[int, Search]]:
    """Return searches with those of one kind beside each other."""
    kinds: dict[Any, int] = {}
    return sorted(searches, key=lambda numbered: kinds.setdefault(numbered[1].kind, len(kinds)))
