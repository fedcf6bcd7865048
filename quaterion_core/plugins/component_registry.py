"""The registry, which maps names of components to classes and back."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, Final

from quaterion_core.plugins import builtin
from quaterion_core.plugins.class_paths import import_object, import_target, names_class, target_of
from quaterion_core.plugins.discovery import discover, discover_distribution, warn_of_broken
from quaterion_core.plugins.errors import (
    AmbiguousNameError,
    MissingComponentError,
    RegistrationError,
)
from quaterion_core.plugins.former_ids import claimants
from quaterion_core.plugins.loading import examine_plugin
from quaterion_core.plugins.missing import Explanation, Situation, explain_import_failure
from quaterion_core.plugins.records import (
    CORE,
    LOCAL,
    ComponentKind,
    ComponentRecord,
    canonical_id,
    distribution_of,
    is_id,
    is_name,
    name_of,
)
from quaterion_core.plugins.reports import PluginReport, Provenance
from quaterion_core.version import __version__


class Registry:
    """Registry of components: core's, those of installed plugins, and classes of this process.

    A component has a canonical id, ``"distribution/name"``, and a short name. The short name of a
    core component always refers to it, whatever else is installed; any other short name is valid
    while it is unique. Classes registered in this process have ids in ``local/``. A component that
    was renamed or moved is also found by its former ids; see
    :class:`~quaterion_core.plugins.Component`.

    Core's names are resolved without any plugin. A canonical id loads the plugins of the
    distribution that it names, and no others. All plugins are discovered for short names that are
    not core's, for listings, for the id of a class, and for an id that its distribution does not
    declare. All methods are thread-safe. Every ``kind`` is a
    :class:`~quaterion_core.plugins.ComponentKind` or its value.

    Args:
        path: Directories of installed distributions; ``sys.path`` by default.

    Example:
        >>> registry = Registry()
        >>> registry.find("loss", "triplet").id
        'quaterion-core/triplet'
        >>> registry.find("loss", "quaterion-core/triplet").target
        'quaterion_core.loss.triplet_loss:TripletLoss'
    """

    __slots__ = (
        "_classes",
        "_core",
        "_discovering",
        "_discovery_lock",
        "_given",
        "_loaded",
        "_path",
        "_plugins",
        "_records",
        "_state_lock",
    )

    def __init__(self, path: Sequence[str] | None = None):
        self._path: Final = path
        self._core: Final = examine_plugin(builtin, Provenance(CORE, __version__, None))
        # Replaced as a whole when it changes, so that it is read without a lock.
        self._records: Mapping[tuple[ComponentKind, str], ComponentRecord] = {
            (record.kind, record.id): record for record in self._core.components
        }
        self._classes: Final[dict[tuple[ComponentKind, str], type[Any]]] = {}
        self._given: Final[ContextVar[Mapping[str, type[Any]]]] = ContextVar(
            "given", default=MappingProxyType({})
        )
        # The distributions whose plugins an id has loaded, and after discovery all of them.
        self._loaded: Final[dict[str, tuple[PluginReport, ...]]] = {}
        self._plugins: tuple[PluginReport, ...] | None = None
        self._discovering = False
        # Discovery imports modules, and so waits for the locks of imports. An import may register
        # a class and so wait for the registry. Two locks keep these from waiting for each other.
        self._discovery_lock: Final = threading.RLock()
        self._state_lock: Final = threading.Lock()

    def find(self, kind: ComponentKind | str, name: str) -> ComponentRecord:
        """Return the record of a component, without importing it.

        Args:
            kind: The kind of component.
            name: Its short name or its canonical id.

        Raises:
            MissingComponentError: There is no such component; the error gives the reason.
            AmbiguousNameError: Several plugins declare the short name.
        """
        return self.require([(kind, name)])[0]

    def load(self, kind: ComponentKind | str, name: str) -> type[Any]:
        """Import a component: its class, or a command itself.

        Raises:
            MissingComponentError: There is no such component, or importing it failed.
            AmbiguousNameError: Several plugins declare the short name.
        """
        record = self.find(kind, name)
        if record.distribution == LOCAL:
            given = self._given.get().get(record.id)
            return given if given is not None else self._classes[record.kind, record.id]
        try:
            return (import_target if record.kind.is_class else import_object)(record.target)
        except (Exception, SystemExit) as error:
            explanation = explain_import_failure(record, error)
            raise MissingComponentError([explanation.missing]) from error

    def require(
        self, names: Iterable[tuple[ComponentKind | str, str]], *, source: str | None = None
    ) -> list[ComponentRecord]:
        """Find several components, or report all that are missing at once.

        Args:
            names: Kinds and names, as for :meth:`find`.
            source: The file or other source of the names, for the error.

        Raises:
            MissingComponentError: Some components are missing; the error lists them.
            AmbiguousNameError: Several plugins declare a short name.
        """
        found: list[ComponentRecord] = []
        explanations: list[Explanation] = []
        for kind, name in names:
            kind = ComponentKind(kind)
            record = self._lookup(kind, name)
            if record is not None:
                found.append(record)
            else:
                reports, records = self.plugins(), self.components()
                situation = Situation(records, reports, self._path, source)
                explanations.append(situation.explain(kind, name))
        if explanations:
            cause = next((e.cause for e in explanations if e.cause is not None), None)
            raise MissingComponentError(e.missing for e in explanations) from cause
        return found

    def components(self, kind: ComponentKind | str | None = None) -> tuple[ComponentRecord, ...]:
        """Return all components, or all of one kind, sorted by kind and id."""
        self._discover()
        kinds = list(ComponentKind) if kind is None else [ComponentKind(kind)]
        chosen = [record for record in self._records.values() if record.kind in kinds]
        return tuple(sorted(chosen, key=lambda record: (kinds.index(record.kind), record.id)))

    def core_components(self, kind: ComponentKind | str) -> tuple[ComponentRecord, ...]:
        """Return core's components of a kind, sorted by id, without looking at plugins."""
        kind = ComponentKind(kind)
        chosen = [record for record in self._core.components if record.kind is kind]
        return tuple(sorted(chosen, key=lambda record: record.id))

    def plugins(self) -> tuple[PluginReport, ...]:
        """Return a report on every plugin: core itself, then all others by distribution."""
        self._discover()
        return (self._core, *(self._plugins or ()))

    def id_of(self, kind: ComponentKind | str, cls: type[Any]) -> str | None:
        """Return the canonical id of a class; ``None`` if it is not registered as that kind.

        Only the light modules of plugins are imported. Where several distributions register the
        class, core comes first, then the others by id, and classes of this process last.
        """
        kind = ComponentKind(kind)
        records: Iterable[ComponentRecord] = self._core.components
        if not any(r.kind is kind and names_class(r.target, cls) for r in records):
            self._discover()
            records = self._records.values()
        named = [r for r in records if r.kind is kind and names_class(r.target, cls)]
        named.sort(key=lambda record: (record.distribution == LOCAL, record.id))
        return named[0].id if named else None

    def register(self, kind: ComponentKind | str, name: str, cls: type[Any]) -> ComponentRecord:
        """Register a class of this process under the id ``local/<name>``.

        A class of the same module and qualified name may be registered again, as happens when a
        notebook's cell runs twice: the later one replaces the earlier.

        Raises:
            RegistrationError: The name is malformed or taken by another class, or ``cls`` is not a
                class.
        """
        kind = ComponentKind(kind)
        if not isinstance(name, str) or not is_name(name):
            raise RegistrationError(
                f"{name!r} cannot be the name of a {kind.value}: a name is lower-case words "
                f'joined by hyphens, as in @{kind.decorator}("my-{kind.value}").'
            )
        if not isinstance(cls, type):
            raise RegistrationError(
                f"Only a class can be registered as the {kind.value} {name!r}, but got {cls!r:.80}."
            )
        key = kind, canonical_id(LOCAL, name)
        record = ComponentRecord(kind, key[1], target_of(cls), None, LOCAL, None, None)
        with self._state_lock:
            present = self._records.get(key)
            if present is not None and present.target != record.target:
                raise RegistrationError(
                    f"The {kind.value} {record.id!r} is {present.target} already and cannot also "
                    f"be {record.target}. Choose another name for one of them."
                )
            self._classes[key] = cls
            self._records = {**self._records, key: record}
        return record

    @contextmanager
    def given(self, components: Mapping[str, type[Any]]) -> Iterator[None]:
        """Make classes available in this thread or task, inside a ``with`` statement.

        Args:
            components: Classes by id. They are found as any kind.

        Raises:
            RegistrationError: An id is not of the form ``local/<name>``, or a value is not a
                class.
        """
        for name, cls in components.items():
            if not (isinstance(name, str) and is_id(name) and name.startswith(f"{LOCAL}/")):
                raise RegistrationError(
                    f"A class can be given as '{LOCAL}/<name>', in lower-case words joined by "
                    f"hyphens, but not as {name!r}: what is not local is found by the registry."
                )
            if not isinstance(cls, type):
                raise RegistrationError(f"{name!r} has to be given as a class, not as {cls!r:.80}.")
        token = self._given.set({**self._given.get(), **components})
        try:
            yield
        finally:
            self._given.reset(token)

    def _lookup(self, kind: ComponentKind, name: str) -> ComponentRecord | None:
        if not isinstance(name, str):
            raise TypeError(f"The name of a {kind.value} is a string, but got {name!r:.80}.")
        given = self._given.get().get(name)
        if given is not None:
            return ComponentRecord(kind, name, target_of(given), None, LOCAL, None, None)
        for known in (canonical_id(CORE, name), name):
            if (kind, known) in self._records:
                return self._records[kind, known]
        named = self._by_id(kind, name) if is_id(name) else self._by_short_name(kind, name)
        if len(named) > 1:
            raise AmbiguousNameError(kind, name, [record.id for record in named])
        return named[0] if named else None

    def _by_id(self, kind: ComponentKind, name: str) -> list[ComponentRecord]:
        """Find a component by its id, or else those that had this id before."""
        self._load_distribution(distribution_of(name))
        if (kind, name) in self._records:
            return [self._records[kind, name]]
        moved_to_core = claimants(name, [r for r in self._core.components if r.kind is kind], ())
        return moved_to_core or claimants(name, self.components(kind), self.plugins())

    def _by_short_name(self, kind: ComponentKind, name: str) -> list[ComponentRecord]:
        """Find the components of a short name, or else those that had it before."""
        records = self.components(kind)
        former = {f for r in records for f in r.former_ids if name_of(f) == name}
        named = {r.id: r for f in former for r in claimants(f, records, self.plugins())}
        return [record for record in records if record.name == name] or list(named.values())

    def _load_distribution(self, distribution: str) -> None:
        """Load the plugins of one distribution, the first time that it is asked for."""
        if distribution in (CORE, LOCAL):
            return
        with self._discovery_lock:
            if self._discovering or self._plugins is not None or distribution in self._loaded:
                return
            with self._discovery():
                reports = discover_distribution(distribution, self._path)
            self._loaded[distribution] = reports
            self._add(reports)
        warn_of_broken(reports)

    def _discover(self) -> None:
        """Load the installed plugins, the first time that this is called."""
        if self._plugins is not None:
            return
        with self._discovery_lock:
            # A plugin that looks something up while it is loaded is answered from what is there.
            if self._discovering or self._plugins is not None:
                return
            with self._discovery():
                plugins = discover(self._core, self._loaded, self._path)
            self._add(plugins)
            self._plugins = plugins
        warn_of_broken(r for r in plugins if r.provenance.distribution not in self._loaded)

    @contextmanager
    def _discovery(self) -> Iterator[None]:
        """Note that plugins are being loaded."""
        self._discovering = True
        try:
            yield
        finally:
            self._discovering = False

    def _add(self, reports: Iterable[PluginReport]) -> None:
        """Make the components of plugins known, all at once."""
        found = [record for report in reports for record in report.components]
        with self._state_lock:
            self._records = {**self._records, **{(r.kind, r.id): r for r in found}}


registry: Final = Registry()
"""The registry of this process."""
