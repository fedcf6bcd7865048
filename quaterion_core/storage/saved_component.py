"""Loading a component of an untrusted folder by its own ``load``, or by ``load_from``."""

from __future__ import annotations

from collections.abc import Collection
from fnmatch import fnmatchcase
from typing import Any

from quaterion_core.storage.errors import InvalidFolderError
from quaterion_core.storage.saved_folder import SavedFolder, is_code_or_pickle


def load_component(cls: type[Any], folder: SavedFolder) -> Any:
    """Load a component from its part of a saved folder.

    A class that overrides ``load_from(folder)`` reads the opened folder itself. One that overrides
    ``load(path)`` alone gets the path of a private copy of the files, which exists until ``load``
    returns; the files are those that ``saved_files`` of the class names.

    Args:
        cls: An encoder or a head.
        folder: Its folder.

    Raises:
        InvalidFolderError: The folder holds a file that the class does not write.
    """
    own = next(c for c in cls.__mro__ if "load" in vars(c) or "load_from" in vars(c))
    if "load_from" in vars(own):
        return cls.load_from(folder)
    declared: Collection[str] | None = getattr(cls, "saved_files", None)
    for name in folder.files:
        if declared is None:
            is_allowed = not is_code_or_pickle(name)
        else:
            is_allowed = any(fnmatchcase(name, pattern) for pattern in declared)
        if not is_allowed:
            raise InvalidFolderError(
                f"{folder.path / name} is no file that {cls.__name__}.save() writes, or one that "
                "could run code when it is loaded. Remove it, or save the model again."
            )
    with folder.private_copy() as copy:
        return cls.load(str(copy))
