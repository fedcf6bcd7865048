"""Import paths of classes, ``package.module:Class``."""

from __future__ import annotations

import importlib
import sys
from functools import reduce
from typing import Any


def import_target(target: str) -> type[Any]:
    """Import a class by its target.

    Raises:
        TypeError: The target is not a class.
        Exception: Whatever the import raises; an ``AttributeError`` if the module has no such
            class.

    Example:
        >>> import_target("collections.abc:Mapping")
        <class 'collections.abc.Mapping'>
    """
    found = import_object(target)
    if not isinstance(found, type):
        raise TypeError(f"{target} is not a class but {found!r:.80}")
    return found


def import_object(target: str) -> Any:
    """Import whatever is at a target.

    Raises:
        Exception: Whatever the import raises; an ``AttributeError`` if the module has no such
            attribute.
    """
    module, _, qualname = target.partition(":")
    return reduce(getattr, qualname.split("."), importlib.import_module(module))


def target_of(cls: type[Any]) -> str:
    """Return the target of a class: the module and the qualified name of its definition."""
    return f"{cls.__module__}:{cls.__qualname__}"


def names_class(target: str, cls: type[Any]) -> bool:
    """Whether a target refers to a class; nothing is imported.

    A target that is a re-export counts once its module is imported: before that, the class cannot
    have been obtained from there.
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
    """Whether an import failed because something outside of the target's package is missing."""
    if not isinstance(error, ImportError):
        return False
    return (error.name or "").partition(".")[0] != target.partition(".")[0]
