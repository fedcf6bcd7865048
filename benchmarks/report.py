"""How a benchmark tells its result: a table for people and, last, one line of JSON for programs."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version


def report(
    name: str,
    rows: Sequence[Mapping[str, object]],
    *,
    ratios: Mapping[str, float],
    figures: Mapping[str, float],
    packages: Iterable[str] = (),
) -> None:
    """Print a result.

    Args:
        name: The name of the benchmark.
        rows: The table, a mapping from the heading of a column to the cell for each row. All rows
            have the same headings. Numbers are printed with three significant digits.
        ratios: What was measured over what it is compared with; below 1 is better than that.
        figures: Other measured values, with the unit at the end of the name, as in ``load_ms``.
        packages: Installed distributions whose versions the result depends on.

    Example:
        >>> report(
        ...     "sums",
        ...     [{"what": "ours", "ms": 1.5}, {"what": "theirs", "ms": 3.0}],
        ...     ratios={"ours_over_theirs": 0.5},
        ...     figures={"ours_ms": 1.5},
        ... )
        what    ms
        ours    1.5
        theirs  3
        {"benchmark": "sums", "ratios": {"ours_over_theirs": 0.5}, "figures": ...}
    """
    lines = [list(rows[0]), *([_text(cell) for cell in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("  ".join(cells).rstrip())
    versions = {
        "python": platform.python_version(),
        **{package: version(package) for package in packages},
    }
    result = {"benchmark": name, "ratios": ratios, "figures": figures, "versions": versions}
    print(json.dumps(result))


def _text(cell: object) -> str:
    return f"{cell:.3g}" if isinstance(cell, float) else str(cell)
