"""Queries of pair samples for mining, with their partners and excluded objects."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from typing_extensions import Unpack

from quaterion_core.dataset.distinct_objects import DistinctObjects
from quaterion_core.dataset.object_digest import object_digests
from quaterion_core.dataset.similarity_data_loader import PairsSimilarityDataLoader
from quaterion_core.dataset.similarity_samples import SimilarityPairSample
from quaterion_core.dataset.sources import Columns, samples_from
from quaterion_core.mining.relation import Relation
from quaterion_core.utils.items import items_of
from quaterion_core.utils.objects import object_list

_TRIES: Final = 50


class Queries:
    """The distinct queries of pair samples, and a corpus to search in.

    A query is an ``obj_a`` of a pair with a score above 0. By content, excluded for it are the
    query itself, all its partners in pairs of any score, and all objects that a pair with a score
    above 0 puts into a subgroup of the query.

    Args:
        samples: S pairs, or data that :func:`~quaterion_core.dataset.samples_from` converts.
        corpus: Objects to search in; by default all ``obj_b``. Each row of a NumPy array is an
            object.
        **columns: Names of the columns of ``samples``.

    Attributes:
        samples: The samples as a list.
        objects: The Q queries.
        corpus: The M distinct objects that can be found.
        targets: The corpus, and after it the partners that are not part of it.
        partners: Query and target of each distinct pair with a score above 0, shape (E, 2).

    Raises:
        TypeError: A sample is not a pair, or the corpus is a single text.
        ValueError: There are no pairs with a score above 0, or there is no corpus.
    """

    def __init__(
        self,
        samples: Any,
        corpus: Sequence[Any] | None = None,
        **columns: Unpack[Columns],
    ):
        pairs = samples_from(samples, sample_type=SimilarityPairSample, **columns)
        self.samples: list[SimilarityPairSample] = list(items_of(pairs))
        PairsSimilarityDataLoader.check_samples(self.samples)
        similar = torch.tensor([sample.score > 0 for sample in self.samples], dtype=torch.bool)
        if not similar.any():
            raise ValueError(
                f"There is no query to mine for: none of the {len(self.samples)} samples has a "
                "score above 0."
            )
        searched_objects = [] if corpus is None else _listed(corpus)
        if corpus is not None and not searched_objects:
            raise ValueError("There is nothing to mine in: corpus is empty.")
        count = len(self.samples)
        everything = [sample.obj_a for sample in self.samples]
        everything += [sample.obj_b for sample in self.samples]
        everything += searched_objects
        distinct = DistinctObjects.from_digests(object_digests(everything))
        rows, places = torch.from_numpy(distinct.rows), distinct.first
        first, second, searched = rows[:count], rows[count : 2 * count], rows[2 * count :]
        searched = second if corpus is None else searched

        queries, query_of = _numbered(first[similar], len(rows))
        targets, target_of = _numbered(torch.cat((searched, second[similar])), len(rows))
        size = len(torch.unique(searched))  # the corpus comes first
        corpus_of = target_of.masked_fill(target_of >= size, -1)
        self.objects = [everything[places[number]] for number in queries.tolist()]
        self.targets = [everything[places[number]] for number in targets.tolist()]
        self.corpus = self.targets[:size]
        partners = torch.stack((query_of[first[similar]], target_of[second[similar]]), dim=1)
        self.partners = torch.unique(partners, dim=0)

        self._named_together = _relation(
            torch.cat((query_of[first], query_of[second], query_of[rows])),
            torch.cat((corpus_of[second], corpus_of[first], corpus_of[rows])),
            len(queries),
            size,
        )
        self.subgroups: list[Hashable] = [None] * len(queries)
        self._relate_subgroups(
            query_of[first[similar]], corpus_of[torch.cat((first[similar], second[similar]))]
        )

    def _relate_subgroups(self, queries: Tensor, corpus: Tensor) -> None:
        """Store the subgroups of queries and of objects of the corpus.

        Args:
            queries: Query of each pair with a score above 0, shape (E,).
            corpus: Position in the corpus of both objects of each, -1 for none, shape (2E,).
        """
        number_of: dict[Hashable, int] = {}
        numbers = []
        stated = (sample.subgroup for sample in self.samples if sample.score > 0)
        for query, subgroup in zip(queries.tolist(), stated, strict=True):
            known = subgroup is not None
            numbers.append(number_of.setdefault(subgroup, len(number_of)) if known else -1)
            if known and self.subgroups[query] is None:
                self.subgroups[query] = subgroup
        numbered = torch.tensor(numbers, dtype=torch.int64)
        self._subgroups_of_query = _relation(queries, numbered, len(self.objects), len(number_of))
        self._members = _relation(numbered.repeat(2), corpus, len(number_of), len(self.corpus))

    def forbidden(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Return the excluded objects of some queries.

        Returns:
            For each such pair the position of its query in ``queries``, and the position in the
            corpus. Pairs may be repeated.
        """
        position, found = self._named_together.of(queries)
        of_query, subgroup = self._subgroups_of_query.of(queries)
        of_subgroup, member = self._members.of(subgroup)
        return torch.cat((position, of_query[of_subgroup])), torch.cat((found, member))

    def is_forbidden(self, queries: Tensor, found: Tensor) -> Tensor:
        """Return which pairs of a query and a position in the corpus are excluded, shape (N,)."""
        result = self._named_together.holds(queries, found)
        pair, subgroup = self._subgroups_of_query.of(queries)
        result[pair[self._members.holds(subgroup, found[pair])]] = True
        return result

    def fill_at_random(self, negatives: Tensor, generator: torch.Generator) -> None:
        """Replace -1 with random objects that are not excluded.

        Args:
            negatives: Positions in the corpus for each query, shape (Q, n). Changed in place. An
                object occurs twice in a row only if fewer than n are not excluded.
            generator: Source of randomness.

        Raises:
            ValueError: All objects are excluded for a query.
        """
        for _ in range(_TRIES):
            query, place = (negatives < 0).nonzero(as_tuple=True)
            if not len(query):
                return
            drawn = torch.randint(len(self.corpus), (len(query),), generator=generator)
            wrong = self.is_forbidden(query, drawn)
            wrong |= (negatives[query] == drawn.unsqueeze(1)).any(dim=1)
            # Of two equal ones that are drawn for a query at once, neither is kept.
            _, which, times = torch.unique(
                query * len(self.corpus) + drawn, return_inverse=True, return_counts=True
            )
            right = ~wrong & (times[which] == 1)
            negatives[query[right], place[right]] = drawn[right]
        for query in (negatives < 0).any(dim=1).nonzero().flatten().tolist():
            self._fill_one(query, negatives[query], generator)

    def _fill_one(self, query: int, negatives: Tensor, generator: torch.Generator) -> None:
        """Fill the negatives of one query that random draws left open, from all allowed objects."""
        is_allowed = torch.ones(len(self.corpus), dtype=torch.bool)
        is_allowed[self.forbidden(torch.tensor([query]))[1]] = False
        allowed = is_allowed.nonzero().flatten()
        if not len(allowed):
            raise ValueError(
                f"There is no negative for the query {self.objects[query]!r:.80}: all "
                f"{len(self.corpus)} objects of the corpus are known to be similar to it, by a "
                "pair or by their subgroup. Give a larger corpus."
            )
        unused = allowed[~torch.isin(allowed, negatives)]
        unused = unused[torch.randperm(len(unused), generator=generator)]
        missing = (negatives < 0).nonzero().flatten()
        chance = allowed[torch.randint(len(allowed), missing.shape, generator=generator)]
        negatives[missing] = torch.cat((unused, chance))[: len(missing)]


def _listed(corpus: Iterable[Any]) -> list[Any]:
    """List the objects of a corpus; those of a one-dimensional array as plain Python objects."""
    if isinstance(corpus, (str, bytes)):
        raise TypeError(
            f"Expected a sequence of objects as corpus, got a single text: {corpus!r:.60}."
        )
    if isinstance(corpus, np.ndarray) and corpus.ndim == 1:
        objects: list[Any] = corpus.tolist()
        return objects
    if any(hasattr(corpus, name) for name in ("columns", "column_names", "to_list", "to_pylist")):
        return object_list(corpus)  # a column; of a table with several, it says to choose one
    return list(items_of(corpus))


def _numbered(numbers: Tensor, total: int) -> tuple[Tensor, Tensor]:
    """Number the distinct values by first occurrence.

    Returns:
        The distinct values, and for each value below ``total`` its number, -1 for none.
    """
    distinct, inverse = torch.unique(numbers, return_inverse=True)
    first = torch.full_like(distinct, len(numbers)).scatter_reduce_(
        0, inverse, torch.arange(len(numbers)), "amin"
    )
    distinct = numbers[first.sort().values]
    number_of = torch.full((total,), -1)
    number_of[distinct] = torch.arange(len(distinct))
    return distinct, number_of


def _relation(rows: Tensor, columns: Tensor, num_rows: int, num_columns: int) -> Relation:
    """Relate those of the pairs that have both a row and a column."""
    known = (rows >= 0) & (columns >= 0)
    return Relation(rows[known], columns[known], num_rows, num_columns)
