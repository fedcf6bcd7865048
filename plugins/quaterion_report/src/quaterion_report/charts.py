"""Charts as inline SVG: lines with intervals, distributions, bars, intervals, maps.

Colors are left to the style sheet: each series has a class of its own. A chart with a readout says
in ``data-readout`` what the script of the page shows at each of its positions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, pairwise
from typing import Final

from markupsafe import Markup

from quaterion_report.scales import Scale, extent, label, log_ticks, round_extent, ticks
from quaterion_report.svg import element, number, polyline

WIDTH: Final = 480.0
HEIGHT: Final = 264.0
_LEFT: Final = 40.0
_RIGHT: Final = 12.0
_TOP: Final = 26.0
_BOTTOM: Final = 40.0

_LOWEST_BAR: Final = 0.7
"""Count at the foot of bars, so that a bar of 1 is seen."""

Format = Callable[[float], str]


@dataclass(frozen=True)
class Series:
    """Values of one series at the positions of a chart.

    Args:
        name: What the readout calls it.
        style: Its class in the style sheet.
        values: One for each position; ``None`` where there is none.
        low: Lower ends of intervals, likewise.
        high: Upper ends.
    """

    name: str
    style: str
    values: Sequence[float | None]
    low: Sequence[float | None] = ()
    high: Sequence[float | None] = ()

    def all_values(self) -> list[float]:
        """Return all values and ends of intervals."""
        several = (*self.values, *self.low, *self.high)
        return [value for value in several if value is not None]


@dataclass(frozen=True)
class Axis:
    """An axis of a chart.

    Args:
        title: What it shows.
        format: How the readout writes a value.
        logarithmic: Whether equal distances are equal factors.
        whole: Whether values are integers, so that there are no ticks between them.
        within: Bounds that the axis does not leave.
    """

    title: str
    format: Format = label
    logarithmic: bool = False
    whole: bool = False
    within: tuple[float, float] = field(default=(float("-inf"), float("inf")))

    def scale(self, low: float, high: float, start: float, end: float) -> Scale:
        """Return the scale of the axis."""
        return Scale(low, high, start, end, self.logarithmic)

    def ticks(self, low: float, high: float, count: int) -> list[float]:
        """Return the values at which the axis has a tick."""
        if self.logarithmic:
            found = log_ticks(low, high)
            return found if len(found) <= 2 * count else found[::3]
        found = ticks(low, high, count)
        return [value for value in found if value == round(value)] if self.whole else found


def lines(
    positions: Sequence[float],
    series: Sequence[Series],
    x_axis: Axis,
    y_axis: Axis,
    *,
    title: str,
    x_title: str | None = None,
    marked: float | None = None,
) -> Markup:
    """Return a chart of lines, with bands where there are intervals.

    Args:
        positions: Ascending positions on the horizontal axis.
        series: The lines; the first is drawn on top.
        x_axis: Horizontal axis.
        y_axis: Vertical axis.
        title: What the chart shows, for those who cannot see it.
        x_title: Title below the horizontal axis; by default that of the readout.
        marked: A position to mark with a vertical line.
    """
    values = [value for one in series for value in one.all_values()]
    low, high = round_extent(values)
    low, high = max(low, y_axis.within[0]), min(high, y_axis.within[1])
    x_scale = x_axis.scale(*extent(list(positions)), _LEFT + 4, WIDTH - _RIGHT)
    y_scale = y_axis.scale(low, high, HEIGHT - _BOTTOM, _TOP)
    drawn = []
    for one in reversed(series):
        drawn.append(_band(positions, one, x_scale, y_scale))
        drawn.append(_line(positions, one, x_scale, y_scale))
    return _chart(
        *_axes(x_axis, y_axis, x_scale, y_scale, x_title=x_title),
        _mark(marked, x_scale),
        *drawn,
        title=title,
        readout=_readout(positions, series, x_axis, y_axis, x_scale, y_scale),
    )


def distributions(
    edges: Sequence[float],
    series: Sequence[Series],
    x_axis: Axis,
    *,
    title: str,
    shown: tuple[float, float],
) -> Markup:
    """Return distributions over the same bins as filled steps.

    Args:
        edges: Ascending edges of B bins, B + 1 values.
        series: Shares of each bin, B values each.
        x_axis: Horizontal axis.
        title: What the chart shows.
        shown: The part of the axis that is shown.
    """
    highest = max((value for one in series for value in one.all_values()), default=1.0) or 1.0
    x_scale = x_axis.scale(*shown, _LEFT + 4, WIDTH - _RIGHT)
    y_scale = Scale(0.0, highest * 1.04, HEIGHT - _BOTTOM, _TOP)
    floor = y_scale(0.0)
    # Bins whose middle is outside are empty.
    middles = [(start + end) / 2 for start, end in pairwise(edges)]
    inside = [place for place, middle in enumerate(middles) if shown[0] <= middle <= shown[1]]
    middles = [middles[place] for place in inside]
    series = [replace(one, values=[one.values[place] for place in inside]) for one in series]
    drawn = []
    for one in series:
        points = [(x_scale(max(shown[0], edges[inside[0]])), floor)]
        for place, value in zip(inside, one.values, strict=True):
            start, end = max(shown[0], edges[place]), min(shown[1], edges[place + 1])
            points += [(x_scale(start), y_scale(value or 0)), (x_scale(end), y_scale(value or 0))]
        points.append((points[-1][0], floor))
        drawn.append(element("path", d=polyline(points), class_=f"area {one.style}"))
    y_axis = Axis("share of pairs", lambda value: f"{value:.1%}")
    return _chart(
        *_axes(x_axis, y_axis, x_scale, y_scale, format_y=lambda value: f"{value:.0%}"),
        *drawn,
        title=title,
        readout=_readout(middles, series, x_axis, y_axis, x_scale, y_scale),
        x_from=x_scale.low, x_to=x_scale.high, left=x_scale.start, right=x_scale.end,
    )  # fmt: skip


def interval(
    low: float, high: float, rows: Sequence[tuple[str, float, float | None, float | None]],
    *, zero: float | None = None,
) -> Markup:  # fmt: skip
    """Return values with their intervals on one line each, without an axis.

    Args:
        low: Value at the left.
        high: Value at the right.
        rows: Class, value, and the ends of the interval.
        zero: A value to mark with a vertical line.
    """
    gap = 11.0
    height = gap * len(rows) + 3
    scale = Scale(low, high, 5.0, 175.0)
    drawn = []
    if zero is not None:
        x = scale(zero)
        drawn.append(element("path", d=polyline([(x, 0.0), (x, height)]), class_="zero"))
    for position, (style, value, start, end) in enumerate(rows):
        y = gap * position + 7
        drawn.append(element("path", d=polyline([(5.0, y), (175.0, y)]), class_="track"))
        if start is not None and end is not None:
            path = polyline([(scale(start), y), (scale(end), y)])
            drawn.append(element("path", d=path, class_=f"whisker {style}"))
        drawn.append(element("circle", cx=scale(value), cy=y, r=3.5, class_=f"dot {style}"))
    return element(
        "svg", *drawn, viewBox=f"0 0 180 {number(height)}", class_="interval", aria_hidden="true"
    )


def bars(
    labels: Sequence[str], series: Sequence[Series], x_title: str, y_title: str, *, title: str
) -> Markup:
    """Return bars of counts side by side, whose heights are on a logarithmic axis.

    Args:
        labels: What each place stands for.
        series: Counts at each place, 0 or more.
        x_title: What the labels are.
        y_title: What is counted.
        title: What the chart shows.
    """
    highest = max([10.0, *(value for one in series for value in one.all_values())])
    y_axis = Axis(y_title, lambda value: f"{value:,.0f}", logarithmic=True)
    y_scale = y_axis.scale(_LOWEST_BAR, highest * 1.1, HEIGHT - _BOTTOM, _TOP)
    step = (WIDTH - _RIGHT - _LEFT - 4) / max(1, len(labels))
    width = step * 0.8 / max(1, len(series))
    places = [_LEFT + 4 + step * (position + 0.5) for position in range(len(labels))]
    floor = y_scale(_LOWEST_BAR)
    drawn = []
    for number_, one in enumerate(series):
        for place, value in zip(places, one.values, strict=True):
            top = y_scale(max(value or 0, _LOWEST_BAR))
            left = place - step * 0.4 + width * number_
            drawn.append(
                element(
                    "rect", x=left, width=max(1.0, width - 1), y=top, height=floor - top,
                    class_=f"bar {one.style}", rx=1.5,
                )
            )  # fmt: skip
    every = max(1, -(-len(labels) // 12))
    names = [
        element("text", text, x=place, y=HEIGHT - _BOTTOM + 16, text_anchor="middle")
        for position, (place, text) in enumerate(zip(places, labels, strict=True))
        if position % every == 0
    ]
    readout = {
        "x": [round(place, 1) for place in places],
        "at": [f"{x_title}: {text}" for text in labels],
        "series": [
            {
                "name": one.name,
                "style": one.style,
                "y": [round(y_scale(max(value or 0, _LOWEST_BAR)), 1) for value in one.values],
                "text": [f"{y_axis.format(value or 0)} {y_title}" for value in one.values],
            }
            for one in series
        ],
    }
    powers = [tick for tick in log_ticks(1, highest) if str(tick)[0] == "1"]
    return _chart(
        *_grid(y_scale, powers, label),
        *_titles(x_title, y_title),
        *names,
        *drawn,
        title=title,
        readout=readout,
    )


def cloud(x: Sequence[int], y: Sequence[int], groups: Sequence[int], colored: int) -> Markup:
    """Return the points of a map, as one path for each color.

    Points are drawn as short lines with round ends, which take ten bytes each.

    Args:
        x: Coordinates of the points.
        y: Likewise.
        groups: Group of each point; -1 for none.
        colored: Number of groups that have a color; points of others are drawn first.
    """

    def style(point: int) -> int:
        group = groups[point] if groups else -1
        return group if 0 <= group < colored else -1

    ordered = sorted(range(len(x)), key=style)
    return Markup("").join(
        element(
            "path",
            d="".join(f"M{x[point]} {y[point]}h0" for point in points),
            class_="points none" if group < 0 else f"points g{group}",
        )
        for group, points in groupby(ordered, key=style)
    )


def _chart(
    *content: Markup, title: str, readout: dict[str, object] | None = None, **data: float
) -> Markup:
    attributes = {f"data_{name}": f"{value:.6g}" for name, value in data.items()}
    if readout is not None:
        attributes["data_readout"] = json.dumps(readout, separators=(",", ":"))
        attributes["tabindex"] = "0"
    return element(
        "svg", element("title", title), *content,
        viewBox=f"0 0 {number(WIDTH)} {number(HEIGHT)}", class_="chart", role="img", **attributes,
    )  # fmt: skip


def _axes(
    x_axis: Axis, y_axis: Axis, x_scale: Scale, y_scale: Scale,
    *, format_y: Format = label, x_title: str | None = None,
) -> list[Markup]:  # fmt: skip
    """Return grid lines, ticks and titles."""
    bottom = HEIGHT - _BOTTOM
    x_ticks = x_axis.ticks(x_scale.low, x_scale.high, 6)
    return [
        *_grid(y_scale, y_axis.ticks(y_scale.low, y_scale.high, 4), format_y),
        *(
            element("text", label(tick), x=x_scale(tick), y=bottom + 16, text_anchor="middle")
            for tick in x_ticks
        ),
        *_titles(x_title or x_axis.title, y_axis.title),
    ]


def _grid(y_scale: Scale, y_ticks: Sequence[float], format_y: Format) -> list[Markup]:
    drawn = []
    for tick in y_ticks:
        y = y_scale(tick)
        path = polyline([(_LEFT, y), (WIDTH - _RIGHT, y)])
        drawn.append(element("path", d=path, class_="grid"))
        text = format_y(tick)
        drawn.append(element("text", text, x=_LEFT - 6, y=y + 4, text_anchor="end"))
    return drawn


def _titles(x_title: str, y_title: str) -> list[Markup]:
    """Return the titles of the axes; that of the vertical one may be empty."""
    return [
        element(
            "text", x_title, x=(_LEFT + WIDTH - _RIGHT) / 2, y=HEIGHT - 5, text_anchor="middle",
            class_="axis",
        ),
        element("text", y_title, x=0.0, y=_TOP - 14, class_="axis") if y_title else Markup(""),
    ]  # fmt: skip


def _mark(position: float | None, x_scale: Scale) -> Markup:
    if position is None:
        return Markup("")
    x = x_scale(position)
    return element("path", d=polyline([(x, _TOP), (x, HEIGHT - _BOTTOM)]), class_="mark")


def _line(positions: Sequence[float], one: Series, x_scale: Scale, y_scale: Scale) -> Markup:
    points = [
        (x_scale(position), y_scale(value))
        for position, value in zip(positions, one.values, strict=True)
        if value is not None
    ]
    if not points:
        return Markup("")
    if len(points) == 1:
        (x, y) = points[0]
        return element("circle", cx=x, cy=y, r=3.5, class_=f"dot {one.style}")
    return element("path", d=polyline(points), class_=f"line {one.style}")


def _band(positions: Sequence[float], one: Series, x_scale: Scale, y_scale: Scale) -> Markup:
    if not one.low:
        return Markup("")
    places = [x_scale(position) for position in positions]
    ends = [
        (x, y_scale(low), y_scale(high))
        for x, low, high in zip(places, one.low, one.high, strict=True)
        if low is not None and high is not None
    ]
    path = [(x, high) for x, _, high in ends] + [(x, low) for x, low, _ in reversed(ends)]
    return element("path", d=polyline(path) + "Z", class_=f"band {one.style}")


def _readout(
    positions: Sequence[float], series: Sequence[Series], x_axis: Axis, y_axis: Axis,
    x_scale: Scale, y_scale: Scale,
) -> dict[str, object]:  # fmt: skip
    """Return what is shown at each position: pixels and texts."""
    return {
        "x": [round(x_scale(position), 1) for position in positions],
        "at": [f"{x_axis.title} {x_axis.format(position)}" for position in positions],
        "series": [
            {
                "name": one.name,
                "style": one.style,
                "y": [None if value is None else round(y_scale(value), 1) for value in one.values],
                "text": [_text(one, place, y_axis.format) for place in range(len(one.values))],
            }
            for one in series
        ],
    }


def _text(one: Series, place: int, write: Format) -> str:
    value = one.values[place]
    if value is None:
        return "–"
    low = one.low[place] if one.low else None
    high = one.high[place] if one.high else None
    if low is None or high is None:
        return write(value)
    return f"{write(value)} ({write(low)} to {write(high)})"
