"""What is done about image files that are missing or broken."""

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
"""Whether a missing or broken image file stops the run, or is left out and counted."""

_MOST_NAMED: Final = 3
_AT_ONCE: Final = 4096  # so that what waits for a thread takes little memory


class ImageFiles:
    """Tells image files that can be read from others, as strictly as the user asks.

    - ``"raise"``: a missing file is an error here, a broken one when it is read, in training or
      evaluation. It costs a look at the file system for each file.
    - ``"skip"``: every file is read and decoded here, once, in threads on all cores: about what one
      pass of a training over the files costs. Those that cannot be read are left out; a warning
      counts them and names the first.

    Args:
        on_error: One of the two.

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
                "on_error is 'raise', so that a missing or broken image file stops the run, or "
                f"'skip', to leave such files out and count them, but got {on_error!r}."
            )
        self.on_error = on_error
        self.skipped: dict[str, str] = {}
        self._readable: set[Path] = set()

    def readable(self, paths: Iterable[Path], place: str) -> set[Path]:
        """Return the files that can be read.

        Args:
            paths: Image files.
            place: What names them, for messages.

        Raises:
            FileNotFoundError: Files are missing, which is not to be skipped.
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
    """Read files, and return why some cannot be."""
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
    """Say why an image file cannot be read, if it cannot."""
    try:
        read_image(path, channels=3)
    except (OSError, TypeError, ValueError) as error:
        return str(error)
    return None
