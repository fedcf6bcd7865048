"""Handling of missing and broken image files."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Final, Literal, TypeAlias

from rich.console import Console
from rich.progress import track

from quaterion_cv.images import read_image

OnError: TypeAlias = Literal["raise", "skip"]
"""Whether missing and broken image files are errors, or are left out and counted."""

_MOST_NAMED: Final = 3
_AT_ONCE: Final = 4096  # files per thread pool call, to limit the memory of its queue


class ImageFiles:
    """Check of image files, which raises an error or leaves out files.

    - ``"raise"``: a missing file is an error here, a broken one when it is read in training or
      evaluation. This costs a file system call per file.
    - ``"skip"``: every file is read and decoded here once, in threads on all cores, which takes
      about as long as one pass over the files in training. Unreadable files are left out; a warning
      counts them and lists the first ones.

    Args:
        on_error: ``"raise"`` or ``"skip"``.

    Raises:
        ValueError: ``on_error`` is neither.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> folder = Path(tempfile.mkdtemp())
        >>> Image.new("L", (8, 8)).save(folder / "good.png")
        >>> files = ImageFiles("skip")
        >>> with warnings.catch_warnings(record=True):
        ...     found = files.readable([folder / "good.png", folder / "lost.png"], "the example")
        >>> found == {folder / "good.png"}, list(files.skipped) == [str(folder / "lost.png")]
        (True, True)
    """

    def __init__(self, on_error: OnError):
        if on_error not in ("raise", "skip"):
            raise ValueError(
                "Expected on_error to be 'raise', to stop at a missing or broken image file, or "
                f"'skip', to leave out and count such files, got {on_error!r}."
            )
        self.on_error = on_error
        self.skipped: dict[str, str] = {}
        self._readable: set[Path] = set()

    def readable(self, paths: Iterable[Path], place: str) -> set[Path]:
        """Return the readable files.

        Args:
            paths: Image files.
            place: Where the paths are from, for messages.

        Raises:
            FileNotFoundError: Files are missing and are not to be skipped.
        """
        named = set(paths)
        unseen = sorted(path for path in named - self._readable if str(path) not in self.skipped)
        faults = _missing(unseen) if self.on_error == "raise" else _unreadable(unseen)
        if faults:
            listed = "; ".join(list(faults.values())[:_MOST_NAMED])
            others = len(faults) - _MOST_NAMED
            listed += f"; and {others:,} others" if others > 0 else ""
            count = f"{len(faults):,} of the {len(named):,} image files of {place}"
            if self.on_error == "raise":
                raise FileNotFoundError(
                    f"{count} are missing: {listed}. on_error='skip' leaves them out."
                )
            warnings.warn(f"{count} are left out: {listed}", stacklevel=2)
        self.skipped |= {str(path): reason for path, reason in faults.items()}
        self._readable.update(path for path in unseen if path not in faults)
        return named & self._readable


def _missing(paths: list[Path]) -> dict[Path, str]:
    return {path: str(path) for path in paths if not path.is_file()}


def _unreadable(paths: list[Path]) -> dict[Path, str]:
    """Read files, and return why some cannot be read."""
    if not paths:
        return {}
    parts = [paths[start : start + _AT_ONCE] for start in range(0, len(paths), _AT_ONCE)]
    with ThreadPoolExecutor() as threads:
        reasons = track(
            chain.from_iterable(threads.map(_fault, part) for part in parts),
            "Checking images",
            total=len(paths),
            console=Console(stderr=True),
            transient=True,
        )
        return {
            path: reason for path, reason in zip(paths, reasons, strict=True) if reason is not None
        }


def _fault(path: Path) -> str | None:
    """Return why an image file cannot be read, or None."""
    try:
        read_image(path, channels=3)
    except (OSError, TypeError, ValueError) as error:
        return str(error)
    return None
