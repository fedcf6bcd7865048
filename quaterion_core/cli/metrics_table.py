"""The tables of metrics that commands print."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from quaterion_core.eval.statistics import Interval
    from quaterion_core.recipe.evaluate import EvaluationResult
    from quaterion_core.recipe.slices import Slice


def table_console() -> Console:
    """Return a console that is as wide as the terminal; in files and pipes, 160 columns."""
    return Console(width=None if sys.stdout.isatty() else 160)


def metrics_table(
    columns: Mapping[str, Mapping[str, float]], intervals: Mapping[str, Interval | None]
) -> Table:
    """Return a table of metrics: each set of values, and the interval of the last."""
    table = Table("metric", *columns, "95 % interval", box=None, pad_edge=False)
    for name in next(iter(columns.values())):
        cells = (f"{values[name]:.4f}" for values in columns.values())
        table.add_row(name, *cells, _shown(intervals.get(name)))
    return table


def results_table(result: EvaluationResult) -> Table:
    """Return a table with a row for each metric: value, interval, and number of queries."""
    table = Table("metric", "value", "95 % interval", "queries", box=None, pad_edge=False)
    for name, value in result.metrics.items():
        interval = result.intervals.get(name)
        table.add_row(name, f"{value:.4f}", _shown(interval), f"{result.queries:,}")
    return table


def slices_table(by: str, slices: Sequence[Slice]) -> Table:
    """Return a table with a row for each part of the queries and a column for each metric."""
    names = list(slices[0].metrics)
    table = Table(by, "queries", *names, box=None, pad_edge=False)
    for part in slices:
        cells = (f"{part.metrics[name]:.4f} ({_shown(part.intervals[name])})" for name in names)
        table.add_row(part.value, f"{part.queries:,}", *cells)
    return table


def _shown(interval: Interval | None) -> str:
    return "" if interval is None else f"{interval.low:.4f} to {interval.high:.4f}"
