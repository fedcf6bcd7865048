"""The data of a page, gathered from a model and what it is evaluated on."""

from __future__ import annotations

import math
import random
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Final

import torch
from torch import Tensor

from quaterion_core import SimilarityModel
from quaterion_core.distances import Distance
from quaterion_report.corpus import Corpus, text_of
from quaterion_report.gallery import chosen_queries, neighbors_of, query_of
from quaterion_report.geometry import (
    alignment,
    effective_rank,
    principal_axes,
    spectrum,
    uniformity,
)
from quaterion_report.hubness import k_occurrences, skewness
from quaterion_report.projection import umap_places
from quaterion_report.report_data import (
    MAP_SIZE,
    MODEL,
    OTHER,
    UNTOUCHED,
    Curve,
    Estimate,
    Geometry,
    Hub,
    Hubness,
    Metric,
    Outcome,
    ReportData,
    Run,
    Slices,
    Sprite,
    System,
    SystemKey,
)
from quaterion_report.searching import Search, search
from quaterion_report.thumbnails import is_image, sprite_of

DEPTH: Final = 100
"""Number of nearest objects that are searched."""

MOST_IN_GEOMETRY: Final = 10_000
"""Number of embeddings whose distances to each other are computed for uniformity."""

PCA: Final = "PCA"
UMAP: Final = "UMAP"

HUB_K: Final = 10
SHOWN_AXES: Final = 256
SHOWN_HUBS: Final = 8
MOST_ON_MAP: Final = 10_000
LONG_TEXT: Final = 280
SHORT_TEXT: Final = 120
NAME: Final = 60
"""Number of characters of a text, of one that only the map shows, and of the name of an image."""

GALLERY_BUDGET: Final = 500_000
MAP_BUDGET: Final = 1_300_000
"""Most bytes of the thumbnails of the gallery, and of those of the map."""

_CURVE: Final = (1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 70, 100)


@dataclass(frozen=True)
class Evaluated:
    """A system with its embeddings and what its queries find."""

    key: SystemKey
    name: str
    embeddings: Tensor
    search: Search


def evaluated(
    corpus: Corpus, models: Mapping[SystemKey, tuple[str, SimilarityModel]], distance: Distance
) -> dict[SystemKey, Evaluated]:
    """Embed a corpus with several models, and let its queries search it.

    Args:
        corpus: What is searched.
        models: Name and model of each system, by key.
        distance: The distance.
    """
    results = {}
    for key, (name, model) in models.items():
        embeddings = corpus.embed(model)
        results[key] = Evaluated(key, name, embeddings, search(corpus, embeddings, distance, DEPTH))
    return results


def page_data(
    corpus: Corpus,
    systems: Mapping[SystemKey, Evaluated],
    *,
    title: str,
    split: str,
    map_method: str = PCA,
    run: Run | None = None,
    notes: Sequence[str] = (),
    metrics: Sequence[Metric] = (),
    slices: Slices | None = None,
) -> ReportData:
    """Return the data of a page.

    Args:
        corpus: What was searched.
        systems: Systems by key, the model first.
        title: Name of the model.
        split: Name of the split.
        map_method: ``PCA`` or ``UMAP``.
        run: The training run, if it is known.
        notes: What a reader has to know.
        metrics: Metrics of all systems.
        slices: The worst slices.
    """
    searches = {key: system.search for key, system in systems.items()}
    found = searches[MODEL]
    compared: tuple[SystemKey, ...] = (OTHER, UNTOUCHED)
    reference = next((key for key in compared if key in systems), None)
    chosen = chosen_queries(found, searches[reference] if reference else None)
    hubs = {key: _hubs(system.search) for key, system in systems.items()}
    shown = _shown_objects(corpus, systems, chosen, hubs)
    # Texts of the gallery are longer than those that only the map shows.
    in_detail = set(_objects_in_detail(systems, chosen, hubs))
    names = corpus.group_names()
    number_of_group = {name: number for number, name in enumerate(names)}
    on_page = {obj: number for number, obj in enumerate(shown)}
    sprites, unreadable = _sprites(corpus, shown, in_detail)
    all_notes = [*notes, *_notes(corpus, systems, shown, unreadable)]
    return ReportData(
        title=title,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        split=split,
        queries=len(found.queries),
        candidates=len(found.candidates),
        systems=[
            _system(corpus, system, hubs[key], shown, on_page, map_method)
            for key, system in systems.items()
        ],
        reference=reference,
        run=run,
        notes=all_notes,
        objects=[
            text_of(corpus.objects[obj], _longest(corpus.objects[obj], obj in in_detail), obj + 1)
            for obj in shown
        ],
        group_names=[text_of(name, NAME, 0) for name in names],
        groups=[
            -1 if (name := corpus.groups[obj]) is None else number_of_group[name] for obj in shown
        ],
        are_roles=corpus.are_roles,
        map_method=map_method,
        sprites=sprites,
        gallery=[
            query_of(searches, position, outcome, on_page)
            for outcome, positions in chosen.items()
            for position in positions
        ],
        metrics=list(metrics),
        slices=slices,
    )


def _longest(obj: Any, is_in_detail: bool) -> int:
    if is_image(obj):
        return NAME
    return LONG_TEXT if is_in_detail else SHORT_TEXT


def _hubs(found: Search) -> list[tuple[int, int, int]]:
    """Return the candidates found most often: object, how often, and how often it is relevant."""
    nearest, is_relevant = found.neighbors[:, :HUB_K], found.is_relevant[:, :HUB_K]
    size = int(found.candidates.max()) + 1
    counts = k_occurrences(nearest, size)
    deserved = k_occurrences(nearest.masked_fill(~is_relevant, -1), size)
    order = counts.argsort(descending=True, stable=True)[:SHOWN_HUBS].tolist()
    return [(obj, int(counts[obj]), int(deserved[obj])) for obj in order if counts[obj]]


def _objects_in_detail(
    systems: Mapping[SystemKey, Evaluated],
    chosen: Mapping[Outcome, Sequence[int]],
    hubs: Mapping[SystemKey, Sequence[tuple[int, int, int]]],
) -> list[int]:
    """Return the objects of the gallery and the hubs, the first ones first, each once."""
    objects: list[int] = []
    for position in (position for positions in chosen.values() for position in positions):
        objects.append(int(systems[MODEL].search.queries[position]))
        for system in systems.values():
            objects += neighbors_of(system.search, position)
        objects.append(int(systems[MODEL].search.nearest_relevant[position]))
    objects += [obj for found in hubs.values() for obj, _, _ in found]
    return list(dict.fromkeys(objects))


def _shown_objects(
    corpus: Corpus,
    systems: Mapping[SystemKey, Evaluated],
    chosen: Mapping[Outcome, Sequence[int]],
    hubs: Mapping[SystemKey, Sequence[tuple[int, int, int]]],
) -> list[int]:
    """Return the objects of the page: those in detail first, then a sample of the others."""
    first = _objects_in_detail(systems, chosen, hubs)
    rest = sorted(set(range(len(corpus.objects))).difference(first))
    room = max(0, MOST_ON_MAP - len(first))
    if len(rest) > room:
        rest = sorted(random.Random(0).sample(rest, room))
    return first + rest


def _system(
    corpus: Corpus,
    system: Evaluated,
    hubs: Sequence[tuple[int, int, int]],
    shown: Sequence[int],
    on_page: Mapping[int, int],
    map_method: str,
) -> System:
    found = system.search
    x, y = _map(system.embeddings[shown], map_method)
    return System(
        key=system.key,
        name=system.name,
        curve=_curve(found),
        similarities=found.pairs,
        hubness=_hubness(found, [(on_page[obj], times, deserved) for obj, times, deserved in hubs]),
        geometry=_geometry(corpus, system),
        x=x,
        y=y,
    )


def _curve(found: Search) -> Curve | None:
    ranks = found.ranks[found.is_answerable]
    if not len(ranks):
        return None
    k = [k for k in _CURVE if k <= len(found.candidates)]
    return Curve(k=k, values=[_share(int((ranks <= limit).sum()), len(ranks)) for limit in k])


def _share(successes: int, count: int) -> Estimate:
    """Return a share with its 95 % Wilson interval."""
    z = 1.959964
    share = successes / count
    center = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = (
        z
        / (1 + z * z / count)
        * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    )
    return Estimate(
        value=round(share, 6),
        low=round(max(0.0, center - half), 6),
        high=round(min(1.0, center + half), 6),
    )


def _hubness(found: Search, hubs: Sequence[tuple[int, int, int]]) -> Hubness:
    size = int(found.candidates.max()) + 1
    counts = k_occurrences(found.neighbors[:, :HUB_K], size)[found.candidates]
    return Hubness(
        k=min(HUB_K, found.neighbors.shape[1]),
        skewness=skewness(counts),
        never_found=round(float((counts == 0).double().mean()), 6),
        counts=torch.bincount(counts).tolist(),
        hubs=[Hub(object=obj, found=times, deserved=deserved) for obj, times, deserved in hubs],
    )


def _geometry(corpus: Corpus, system: Evaluated) -> Geometry:
    embeddings = system.embeddings.cpu()
    if len(embeddings) > MOST_IN_GEOMETRY:
        rows = torch.tensor(random.Random(0).sample(range(len(embeddings)), MOST_IN_GEOMETRY))
        embeddings = embeddings[rows]
    values = spectrum(embeddings)
    variances = values.square()
    total = variances.sum()
    explained = (variances.cumsum(0) / total).tolist() if total > 0 else []
    found = system.search
    has_match = found.is_answerable
    close = (
        alignment(
            system.embeddings[found.queries[has_match]].cpu(),
            system.embeddings[found.nearest_relevant[has_match]].cpu(),
        )
        if has_match.any()
        else None
    )
    even = uniformity(embeddings)
    return Geometry(
        dimensions=embeddings.shape[1],
        effective_rank=effective_rank(values),
        alignment=close,
        uniformity=None if math.isnan(even) else even,
        explained=[round(share, 4) for share in explained[:SHOWN_AXES]],
    )


def _map(embeddings: Tensor, method: str) -> tuple[list[int], list[int]]:
    """Return the places of embeddings on a square map, with one scale for both directions."""
    if len(embeddings) < 3:
        return [], []
    if method == UMAP:
        places = umap_places(embeddings)
    else:
        center, axes = principal_axes(embeddings.cpu())
        places = (embeddings.cpu().double() - center) @ axes
    middle = (places.amax(dim=0) + places.amin(dim=0)) / 2
    extent = float((places.amax(dim=0) - places.amin(dim=0)).max()) or 1.0
    scaled = ((places - middle) / extent + 0.5) * MAP_SIZE
    x, y = scaled.round().long().T.tolist()
    return x, y


def _sprites(
    corpus: Corpus, shown: Sequence[int], in_detail: Container[int]
) -> tuple[list[Sprite], list[int]]:
    """Return thumbnails of what is shown in detail, and smaller ones for the rest of the map."""
    images = [(number, obj) for number, obj in enumerate(shown) if is_image(corpus.objects[obj])]
    detailed = {number: corpus.objects[obj] for number, obj in images if obj in in_detail}
    others = {number: corpus.objects[obj] for number, obj in images if obj not in in_detail}
    sprites: list[Sprite] = []
    unreadable: list[int] = []
    for part, budget in ((detailed, GALLERY_BUDGET), (others, MAP_BUDGET)):
        sprite, broken = sprite_of(part, budget)
        sprites += [] if sprite is None else [sprite]
        unreadable += broken
    return sprites, unreadable


def _notes(
    corpus: Corpus,
    systems: Mapping[SystemKey, Evaluated],
    shown: Sequence[int],
    unreadable: Sequence[int],
) -> Iterator[str]:
    found = systems[MODEL].search
    unanswerable = int((~found.is_answerable).sum())
    if unanswerable:
        yield (
            f"Nothing is relevant to {unanswerable:,} of the queries; they are left out of "
            "metrics, curves and the gallery."
        )
    if len(shown) < len(corpus.objects):
        yield f"The map shows a sample of {len(shown):,} of {len(corpus.objects):,} objects."
    if unreadable:
        yield f"{len(unreadable):,} objects cannot be read as images and have no thumbnail."
