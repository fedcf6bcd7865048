"""Embedding of a stream of objects, block by block."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from quaterion_core.dataset.chunking import Chunking, LengthsFn
from quaterion_core.embedding import check_object
from quaterion_core.encoding.skipped import SkipCollector, Skipped
from quaterion_core.types import CollateFnType
from quaterion_core.utils.embedding_progress import embedded
from quaterion_core.utils.objects import as_part_of, object_index

BLOCK: Final = 4096
"""Least number of objects that are sorted by length together, and held in memory."""
_BATCHES: Final = 32
"""Least number of batches in a block."""


@dataclass
class Block:
    """Consecutive objects, and their embeddings.

    Args:
        positions: Position in the stream of each object.
        objects: The objects.
        batches: Places in the block of the objects of each batch.
        parts: Places and embeddings of the batches so far.
        skipped: The objects that were left out.
    """

    positions: list[int]
    objects: list[Any]
    batches: list[list[int]] = field(default_factory=list)
    done: int = 0
    parts: list[tuple[list[int], Tensor]] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether all batches are embedded."""
        return self.done == len(self.batches)

    def result(self) -> tuple[list[int], Tensor | None]:
        """Return the places of the objects that were embedded, in order, and their embeddings."""
        places = [place for part, _ in self.parts for place in part]
        if not places:
            return [], None
        joined = torch.cat([embeddings for _, embeddings in self.parts])
        order = torch.tensor(places).argsort()
        return sorted(places), joined[order.to(joined.device)]


@dataclass(frozen=True)
class BlockEmbedder:
    """Embeds a stream of objects in blocks; within one, objects of similar length together.

    Args:
        collate: Collates a list of objects into a batch.
        embed: Returns the embeddings (b, D) of a batch of b objects.
        lengths: Returns the functions that return lengths, by encoder.
        batch_size: The most objects to embed at once.
        num_workers: Number of processes that collate ahead; 0 collates in this one.
        collector: What is done about objects that cannot be embedded.
        fatal: Errors that are about the model, and are always raised.
    """

    collate: CollateFnType
    embed: Callable[[Any], Tensor]
    lengths: Callable[[], Mapping[str, LengthsFn]]
    batch_size: int
    num_workers: int
    collector: SkipCollector
    fatal: tuple[type[Exception], ...] = ()

    def __call__(self, objects: Iterable[tuple[int, Any]]) -> Iterator[Block]:
        """Yield the blocks of numbered objects, embedded."""
        begun: deque[Block] = deque()
        for collated in self._collated(self._batches(objects, begun)):
            while begun[0].is_complete:  # all of its objects were left out
                yield begun.popleft()
            block = begun[0]
            self._embed(block, block.batches[block.done], collated)
            embedded(len(block.batches[block.done]))
            block.done += 1
            if block.is_complete:
                yield begun.popleft()
        yield from begun

    def _batches(
        self, objects: Iterable[tuple[int, Any]], begun: deque[Block]
    ) -> Iterator[list[Any]]:
        """Yield the objects of each batch, and append the blocks that they belong to."""
        stream = iter(objects)
        while numbered := list(islice(stream, max(BLOCK, _BATCHES * self.batch_size))):
            block = Block([number for number, _ in numbered], [given for _, given in numbered])
            block.batches = self._planned(block)
            begun.append(block)
            for places in block.batches:
                yield [block.objects[place] for place in places]

    def _planned(self, block: Block) -> list[list[int]]:
        places = []
        for place, given in enumerate(block.objects):
            try:
                check_object(block.positions[place], given)
            except (TypeError, ValueError) as error:
                if not self.collector.skips:
                    raise
                self._skip(block, place, error)
            else:
                places.append(place)
        # The objects of a single batch, such as a query that is served, need not be measured.
        lengths = self.lengths() if len(places) > self.batch_size else {}
        objects = [block.objects[place] for place in places]
        try:
            with as_part_of([block.positions[place] for place in places]):
                rows = Chunking(self.batch_size, lengths)(objects)
        except Exception:
            if not self.collector.skips:
                raise
            rows = Chunking(self.batch_size)(objects)  # which object it was shows in its batch
        return [[places[row] for row in batch] for batch in rows]

    def _collated(self, batches: Iterator[list[Any]]) -> Iterator[Any]:
        """Yield what the batches are collated into; ``None`` for one that fails in a worker."""
        if not self.num_workers:
            return (_NOT_COLLATED for _ in batches)
        return iter(
            DataLoader(
                _Collating(self.collate),  # type: ignore[arg-type]
                batch_size=None,
                collate_fn=_unchanged,
                sampler=batches,
                num_workers=self.num_workers,
            )
        )

    def _embed(self, block: Block, places: list[int], collated: Any = None) -> None:
        objects = [block.objects[place] for place in places]
        try:
            with (
                as_part_of([block.positions[place] for place in places]),
                _explained(objects),
            ):
                batch = self.collate(objects) if collated is None else collated
                block.parts.append((places, self.embed(batch)))
        except Exception as error:
            always = (*self.fatal, MemoryError, torch.OutOfMemoryError)
            if not self.collector.skips or isinstance(error, always):
                raise
            self._embed_others(block, places, error)

    def _embed_others(self, block: Block, places: list[int], error: Exception) -> None:
        """Leave out the object that an error is about, and embed the others."""
        if len(places) == 1:
            self._skip(block, places[0], error)
            return
        known = object_index(error)
        bad = [place for place in places if block.positions[place] == known]
        if bad:
            self._skip(block, bad[0], error)
            self._embed(block, [place for place in places if place != bad[0]])
        else:
            half = len(places) // 2
            self._embed(block, places[:half])
            self._embed(block, places[half:])

    def _skip(self, block: Block, place: int, error: Exception) -> None:
        position = block.positions[place]
        block.skipped.append(self.collector.add(position, block.objects[place], error))


_NOT_COLLATED: Final = None


class _Collating:
    """Dataset whose items are batches: an index is the list of a batch's objects."""

    def __init__(self, collate: CollateFnType):
        self._collate = collate

    def __getitem__(self, objects: list[Any]) -> Any:
        try:
            return self._collate(objects)
        except Exception:
            return _NOT_COLLATED  # collated again by the main process, for the error as it is


def _unchanged(batch: Any) -> Any:
    return batch


def gathered(blocks: Iterable[Block], total: int | None) -> Tensor | None:
    """Return the embeddings of all blocks.

    Args:
        blocks: Blocks.
        total: Number of objects, if known: memory is then taken only once.

    Returns:
        Embeddings (n, D) in the order of the objects; ``None`` if there are none.
    """
    if total is None:
        parts = [part for block in blocks if (part := block.result()[1]) is not None]
        return torch.cat(parts) if parts else None
    whole, filled = None, 0
    for block in blocks:
        _, part = block.result()
        if part is None:
            continue
        if len(part) == total:
            return part
        if whole is None:
            whole = part.new_empty(total, part.shape[1])
        whole[filled : filled + len(part)] = part
        filled += len(part)
    return None if whole is None else whole[:filled]


@contextmanager
def _explained(objects: list[Any]) -> Iterator[None]:
    """Say what an encoder was given, if it raises an error of Python for other objects."""
    try:
        yield
    except (TypeError, AttributeError) as error:
        if str(error).startswith(("Expected", "Object")):  # it says so itself
            raise
        raise TypeError(
            f"Expected objects that the model's encoders take, got {objects[0]!r:.80} "
            f"({type(error).__name__}: {error})."
        ) from error
