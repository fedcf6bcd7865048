"""Report of a benchmark: a table, and a last line of JSON for programs."""

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
        name: Name of the benchmark.
        rows: Rows of the table, each a mapping from column headings to cells. All rows have the
            same headings. Floats are printed with three significant digits.
        ratios: Measured values divided by their references; below 1 is better than the reference.
        figures: Other measured values; names end with the unit, as in ``load_ms``.
        packages: Distributions whose installed versions are reported.

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
