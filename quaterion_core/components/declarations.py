"""The arguments of a component, read from its source without importing it."""

from __future__ import annotations

import ast
import builtins
import importlib
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from quaterion_core.components.arguments import Argument, resolve_annotation

_LIGHT: Final = frozenset(
    {"annotated_types", "collections", "enum", "numbers", "pathlib", "typing", "typing_extensions"}
)
"""Modules that are imported to resolve annotations."""

_CONSTRAINTS: Final = frozenset({"Ge", "Gt", "Le", "Lt", "MaxLen", "MinLen"})

_KEEP_SIGNATURE: Final = frozenset({"classmethod", "staticmethod", "_defaults_from_env_vars"})
"""Decorators that keep the signature of a method; the last one is of Lightning's trainer."""

_NO_CONSTRUCTOR: Final = frozenset({"ABC", "Generic", "Protocol", "object"})
_MOST_STEPS: Final = 50
"""Maximum number of imports and base classes to follow."""

_Function = ast.FunctionDef
_NOT_FOUND: Final = object()


def declared_arguments(target: str) -> dict[str, Argument] | None:
    """Return the arguments of a class as its source declares them, without importing it.

    They are the same as those of :func:`~quaterion_core.components.arguments_of`, except that an
    annotation is ``Any`` where it cannot be resolved without an import.

    Args:
        target: The class, as ``"package.module:Class"``.

    Returns:
        The arguments by name; ``None`` if they cannot be told from the source: it is not found,
        the constructor is generated or decorated, or a base class is computed.

    Example:
        >>> declared_arguments("quaterion_core.loss.triplet_loss:TripletLoss")["margin"].annotation
        typing.Annotated[float, Ge(ge=0)]
        >>> declared_arguments("no_such_package:Loss") is None
        True
    """
    module, _, name = target.partition(":")
    try:
        found = _class(module, name)
        if found is None:
            return None
        from_data = _method(found, ("from_data",))
        if from_data is not None and from_data.node.args.kwarg is None:
            own = _arguments(from_data)
            own.pop("objects", None)
            if own:
                return own
        constructor = _method(found, ("__new__", "__init__"))
        return {} if constructor is None else _arguments(constructor)
    except (_UnclearError, SyntaxError, OSError, ValueError, RecursionError):
        return None


class _UnclearError(Exception):
    """The source does not tell what a constructor takes."""


@dataclass(frozen=True)
class _Module:
    """The source of a module, and of its stub if there is one."""

    name: str
    is_package: bool
    body: tuple[ast.stmt, ...]

    def find(self, name: str) -> ast.stmt | None:
        """Return the last statement at the top level that binds a name."""
        for statement in reversed(self.body):
            if name in _bound(statement):
                return statement
        return None

    def starred(self) -> Iterator[str]:
        """Yield the modules from which all names are imported."""
        for statement in self.body:
            if isinstance(statement, ast.ImportFrom) and statement.names[0].name == "*":
                yield self.absolute(statement)

    def absolute(self, statement: ast.ImportFrom) -> str:
        """Return the module that a statement imports from."""
        if not statement.level:
            return statement.module or ""
        parts = self.name.split(".")
        kept = parts[: len(parts) - statement.level + self.is_package]
        return ".".join([*kept, *([statement.module] if statement.module else [])])


@dataclass(frozen=True)
class _Class:
    module: _Module
    node: ast.ClassDef


@dataclass(frozen=True)
class _Method:
    module: _Module
    node: _Function
    is_static: bool


def _bound(statement: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement binds."""
    match statement:
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
            yield name
        case ast.ImportFrom(names=names) | ast.Import(names=names):
            yield from (alias.asname or alias.name for alias in names)
        case ast.Assign(targets=targets):
            yield from (target.id for target in targets if isinstance(target, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield name


@lru_cache(maxsize=256)
def _module(name: str) -> _Module | None:
    """Read a module; of the packages above it, none is imported."""
    top, *rest = name.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None:
        return None
    if not rest and spec.origin and spec.submodule_search_locations is None:
        return _read(name, Path(spec.origin), is_package=False)
    for location in spec.submodule_search_locations or ():
        path = Path(location, *rest)
        if (path / "__init__.py").is_file():
            return _read(name, path / "__init__.py", is_package=True)
        if rest and path.with_suffix(".py").is_file():
            return _read(name, path.with_suffix(".py"), is_package=False)
    return None


def _read(name: str, path: Path, *, is_package: bool) -> _Module | None:
    if path.suffix != ".py":
        return None
    body = ast.parse(path.read_bytes()).body
    stub = path.with_suffix(".pyi")
    if stub.is_file():  # of a package that imports its names on first use
        body = [*ast.parse(stub.read_bytes()).body, *body]
    return _Module(name, is_package, tuple(body))


def _class(module_name: str, name: str, steps: int = 0) -> _Class | None:
    """Find a class, through imports from one module into another."""
    module = _module(module_name)
    statement = module.find(name) if module is not None and steps < _MOST_STEPS else None
    if isinstance(statement, ast.ClassDef):
        assert module is not None
        return _Class(module, statement)
    if isinstance(statement, ast.ImportFrom):
        assert module is not None
        original = next(a.name for a in statement.names if (a.asname or a.name) == name)
        return _class(module.absolute(statement), original, steps + 1)
    if module is not None and statement is None:
        for source in module.starred():
            if (found := _class(source, name, steps + 1)) is not None:
                return found
    return None


def _method(cls: _Class, names: tuple[str, ...], steps: int = 0) -> _Method | None:
    """Return the first of some methods that a class or a class above it defines.

    Raises:
        _UnclearError: It is decorated or generated, a base class is not found, or several base
            classes define different ones.
    """
    node = cls.node
    if node.decorator_list or steps > _MOST_STEPS:
        raise _UnclearError
    if any(keyword.arg == "metaclass" for keyword in node.keywords):
        raise _UnclearError
    own = {item.name: item for item in node.body if isinstance(item, _Function)}
    for name in names:
        if name in own:
            decorators = [ast.unparse(decorator) for decorator in own[name].decorator_list]
            if not _KEEP_SIGNATURE.issuperset(decorators):
                raise _UnclearError
            return _Method(cls.module, own[name], "staticmethod" in decorators)
    found: list[_Method] = []
    for base in node.bases:
        if isinstance(base, ast.Subscript):
            base = base.value
        if not isinstance(base, (ast.Name, ast.Attribute)):
            raise _UnclearError
        parent = _parent(cls.module, base)
        if parent is None:
            continue
        method = _method(parent, names, steps + 1)
        if method is not None and method not in found:
            found.append(method)
    if len(found) > 1:
        raise _UnclearError
    return found[0] if found else None


def _parent(module: _Module, base: ast.Name | ast.Attribute) -> _Class | None:
    """Return a base class; ``None`` for one without a constructor of its own."""
    if isinstance(base, ast.Name):
        found = _class(module.name, base.id)
        if found is None and base.id in _NO_CONSTRUCTOR:
            return None
    else:
        found = _of_attribute(module, base)
    if found is None or found.node.name in _NO_CONSTRUCTOR:
        if found is not None:
            return None
        raise _UnclearError
    return found


def _of_attribute(module: _Module, base: ast.Attribute) -> _Class | None:
    """Return the class that ``package.Class`` or ``alias.Class`` names."""
    if not isinstance(base.value, ast.Name):
        return None
    statement = module.find(base.value.id)
    for alias in getattr(statement, "names", ()):
        if (alias.asname or alias.name) == base.value.id:
            if isinstance(statement, ast.ImportFrom):
                return _class(f"{module.absolute(statement)}.{alias.name}", base.attr)
            return _class(alias.name, base.attr)
    return None


def _arguments(method: _Method) -> dict[str, Argument]:
    """Return the arguments of a method without ``self`` or ``cls``."""
    given = method.node.args
    names = _Names(method.module)
    positional = [*given.posonlyargs, *given.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(given.defaults))
    listed = list(zip(positional, [*defaults, *given.defaults], strict=True))
    listed = listed if method.is_static else listed[1:]
    listed += zip(given.kwonlyargs, given.kw_defaults, strict=True)
    return {
        argument.arg: (
            Argument(argument.arg, names.annotation(argument.annotation))
            if default is None
            else Argument(argument.arg, names.annotation(argument.annotation), None)
        )
        for argument, default in listed
    }


class _Tensor:
    """Stands for a tensor, which no value of a recipe is."""


class _Names(dict[str, Any]):
    """The names of a module that annotations use; ``Any`` for those that need an import."""

    def __init__(self, module: _Module):
        super().__init__()
        self._module = module
        self._pending: set[str] = set()

    def annotation(self, node: ast.expr | None) -> Any:
        """Return the type that an annotation states, or ``Any``."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node = ast.parse(node.value, mode="eval").body
        if node is None or any(map(_needs_import, ast.walk(node))):
            return Any
        return resolve_annotation(ast.unparse(node), self)

    def __missing__(self, name: str) -> Any:
        if name in self._pending:  # a type that refers to itself
            return Any
        self._pending.add(name)
        try:
            found = self._found(name)
        finally:
            self._pending.discard(name)
        self[name] = getattr(builtins, name, Any) if found is _NOT_FOUND else found
        return self[name]

    def _found(self, name: str) -> Any:
        statement = self._module.find(name)
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            return self._imported(statement, name)
        if isinstance(statement, (ast.Assign, ast.AnnAssign)):
            return self.annotation(statement.value)
        return _NOT_FOUND if statement is None else Any

    def _imported(self, statement: ast.Import | ast.ImportFrom, name: str) -> Any:
        alias = next(a for a in statement.names if (a.asname or a.name) == name)
        if isinstance(statement, ast.Import):
            light = alias.name in _LIGHT
            return importlib.import_module(alias.name) if light else Any
        source = self._module.absolute(statement)
        if source.partition(".")[0] in _LIGHT:
            return getattr(importlib.import_module(source), alias.name, Any)
        if (source, alias.name) == ("torch", "Tensor"):
            return _Tensor
        module = _module(source)
        return Any if module is None else _Names(module)[alias.name]


def _needs_import(node: ast.AST) -> bool:
    """Whether a part of an annotation is a call, or a choice among values with names."""
    if isinstance(node, ast.Call):
        return ast.unparse(node.func).rpartition(".")[2] not in _CONSTRAINTS
    return (
        isinstance(node, ast.Subscript)
        and ast.unparse(node.value).rpartition(".")[2] == "Literal"
        and any(isinstance(inner, (ast.Name, ast.Attribute)) for inner in ast.walk(node.slice))
    )
