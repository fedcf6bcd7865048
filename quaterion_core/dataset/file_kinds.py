"""Kinds of data files, by their suffix."""

from __future__ import annotations

from pathlib import Path
from typing import Final

READERS: Final = {
    ".csv": "quaterion-core/csv",
    ".tsv": "quaterion-core/csv",
    ".xlsx": "quaterion-core/excel",
    ".json": "quaterion-core/jsonl",
    ".jsonl": "quaterion-core/jsonl",
    ".ndjson": "quaterion-core/jsonl",
    ".parquet": "quaterion-core/parquet",
}
"""Datasets that read files, by suffix of the file."""

IMAGES: Final = frozenset(
    {".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
)
"""Suffixes of images."""

_COMPRESSED: Final = (".gz", ".bz2", ".xz", ".zst")
"""Suffixes of compressed files, which follow that of the text file."""


def suffix_of(path: Path) -> str:
    """Return the suffix of a file in lower case, that of a compressed file without its last one.

    Example:
        >>> suffix_of(Path("faq.CSV.gz"))
        '.csv'
    """
    return next((s for s in reversed(path.suffixes) if s not in _COMPRESSED), "").lower()


def reader_of(path: Path) -> str:
    """Return the dataset that reads a table, by the suffix of its file.

    Raises:
        ValueError: No dataset reads files with this suffix.

    Example:
        >>> reader_of(Path("faq.csv.gz"))
        'quaterion-core/csv'
    """
    suffix = suffix_of(path)
    if suffix not in READERS:
        raise ValueError(
            f"Expected a file that ends with {', '.join(READERS)}, got {path.name!r}. Choose the "
            "dataset that reads it: {'name': ..., 'files': ...}."
        )
    return READERS[suffix]
