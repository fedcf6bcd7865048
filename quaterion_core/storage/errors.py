"""What can go wrong when something is written to disk or read back.

- :class:`StorageError`: the base of them all

  - :class:`OutputExistsError`: there is something where the output should go
  - :class:`NotSavableError`: an object cannot be described as data
  - :class:`InvalidFolderError`: what lies there is not, or no longer, what was saved

    - :class:`UnsupportedFormatError`: it was saved in a format that this version cannot read
"""

from __future__ import annotations


class StorageError(Exception):
    """The base of everything that saving and loading raise."""


class OutputExistsError(StorageError, FileExistsError):
    """There is something where the output should go; it was left as it is."""


class NotSavableError(StorageError, TypeError):
    """An object cannot be described as data; nothing was written."""


class InvalidFolderError(StorageError, ValueError):
    """A folder is incomplete, was changed after saving, or never was what it should be."""


class UnsupportedFormatError(InvalidFolderError):
    """A folder was saved in a format that this version cannot read."""
