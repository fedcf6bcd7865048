"""The table of metrics that commands print."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table


def metrics_table(columns: Mapping[str, Mapping[str, float]]) -> Table:
    """Return a table with a row for each metric and a column for each set of values."""
    table = Table("metric", *columns, box=None, pad_edge=False)
    for name in next(iter(columns.values())):
        table.add_row(name, *(f"{values[name]:.4f}" for values in columns.values()))
    return table
