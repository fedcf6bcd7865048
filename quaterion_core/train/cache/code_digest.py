"""Digests of code: what a class or function, and what it uses of its own package, compiles to."""

from __future__ import annotations

import functools
import hashlib
import sys
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any


def code_digest(cls: type, below: type, *functions: Any) -> str:
    """Return a digest of the code of a class, of functions, and of what they use.

    Functions, classes and constants are followed within the class's own top-level package.
    Comments, docstrings and line numbers have no influence.

    Args:
        cls: The class.
        below: A base class of it; this class and its bases are left out.
        *functions: Further functions.

    Example:
        >>> class Base: ...
        >>> class One(Base):
        ...     def size(self): return 1
        >>> class Two(Base):
        ...     def size(self): return 2
        >>> code_digest(One, Base) == code_digest(Two, Base)
        False
    """
    walk = _Walk(cls.__module__.partition(".")[0])
    for base in cls.__mro__[: cls.__mro__.index(below)]:
        walk.add_class(base)
    for function in functions:
        walk.add(function)
    return hashlib.sha256("\n".join(walk.found).encode("utf-8", "surrogatepass")).hexdigest()


class _Walk:
    """Collects code, each piece once.

    Args:
        package: The top-level package whose modules are followed.
    """

    def __init__(self, package: str):
        self.found: list[str] = []
        self._package = package
        self._seen: set[int] = set()

    def add(self, value: Any) -> None:
        """Add a function, a class, or a constant."""
        value = _unwrapped(value)
        if isinstance(value, (type(None), bool, int, float, complex, str, bytes)):
            self.found.append(repr(value))
        elif isinstance(value, (list, tuple)):
            self.found.append(type(value).__name__)
            for item in value:
                self.add(item)
        elif isinstance(value, type) and self._is_own(value.__module__):
            self.add_class(value)
        elif isinstance(value, FunctionType) and id(value) not in self._seen:
            self._seen.add(id(value))
            self._add_function(value)

    def add_class(self, cls: type) -> None:
        """Add what a class defines itself."""
        if id(cls) in self._seen:
            return
        self._seen.add(id(cls))
        self.found.append(cls.__qualname__)
        for name, value in sorted(vars(cls).items()):
            if name not in _IGNORED:
                self.found.append(name)
                self.add(value)

    def _add_function(self, function: FunctionType) -> None:
        self.found.append(_compiled(function.__code__))
        for default in (function.__defaults__ or (), *(function.__kwdefaults__ or {}).values()):
            self.add(default)
        for cell in function.__closure__ or ():
            try:
                self.add(cell.cell_contents)
            except ValueError:  # empty
                continue
        if not self._is_own(function.__module__):
            return
        names = sorted(set(_names(function.__code__)))
        for name in names:
            value = function.__globals__.get(name)
            if isinstance(value, ModuleType) and self._is_own(value.__name__):
                for attribute in names:
                    self.add(vars(value).get(attribute))
            elif name in function.__globals__:
                self.add(value)

    def _is_own(self, module: str | None) -> bool:
        return (module or "").partition(".")[0] == self._package


_IGNORED = {
    "__annotations__", "__dict__", "__doc__", "__firstlineno__", "__module__", "__qualname__",
    "__weakref__",
}  # fmt: skip


def _unwrapped(value: Any) -> Any:
    """Return the function inside a method, a property, a partial function or a decorator."""
    while True:
        inner: Any
        if isinstance(value, functools.partial):
            inner = value.func
        elif isinstance(value, property):
            inner = value.fget
        elif isinstance(value, functools.cached_property):
            inner = value.func
        else:
            inner = getattr(value, "__wrapped__", None) or getattr(value, "__func__", None)
        if inner is None:
            return value
        value = inner


def _compiled(code: CodeType) -> str:
    """Return instructions, names and constants, without docstrings and line numbers."""
    constants = [
        _compiled(constant)
        if isinstance(constant, CodeType)
        else str(sorted(map(repr, constant)))
        if isinstance(constant, frozenset)
        else repr(constant)
        for constant in code.co_consts[_has_docstring(code) :]
    ]
    return f"{code.co_name} {code.co_code.hex()} {code.co_names} {code.co_varnames} {constants}"


def _has_docstring(code: CodeType) -> bool:
    if sys.version_info >= (3, 14):
        return bool(code.co_flags & 0x4000000)
    return bool(code.co_consts) and isinstance(code.co_consts[0], str)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
