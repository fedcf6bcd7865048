"""Errors of saving and loading.

- :class:`StorageError`: the base class

  - :class:`OutputExistsError`: something is already at the output path
  - :class:`NotWritableError`: the system refuses to write there, or the disk is full
  - :class:`NotSavableError`: an object cannot be described as data
  - :class:`InvalidFolderError`: a folder does not hold what was saved

    - :class:`UnsupportedFormatError`: it was saved in a format that this version cannot read
"""

from __future__ import annotations

import unicodedata
from typing import Final

_LONGEST_MESSAGE: Final = 4000
_UNPRINTABLE: Final = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def printable(text: str, *, longest: int = _LONGEST_MESSAGE) -> str:
    r"""Escape control characters and shorten very long text, for messages that quote a file.

    Line breaks stay. Everything else that a terminal could interpret, such as escape sequences
    and marks that change the direction of text, is written as an escape.

    Example:
        >>> printable("red: \x1b[31m")
        'red: \\x1b[31m'
    """
    if len(text) > longest:
        text = f"{text[:longest]} ..."
    return "".join(
        character.encode("unicode_escape").decode()
        if character != "\n" and unicodedata.category(character) in _UNPRINTABLE
        else character
        for character in text
    )


def is_panic(error: BaseException) -> bool:
    """Whether an error is a panic of a library that is written in Rust, such as ``tokenizers``.

    Such an error derives from ``BaseException``, so that ``except Exception`` misses it.
    """
    return type(error).__name__ == "PanicException"


class StorageError(Exception):
    """The base class of all errors of saving and loading."""

    def __init__(self, message: str = ""):
        super().__init__(printable(str(message)))


class OutputExistsError(StorageError, FileExistsError):
    """Something is already at the output path; it was not changed."""


class NotWritableError(StorageError, OSError):
    """The output cannot be written: no permission, no space, or no such device."""


class NotSavableError(StorageError, TypeError):
    """An object cannot be described as data; nothing was written."""


class InvalidFolderError(StorageError, ValueError):
    """A folder is incomplete, was changed after saving, or was not written by saving."""


class UnsupportedFormatError(InvalidFolderError):
    """A folder was saved in a format that this version cannot read."""
