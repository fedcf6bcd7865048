"""From a target, ``package.module:Class``, to the class."""

from __future__ import annotations

import importlib
import sys
from functools import reduce
from typing import Any


def import_target(target: str) -> type[Any]:
    """Import the class that a target names.

    Raises:
        TypeError: What is there is not a class.
        Exception: Whatever the import raises; an ``AttributeError`` if the module has no such
            class.

    Example:
        >>> import_target("collections.abc:Mapping")
        <class 'collections.abc.Mapping'>
    """
    module, _, qualname = target.partition(":")
    found: Any = reduce(getattr, qualname.split("."), importlib.import_module(module))
    if not isinstance(found, type):
        raise TypeError(f"{target} is not a class but {found!r:.80}")
    return found


def target_of(cls: type[Any]) -> str:
    """Return the target that names a class by the place where it was defined."""
    return f"{cls.__module__}:{cls.__qualname__}"


def names_class(target: str, cls: type[Any]) -> bool:
    """Whether a target names a class; nothing is imported to find out.

    A target that goes by way of a re-export counts once its module is imported, and before that
    the class cannot have come from there.
    """
    if target == target_of(cls):
        return True
    module, _, qualname = target.partition(":")
    found: Any = sys.modules.get(module)
    for name in qualname.split("."):
        # What is there already: a module that loads its names lazily is not made to load them.
        found = getattr(found, "__dict__", {}).get(name)
    return found is cls


def lacks_requirement(error: BaseException, target: str) -> bool:
    """Whether an import failed for want of something outside of the target's own package."""
    if not isinstance(error, ImportError):
        return False
    return (error.name or "").partition(".")[0] != target.partition(".")[0]
