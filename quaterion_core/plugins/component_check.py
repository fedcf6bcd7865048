"""Checks of registered components: importable, of the declared kind, and documented."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from quaterion_core.plugins.class_paths import import_target
from quaterion_core.plugins.component_registry import registry
from quaterion_core.plugins.errors import MissingComponentError, MissingReason
from quaterion_core.plugins.records import ComponentKind, ComponentRecord


@dataclass(frozen=True, slots=True)
class CheckedComponent:
    """Result of the check of one component.

    Attributes:
        record: The component.
        problem: The fault; empty if there is none.
        skipped: Why it was not checked, such as a missing extra; empty if it was.
    """

    record: ComponentRecord
    problem: str = ""
    skipped: str = ""


def check_components(records: Iterable[ComponentRecord]) -> Iterator[CheckedComponent]:
    """Import and check components one by one."""
    for record in records:
        try:
            cls = registry.load(record.kind, record.id)
        except MissingComponentError as error:
            missing = error.missing[0]
            if missing.reason is MissingReason.EXTRA_MISSING:
                yield CheckedComponent(record, skipped=missing.hint)
            else:
                yield CheckedComponent(record, problem=missing.hint)
            continue
        problem = interface_problem(record, cls) or docstring_problem(record, cls)
        yield CheckedComponent(record, problem)


def interface_problem(record: ComponentRecord, cls: type[Any]) -> str:
    """Return the fault of the interface of a component's class; empty if there is none."""
    base = import_target(record.kind.base)
    if issubclass(cls, base) if record.kind.is_class else isinstance(cls, base):
        return ""
    if not record.kind.is_class:
        return f"{record.target} is not a {base.__module__}.{base.__qualname__}, but {cls!r:.80}"
    return (
        f"{record.target} is not derived from {base.__module__}.{base.__qualname__}"
        f"{_declared_as_another_kind(cls)}"
    )


def docstring_problem(record: ComponentRecord, cls: type[Any]) -> str:
    """Return a message if the class of a component has no docstring; empty if it has one."""
    if not record.kind.is_class:
        has_help = bool(record.summary or getattr(cls, "help", None))
        return "" if has_help else f"{record.target} has neither a summary nor a help text"
    return "" if cls.__doc__ else f"{record.target} has no docstring"


def _declared_as_another_kind(cls: type[Any]) -> str:
    """Return a hint on the kind of component that a class is; empty if it is none."""
    for kind in ComponentKind:
        if kind.is_class and issubclass(cls, import_target(kind.base)):
            return f"; it is one of the {kind.plural}: declare it in {kind.hook}"
    return ""
