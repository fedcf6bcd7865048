"""Requests that wait are handled together, refused beyond a limit, and dropped if cancelled."""

import asyncio
import threading

import pytest

from quaterion_serving.service.batching import Batcher
from quaterion_serving.service.errors import ServiceError


class Doubling:
    """Doubles numbers, once the gate is open."""

    def __init__(self, is_open=True):
        self.gate = threading.Event()
        self.begun = threading.Event()
        self.batches = []
        if is_open:
            self.gate.set()

    def __call__(self, numbers):
        self.batches.append(list(numbers))
        self.begun.set()
        self.gate.wait()
        if -1 in numbers:
            raise ValueError("-1")
        return [2 * number for number in numbers]


@pytest.fixture
def batcher_of():
    made = []

    def make(run, batch_size=4, max_waiting=6):
        made.append((Batcher(run, batch_size, max_waiting), run))
        return made[-1][0]

    yield make
    for batcher, run in made:
        run.gate.set()
        batcher.close()


async def first_batch(batcher, run):
    """Send a request, and wait until it is being worked on."""
    task = asyncio.create_task(batcher.results([0]))
    await asyncio.to_thread(run.begun.wait)
    return task


async def queued(batcher, *requests):
    """Send requests, and wait until they wait."""
    tasks = [asyncio.create_task(batcher.results(items)) for items in requests]
    await asyncio.sleep(0)
    return tasks


def test_requests_that_wait_are_handled_together(batcher_of):
    run = Doubling(is_open=False)
    batcher = batcher_of(run)

    async def main():
        first = await first_batch(batcher, run)
        others = await queued(batcher, [1], [2, 3], [4])
        assert batcher.waiting == 4
        run.gate.set()
        return await asyncio.gather(first, *others)

    assert asyncio.run(main()) == [[0], [2], [4, 6], [8]]
    assert run.batches == [[0], [1, 2, 3, 4]]
    assert batcher.waiting == 0


def test_a_large_request_is_divided(batcher_of):
    run = Doubling()
    assert asyncio.run(batcher_of(run).results(list(range(10)))) == list(range(0, 20, 2))
    assert run.batches == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_an_empty_request_has_no_results(batcher_of):
    assert asyncio.run(batcher_of(Doubling()).results([])) == []


def test_requests_beyond_the_limit_are_refused(batcher_of):
    run = Doubling(is_open=False)
    batcher = batcher_of(run)

    async def main():
        first = await first_batch(batcher, run)
        waiting = await queued(batcher, [1, 2, 3, 4, 5])
        with pytest.raises(ServiceError, match="5 objects wait already, and 2 more") as refused:
            await batcher.results([6, 7])
        assert (refused.value.status, refused.value.retry_after) == (429, 1)
        run.gate.set()
        found = await asyncio.gather(first, *waiting)
        # When nothing waits, a request may be larger than the limit.
        assert len(await batcher.results(list(range(100)))) == 100
        return found

    assert asyncio.run(main()) == [[0], [2, 4, 6, 8, 10]]


def test_an_error_hits_its_own_request_only(batcher_of):
    run = Doubling(is_open=False)
    batcher = batcher_of(run)

    async def main():
        first = await first_batch(batcher, run)
        others = await queued(batcher, [1], [-1], [2])
        run.gate.set()
        return await asyncio.gather(first, *others, return_exceptions=True)

    _, before, failed, after = asyncio.run(main())
    assert (before, after) == ([2], [4])
    assert isinstance(failed, ValueError)


def test_requests_that_are_given_up_are_not_begun(batcher_of):
    run = Doubling(is_open=False)
    batcher = batcher_of(run)

    async def main():
        first = await first_batch(batcher, run)
        given_up, kept = await queued(batcher, [1, 2], [3])
        given_up.cancel()
        await asyncio.gather(given_up, return_exceptions=True)
        run.gate.set()
        return await asyncio.gather(first, kept)

    assert asyncio.run(main()) == [[0], [6]]
    assert run.batches == [[0], [3]]


def test_closing_finishes_what_is_begun_and_refuses_the_rest(batcher_of):
    run = Doubling(is_open=False)
    batcher = batcher_of(run)

    async def main():
        first = await first_batch(batcher, run)
        waiting = await queued(batcher, [1])
        closing = asyncio.create_task(asyncio.to_thread(batcher.close))
        while not batcher._is_closed:
            await asyncio.sleep(0)
        run.gate.set()
        await closing
        assert await first == [0]
        for refused in (*waiting, batcher.results([2])):
            with pytest.raises(ServiceError, match="is stopping") as error:
                await refused
            assert error.value.status == 503

    asyncio.run(main())
    assert run.batches == [[0]]
