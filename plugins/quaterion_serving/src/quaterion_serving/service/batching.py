"""Dynamic batching: the items of many requests in one call."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from quaterion_serving.service.errors import busy, unavailable

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class _Part(Generic[ItemT, ResultT]):
    """Items of one request, at most as many as a batch has."""

    items: Sequence[ItemT]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[list[ResultT]]


class Batcher(Generic[ItemT, ResultT]):
    """Worker thread that calls a function with the items of all requests that wait.

    While it works on one batch, the next one gathers, so that no request waits for others when
    there is no load. Requests that are cancelled are dropped before they are begun.

    Args:
        run: Returns a result for each of some items.
        batch_size: Most items of a call.
        max_waiting: Most items that wait; 0 waiting ones are always followed by one request.

    Example:
        >>> batcher = Batcher(lambda numbers: [2 * n for n in numbers], 8, 100)
        >>> asyncio.run(batcher.results([1, 2, 3]))
        [2, 4, 6]
        >>> batcher.close()
    """

    def __init__(
        self, run: Callable[[list[ItemT]], list[ResultT]], batch_size: int, max_waiting: int
    ):
        self._run = run
        self._batch_size = batch_size
        self._max_waiting = max_waiting
        self._parts: deque[_Part[ItemT, ResultT]] = deque()
        self._changed = threading.Condition()
        self._waiting = 0
        self._is_closed = False
        self._thread = threading.Thread(target=self._work, name="batcher", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Number of items that wait."""
        return self._waiting

    async def results(self, items: Sequence[ItemT]) -> list[ResultT]:
        """Return the results of some items, in their order.

        Raises:
            ServiceError: Too many items wait, or the service stops.
        """
        loop = asyncio.get_running_loop()
        size = self._batch_size
        parts: list[_Part[ItemT, ResultT]] = [
            _Part(items[start : start + size], loop, loop.create_future())
            for start in range(0, len(items), size)
        ]
        with self._changed:
            if self._is_closed:
                raise unavailable("The service is stopping.")
            if self._waiting and self._waiting + len(items) > self._max_waiting:
                raise busy(
                    f"The service is busy: {self._waiting:,} objects wait already, and "
                    f"{len(items):,} more would exceed the limit of {self._max_waiting:,}. Try "
                    "again later."
                )
            self._parts.extend(parts)
            self._waiting += len(items)
            self._changed.notify()
        try:
            found = await asyncio.gather(*(part.future for part in parts))
        except BaseException:
            for part in parts:
                part.future.cancel()
            raise
        return [result for results in found for result in results]

    def close(self) -> None:
        """Finish the batch that is being worked on, and refuse what waits."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._thread.join()
        error = unavailable("The service is stopping.")
        for part in self._parts:
            _tell(part, error)
        self._parts.clear()

    def _work(self) -> None:
        while (batch := self._next_batch()) is not None:
            self._answer(batch)

    def _next_batch(self) -> list[_Part[ItemT, ResultT]] | None:
        """Wait for the next batch; ``None`` when there will be none any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._parts or self._is_closed)
            if self._is_closed:
                return None
            batch: list[_Part[ItemT, ResultT]] = []
            size = 0
            while self._parts and size + len(self._parts[0].items) <= self._batch_size:
                part = self._parts.popleft()
                self._waiting -= len(part.items)
                if not part.future.cancelled():
                    batch.append(part)
                    size += len(part.items)
            return batch

    def _answer(self, batch: list[_Part[ItemT, ResultT]]) -> None:
        if not batch:
            return
        try:
            results = self._run([item for part in batch for item in part.items])
        except Exception as error:
            if len(batch) == 1:
                _tell(batch[0], error)
            else:  # one of the requests is at fault: the others get their results
                for part in batch:
                    self._answer([part])
            return
        start = 0
        for part in batch:
            _tell(part, results[start : start + len(part.items)])
            start += len(part.items)


def _tell(part: _Part[ItemT, ResultT], outcome: list[ResultT] | Exception) -> None:
    """Set the result of a request, in the thread of its event loop."""

    def set_outcome() -> None:
        if part.future.done():
            return
        if isinstance(outcome, Exception):
            part.future.set_exception(outcome)
        else:
            part.future.set_result(outcome)

    try:
        part.loop.call_soon_threadsafe(set_outcome)
    except RuntimeError:  # the event loop has ended, and nobody waits
        return
