"""Objects that could not be embedded, and were left out."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from quaterion_core.utils.counted import counted

OnError = Literal["raise", "skip"] | Callable[["Skipped"], object]
"""What is done about an object that cannot be embedded."""

_SHOWN: Final = 5
_LONGEST: Final = 500


@dataclass(frozen=True, slots=True)
class Skipped:
    """An object that was left out.

    Attributes:
        position: Its position among the objects, from 0.
        name: The object, if it is a path or a short text; otherwise its beginning or its type.
        reason: Why it could not be embedded.
    """

    position: int
    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.position}: {self.name}: {self.reason}"


class SkippedWarning(UserWarning):
    """Objects were left out.

    Attributes:
        skipped: Which ones.
    """

    def __init__(self, skipped: Sequence[Skipped]):
        self.skipped = list(skipped)
        lines = [f"\n  {one}" for one in self.skipped[:_SHOWN]]
        if len(self.skipped) > _SHOWN:
            lines.append(f"\n  and {len(self.skipped) - _SHOWN:,} more")
        super().__init__(
            f"{counted(len(self.skipped), 'object')} could not be embedded, and got no row:"
            + "".join(lines)
        )


class SkipCollector:
    """What is done about objects that cannot be embedded.

    Args:
        on_error: ``"raise"``, ``"skip"``, or a function that is called with each of them.

    Raises:
        ValueError: It is something else.
    """

    def __init__(self, on_error: OnError):
        if on_error not in ("raise", "skip") and not callable(on_error):
            raise ValueError(
                f'Expected on_error to be "raise", "skip" or a function, got {on_error!r:.80}.'
            )
        self._on_error = on_error
        self._unreported: list[Skipped] = []

    @property
    def skips(self) -> bool:
        """Whether such objects are left out."""
        return self._on_error != "raise"

    def add(self, position: int, given: Any, error: Exception) -> Skipped:
        """Leave out an object."""
        reason = " ".join((str(error) or type(error).__name__).split())[:_LONGEST]
        skipped = Skipped(position, name_of(given), as_unicode(reason))
        if callable(self._on_error):
            self._on_error(skipped)
        else:
            self._unreported.append(skipped)
        return skipped

    def warn(self) -> None:
        """Warn of the objects that were left out, unless they were handed to a function."""
        if self._unreported:
            warnings.warn(SkippedWarning(self._unreported), stacklevel=3)


def name_of(given: Any) -> str:
    """Return the name of an object for messages.

    Example:
        >>> name_of("a text"), name_of(None), name_of([1.0])
        ("'a text'", 'None', 'a list')
    """
    if isinstance(given, os.PathLike):
        return as_unicode(os.fsdecode(given))
    if given is None or isinstance(given, (str, bytes, int, float)):
        return f"{given!r:.80}"
    filename = getattr(given, "filename", None)  # an image that was opened
    if isinstance(filename, str) and filename:
        return as_unicode(filename)
    name = type(given).__name__
    return f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"


def as_unicode(text: str) -> str:
    """Return a text with what is not Unicode, such as in names of files, as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()
