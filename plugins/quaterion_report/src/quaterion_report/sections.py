"""What the templates of a page draw in each section, made from the data of the report."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, NamedTuple

from markupsafe import Markup

from quaterion_report import charts
from quaterion_report.charts import Axis, Series
from quaterion_report.formatting import count, enumerated, figure, p_value, percent
from quaterion_report.report_data import (
    UNTOUCHED,
    Difference,
    Estimate,
    Metric,
    ReportData,
    Similarities,
    Slice,
    System,
)
from quaterion_report.scales import extent, round_extent
from quaterion_report.thresholds import operating_points

COLORED_GROUPS: Final = 10
LISTED_GROUPS: Final = 200
SHOWN_BINS: Final = 48
SHOWN_AXES: Final = 100
_MAP_MARGIN: Final = 20

_TONES: Final = {"better": "good", "worse": "bad", "open": ""}
"""Class of a difference in the style sheet."""

OUTCOMES: Final = ("lost", "won", "wrong", "right")


class Section(NamedTuple):
    """A section of the page."""

    id: str
    name: str
    title: str


SECTIONS: Final = (
    Section("summary", "Summary", "Summary"),
    Section("run", "Training run", "What was trained on what"),
    Section("metrics", "Metrics", "Metrics with their intervals"),
    Section("curves", "Learning curves", "Learning curves"),
    Section("recall", "Recall", "How many neighbors it takes"),
    Section("similarities", "Similarities", "Similarities of matching and other pairs"),
    Section("hubs", "Hubs and collapse", "Hubs and collapse"),
    Section("map", "Map", "Map of the embeddings"),
    Section("slices", "Worst slices", "Where the model is worst"),
    Section("gallery", "Gallery", "Gallery of queries"),
)


@dataclass(frozen=True)
class LegendItem:
    """A series and its color."""

    name: str
    style: str


@dataclass(frozen=True)
class Chart:
    """A chart with its title, legend, and the values that it draws as a table."""

    title: str
    svg: Markup
    legend: Sequence[LegendItem] = ()
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = field(default=())


@dataclass(frozen=True)
class Verdict:
    """A sentence on a comparison; ``tone`` is ``good``, ``bad`` or ``open``."""

    text: str
    tone: str


def summary(data: ReportData) -> dict[str, Any]:
    """Return the first metric of all systems, and a sentence on each comparison."""
    if not data.metrics:
        return {"headline": None}
    first = data.metrics[0]
    tiles = [
        {"name": system.name, "style": _style(system), "estimate": first.values[system.key]}
        for system in data.systems
        if system.key in first.values
    ]
    verdicts = [_verdict(data, system) for system in data.systems[1:]]
    return {
        "headline": {"metric": first.name, "tiles": tiles, "verdicts": list(filter(None, verdicts))}
    }


def _verdict(data: ReportData, system: System) -> Verdict | None:
    compared = {
        metric.name: metric.differences[system.key]
        for metric in data.metrics
        if system.key in metric.differences
    }
    if not compared:
        return None
    better = [_by(*item) for item in compared.items() if item[1].outcome == "better"]
    worse = [_by(*item) for item in compared.items() if item[1].outcome == "worse"]
    model = data.systems[0].name
    against = f"the {system.name}" if system.key == UNTOUCHED else system.name
    rest = (
        "" if len(better) + len(worse) == len(compared) else " Other metrics: no clear difference."
    )
    if better and worse:
        return Verdict(
            f"{model} is better than {against} in {enumerated(better)}, but worse in "
            f"{enumerated(worse)}.{rest}",
            "open",
        )
    if better:
        return Verdict(f"{model} is better than {against} in {enumerated(better)}.{rest}", "good")
    if worse:
        return Verdict(f"{model} is worse than {against} in {enumerated(worse)}.{rest}", "bad")
    return Verdict(
        f"These queries cannot tell {model} from {against}: no metric differs clearly.", "open"
    )


def _by(name: str, difference: Difference) -> str:
    """Return a metric with the size of its difference."""
    return f"{name} (by {figure(abs(difference.estimate.value))})"


def metrics(data: ReportData) -> dict[str, Any]:
    """Return the rows of the tables of metrics and of differences."""
    rows = [
        {
            "name": metric.name,
            "figures": [metric.values.get(system.key) for system in data.systems],
            "chart": _interval_chart(data, metric),
        }
        for metric in data.metrics
    ]
    comparisons = []
    for system in data.systems[1:]:
        compared = [
            (metric.name, metric.differences[system.key])
            for metric in data.metrics
            if system.key in metric.differences
        ]
        ends = [end for _, d in compared for end in (*_ends(d.estimate), 0.0)]
        low, high = round_extent(ends)
        comparisons.append(
            {
                "name": system.name,
                "rows": [
                    {
                        "name": name,
                        "difference": difference,
                        "tone": _TONES[difference.outcome],
                        "p": p_value(difference.p_value),
                        "chart": charts.interval(
                            low,
                            high,
                            [(f"s-{data.systems[0].key}", *_triple(difference.estimate))],
                            zero=0.0,
                        ),
                    }
                    for name, difference in compared
                ],
            }
        )
    return {
        "metric_rows": rows,
        "comparisons": [comparison for comparison in comparisons if comparison["rows"]],
        "system_legend": [LegendItem(system.name, _style(system)) for system in data.systems],
    }


def _interval_chart(data: ReportData, metric: Metric) -> Markup:
    ends = [end for value in metric.values.values() for end in _ends(value)]
    if not ends:
        return Markup("")
    low, high = extent(ends, at_least=0.02)
    rows = [
        (_style(system), *_triple(metric.values[system.key]))
        for system in data.systems
        if system.key in metric.values
    ]
    return charts.interval(low, high, rows)


def learning_curves(data: ReportData) -> dict[str, Any]:
    """Return a chart for the losses, and one for each logged metric."""
    history = data.run.history if data.run else []
    names = [name for name in dict.fromkeys(key for epoch in history for key in epoch)
             if name != "epoch"]  # fmt: skip
    quantities: dict[str, dict[str, str]] = {}
    for name in names:
        quantity, stage = _quantity(name)
        quantities.setdefault(quantity, {})[stage] = name
    epochs = [float(epoch.get("epoch") or number) for number, epoch in enumerate(history, start=1)]
    marked = data.run.best_epoch if data.run else None
    drawn = []
    for quantity, stages in quantities.items():
        series = [
            Series(
                stage or quantity,
                f"s-{stage or 'validation'}",
                [epoch.get(stages[stage]) for epoch in history],
            )
            for stage in ("validation", "train", "")
            if stage in stages
        ]
        drawn.append(
            _line_chart(
                quantity,
                epochs,
                series,
                Axis("epoch", lambda value: f"{value:.0f}", whole=True),
                Axis("", figure),
                marked=None if marked is None else float(marked),
            )
        )
    return {"learning_curves": drawn}


def _quantity(name: str) -> tuple[str, str]:
    """Return what a logged value measures, and in which stage.

    Example:
        >>> _quantity("train_loss"), _quantity("map_at_r_validation"), _quantity("lr")
        (('loss', 'train'), ('map_at_r', 'validation'), ('lr', ''))
    """
    for stage in ("train", "validation"):
        if name.startswith(f"{stage}_"):
            return name.removeprefix(f"{stage}_"), stage
        if name.endswith(f"_{stage}"):
            return name.removesuffix(f"_{stage}"), stage
    return name, ""


def recall(data: ReportData) -> dict[str, Any]:
    """Return the chart of the success curves."""
    systems = [system for system in data.systems if system.curve is not None]
    if not systems or systems[0].curve is None:
        return {"recall_chart": None}
    positions = systems[0].curve.k
    series = []
    for system in systems:
        curve = system.curve
        assert curve is not None
        by_k = dict(zip(curve.k, curve.values, strict=True))
        values = [by_k.get(k) for k in positions]
        is_model = system is systems[0]
        series.append(
            Series(
                system.name,
                _style(system),
                [None if value is None else value.value for value in values],
                [None if value is None else value.low for value in values] if is_model else (),
                [None if value is None else value.high for value in values] if is_model else (),
            )
        )
    chart = _line_chart(
        "Success at k",
        [float(k) for k in positions],
        series,
        Axis("k =", lambda value: f"{value:.0f}", logarithmic=True),
        Axis("share of queries", figure, within=(0.0, 1.0)),
        x_title="k nearest objects",
    )
    model = series[0]
    lines = []
    for wanted in (0.8, 0.9, 0.95, 0.99):
        reached = [k for k, value in zip(positions, model.values, strict=True)
                   if value is not None and value >= wanted]  # fmt: skip
        if reached:
            lines.append(
                f"{wanted:.0%} of the queries need at most {reached[0]}.".replace("%", " %")
            )
    return {"recall_chart": chart, "recall_lines": lines}


def similarities(data: ReportData) -> dict[str, Any]:
    """Return the distributions of similarities, and what thresholds would do."""
    shown = [
        (system, system.similarities)
        for system in data.systems
        if system.similarities is not None
        and any(system.similarities.matching)
        and any(system.similarities.others)
    ]
    if not shown:
        return {"similarity_charts": []}
    rows = []
    for system, counts in shown:
        for position, (name, point) in enumerate(operating_points(counts).items()):
            rows.append(
                {
                    "system": None if position else system.name,
                    "name": name,
                    "threshold": figure(point.threshold),
                    "missed": percent(point.false_reject_rate),
                    "accepted": percent(point.false_accept_rate),
                    "precision": "–" if point.precision is None else percent(point.precision),
                    "f1": figure(point.f1),
                }
            )
    model = shown[0][1]
    return {
        "similarity_charts": [
            _distribution(system, counts, _occupied(counts)) for system, counts in shown
        ],
        "operating_points": rows,
        "pair_counts": (sum(model.matching), sum(model.others)),
    }


def _occupied(counts: Similarities) -> tuple[float, float]:
    """Return the range of the similarities that occur."""
    width = (counts.high - counts.low) / len(counts.matching)
    present = [
        number
        for number, pairs in enumerate(zip(counts.matching, counts.others, strict=True))
        if any(pairs)
    ]
    return round_extent([counts.low + width * present[0], counts.low + width * (present[-1] + 1)])


def _distribution(system: System, counts: Similarities, shown: tuple[float, float]) -> Chart:
    # About as many bins as are shown, whatever part of all bins that is.
    part = (shown[1] - shown[0]) / (counts.high - counts.low)
    factor = 2 ** max(0, round(math.log2(len(counts.matching) * part / SHOWN_BINS)))
    while len(counts.matching) % factor:
        factor //= 2
    bins = len(counts.matching) // factor
    width = (counts.high - counts.low) / len(counts.matching) * factor
    edges = [counts.low + width * position for position in range(bins + 1)]
    series = [
        Series("other pairs", "s-others", _shares(counts.others, factor)),
        Series("matching pairs", "s-matching", _shares(counts.matching, factor)),
    ]
    return Chart(
        system.name,
        charts.distributions(
            edges, series, Axis("similarity", lambda value: f"{value:.2f}"),
            title=f"Similarities of matching and other pairs for {system.name}", shown=shown,
        ),
        [LegendItem(one.name, one.style) for one in reversed(series)],
    )  # fmt: skip


def _shares(counts: Sequence[int], factor: int) -> list[float]:
    total = sum(counts)
    starts = range(0, len(counts) - factor + 1, factor)
    return [sum(counts[start : start + factor]) / total for start in starts]


def hubs(data: ReportData) -> dict[str, Any]:
    """Return figures and charts of hubs and of the shape of the embeddings."""
    systems = data.systems
    rows: list[dict[str, Any]] = []

    def add(name: str, values: Sequence[str | None], meaning: str) -> None:
        if any(values):
            rows.append({"name": name, "figures": [v or "–" for v in values], "meaning": meaning})

    hubness = [system.hubness for system in systems]
    geometry = [system.geometry for system in systems]
    k = next((part.k for part in hubness if part), 0)
    add("skewness of k-occurrence", [figure(h.skewness) if h else None for h in hubness],
        f"High if few objects are among the {k} nearest of many queries.")  # fmt: skip
    add("never found", [percent(h.never_found) if h else None for h in hubness],
        f"Objects that no query has among its {k} nearest.")  # fmt: skip
    add(
        "effective rank",
        [f"{g.effective_rank:.1f} of {g.dimensions:,}" if g else None for g in geometry],
        "Dimensions in use. A model that collapses uses few.",
    )
    add(
        "alignment",
        [figure(g.alignment) if g and g.alignment is not None else None for g in geometry],
        "Mean squared distance of matching pairs on the unit sphere: lower is closer.",
    )
    add(
        "uniformity",
        [figure(g.uniformity) if g and g.uniformity is not None else None for g in geometry],
        "How evenly embeddings cover the sphere: lower is more even, 0 is one point.",
    )
    drawn = [_occurrence_chart(systems)] if any(hubness) else []
    explained = [system for system in systems if system.geometry and system.geometry.explained]
    if explained:
        drawn.append(_explained_chart(explained))
    return {
        "geometry_rows": rows,
        "hub_charts": drawn,
        "hubs": systems[0].hubness.hubs if systems[0].hubness else [],
    }


def _occurrence_chart(systems: Sequence[System]) -> Chart:
    shown = [(system, system.hubness) for system in systems if system.hubness is not None]
    edges = _occurrence_edges(max(len(hubness.counts) for _, hubness in shown))
    labels = [
        str(start) if end - start == 1 else f"{start}–{end - 1}" for start, end in pairwise(edges)
    ]
    series = [
        Series(
            system.name,
            _style(system),
            [float(sum(hubness.counts[start:end])) for start, end in pairwise(edges)],
        )
        for system, hubness in shown
    ]
    found = f"times among the {shown[0][1].k} nearest"
    return Chart(
        "How often objects are found",
        charts.bars(labels, series, found, "objects", title="Objects by how often they are found"),
        [LegendItem(one.name, one.style) for one in series],
        (found, *(one.name for one in series)),
        [[text, *(count(one.values[n] or 0) for one in series)] for n, text in enumerate(labels)],
    )


def _occurrence_edges(length: int) -> list[int]:
    """Return the edges of bins for 0, 1, 2 to 3, 4 to 7, and so on.

    Example:
        >>> _occurrence_edges(9)
        [0, 1, 2, 4, 8, 16]
    """
    edges = [0, 1]
    while edges[-1] < length:
        edges.append(2 * edges[-1])
    return edges


def _explained_chart(systems: Sequence[System]) -> Chart:
    longest = max(len(s.geometry.explained) for s in systems if s.geometry)
    shown = min(longest, SHOWN_AXES)
    series = []
    for system in systems:
        assert system.geometry is not None
        explained = system.geometry.explained[:shown]
        values: list[float | None] = [*explained, *[None] * (shown - len(explained))]
        series.append(Series(system.name, _style(system), values))
    return _line_chart(
        "Variance in the first principal axes",
        [float(number) for number in range(1, shown + 1)],
        series,
        Axis("axes:", lambda value: f"{value:.0f}", logarithmic=shown > 20),
        Axis("share of the variance", figure, within=(0.0, 1.0)),
        x_title="principal axes",
        tabulated=False,
    )


def embedding_map(data: ReportData) -> dict[str, Any]:
    """Return the points of the map, its groups, and what its script needs."""
    systems = [system for system in data.systems if system.x]
    if not systems:
        return {"cloud": None}
    sizes = Counter(data.groups)
    groups = [
        {"number": number, "name": name, "size": sizes[number]}
        for number, name in enumerate(data.group_names)
    ]
    return {
        "map_frame": _map_frame(systems),
        "cloud": charts.cloud(systems[0].x, systems[0].y, data.groups, COLORED_GROUPS),
        "map_systems": systems,
        "map_groups": groups[:COLORED_GROUPS],
        "other_groups": groups[COLORED_GROUPS:LISTED_GROUPS],
    }


def _map_frame(systems: Sequence[System]) -> str:
    """Return the box around the maps of all systems, as the attribute ``viewBox``."""
    x = [place for system in systems for place in system.x]
    y = [place for system in systems for place in system.y]
    left, top = min(x) - _MAP_MARGIN, min(y) - _MAP_MARGIN
    return f"{left} {top} {max(x) - left + _MAP_MARGIN} {max(y) - top + _MAP_MARGIN}"


def script_data(data: ReportData) -> dict[str, Any]:
    """Return what the script of a page needs, as JSON values."""
    found: dict[str, Any] = {}
    counts = data.systems[0].similarities
    if counts is not None and any(counts.matching) and any(counts.others):
        chosen = next(iter(operating_points(counts).values()))
        found["similarities"] = {**counts.model_dump(), "chosen": chosen.bin}
    systems = [system for system in data.systems if system.x]
    if systems:
        shown = len(systems[0].x)
        places = thumbnail_places(data)
        found["map"] = {
            "objects": data.objects[:shown],
            "groups": data.groups[:shown],
            "names": data.group_names,
            "colored": COLORED_GROUPS,
            "maps": {system.key: {"x": system.x, "y": system.y} for system in systems},
            "places": {n: (place.sprite, place.index) for n, place in places.items() if n < shown},
            "sprites": [sprite.columns for sprite in data.sprites],
        }
    return found


@dataclass(frozen=True)
class Place:
    """Where the thumbnail of an object is."""

    sprite: int
    index: int
    column: int
    row: int


def thumbnail_places(data: ReportData) -> Mapping[int, Place]:
    """Return where each thumbnail is, in the first sprite that has it."""
    places: dict[int, Place] = {}
    for number, sprite in enumerate(data.sprites):
        for index, shown in enumerate(sprite.objects):
            row, column = divmod(index, sprite.columns)
            places.setdefault(shown, Place(number, index, column, row))
    return places


def slices(data: ReportData) -> dict[str, Any]:
    """Return the rows of the table of slices."""
    if data.slices is None:
        return {"slice_rows": []}
    overall = data.slices.overall
    ends = [end for part in data.slices.worst for end in _ends(part.estimate)]
    low, high = round_extent([*ends, overall])

    def row(part: Slice) -> dict[str, Any]:
        triple = _triple(part.estimate)
        return {
            "slice": part,
            "chart": charts.interval(low, high, [("s-model", *triple)], zero=overall),
        }

    return {"slice_rows": [row(part) for part in data.slices.worst]}


def gallery(data: ReportData) -> dict[str, Any]:
    """Return the filters of the gallery."""
    counts = Counter(query.outcome for query in data.gallery)
    return {
        "outcomes": [
            {"name": outcome, "count": counts[outcome]} for outcome in OUTCOMES if counts[outcome]
        ],
        "reference_name": data.names[data.reference] if data.reference else None,
    }


def _line_chart(
    title: str,
    positions: Sequence[float],
    series: Sequence[Series],
    x_axis: Axis,
    y_axis: Axis,
    *,
    x_title: str | None = None,
    marked: float | None = None,
    tabulated: bool = True,
) -> Chart:
    svg = charts.lines(
        positions, series, x_axis, y_axis, title=title, x_title=x_title, marked=marked
    )
    rows = [
        [
            x_axis.format(position),
            *(
                "–" if one.values[n] is None else y_axis.format(one.values[n] or 0)
                for one in series
            ),
        ]
        for n, position in enumerate(positions)
    ]
    return Chart(
        title,
        svg,
        [LegendItem(one.name, one.style) for one in series],
        [x_title or x_axis.title, *(one.name for one in series)] if tabulated else (),
        rows if tabulated else (),
    )


def _style(system: System) -> str:
    return f"s-{system.key}"


def _triple(estimate: Estimate) -> tuple[float, float | None, float | None]:
    return estimate.value, estimate.low, estimate.high


def _ends(estimate: Estimate) -> list[float]:
    return [value for value in _triple(estimate) if value is not None]
