"""Queries of the gallery: those that changed most, and some of the rest."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor

from quaterion_report.report_data import MODEL, Found, Neighbor, Outcome, Query, SystemKey
from quaterion_report.searching import Search

SHOWN_NEIGHBORS: Final = 5
QUERIES_OF_EACH_OUTCOME: Final = {"lost": 15, "won": 15, "wrong": 10, "right": 10}


def chosen_queries(found: Search, reference: Search | None) -> dict[Outcome, list[int]]:
    """Return positions of queries for the gallery: those that changed most, and some of the rest.

    Queries are ordered by how much their reciprocal rank has changed.

    Args:
        found: What the model finds.
        reference: What it is compared with finds, if there is one.
    """
    is_right = found.ranks == 1
    changed = torch.zeros(len(found.queries))
    if reference is not None:
        changed = 1 / found.ranks - 1 / reference.ranks
    changed = changed.masked_fill(~found.is_answerable, 0)
    kinds: dict[Outcome, Tensor] = {
        "lost": changed < 0,
        "won": changed > 0,
        "wrong": (changed == 0) & ~is_right & found.is_answerable,
        "right": (changed == 0) & is_right & found.is_answerable,
    }
    order = changed.abs().argsort(descending=True, stable=True).tolist()
    chosen: dict[Outcome, list[int]] = {}
    for outcome, is_of_kind in kinds.items():
        positions = [position for position in order if is_of_kind[position]]
        if outcome in ("wrong", "right"):  # none of them stands out: a sample
            random.Random(0).shuffle(positions)
        chosen[outcome] = positions[: QUERIES_OF_EACH_OUTCOME[outcome]]
    return chosen


def neighbors_of(found: Search, position: int) -> list[int]:
    """Return the neighbors of a query that the gallery shows, nearest first."""
    return [obj for obj in found.neighbors[position, :SHOWN_NEIGHBORS].tolist() if obj >= 0]


def query_of(
    searches: Mapping[SystemKey, Search],
    position: int,
    outcome: Outcome,
    on_page: Mapping[int, int],
) -> Query:
    """Return a query with what each system finds for it.

    Args:
        searches: What all queries find, by system.
        position: The query.
        outcome: What it is an example of.
        on_page: Number on the page of each object of the corpus that is shown.
    """
    model = searches[MODEL]
    answer = int(model.nearest_relevant[position])
    seen = set(neighbors_of(model, position))
    return Query(
        object=on_page[int(model.queries[position])],
        outcome=outcome,
        found={key: _found(search, position, on_page) for key, search in searches.items()},
        expected=None if answer in seen else on_page[answer],
    )


def _found(found: Search, position: int, on_page: Mapping[int, int]) -> Found:
    return Found(
        rank=int(found.ranks[position]) if found.is_answerable[position] else None,
        neighbors=[
            Neighbor(
                object=on_page[obj],
                similarity=round(float(found.similarities[position, place]), 4),
                relevant=bool(found.is_relevant[position, place]),
            )
            for place, obj in enumerate(neighbors_of(found, position))
        ],
    )
