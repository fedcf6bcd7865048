"""Explanations of missing components."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final, NamedTuple

from quaterion_core.plugins.class_paths import lacks_requirement
from quaterion_core.plugins.errors import MissingComponent, MissingReason
from quaterion_core.plugins.installed import find_distribution
from quaterion_core.plugins.loading import describe
from quaterion_core.plugins.nearest import nearest, suggestion
from quaterion_core.plugins.records import (
    CORE,
    LOCAL,
    ComponentKind,
    ComponentRecord,
    canonical_id,
    is_id,
    is_name,
)
from quaterion_core.plugins.reports import PluginReport, PluginStatus

KNOWN_PACKAGES: Final = {"quaterion-nlp": "text", "quaterion-cv": "images"}
"""The only packages that an error recommends to install, and what they are for.

Any other name in a file may belong to anyone, and an attacker who wrote the file would want its
reader to install it.
"""

_READERS: Final = {
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "jsonl",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
"""The datasets that read files, by suffix."""

_PRETRAINED: Final = {
    ComponentKind.ENCODER: (
        "{{'name': 'quaterion-nlp/sentence-transformer', 'model': {0!r}}} for text and by "
        "{{'name': 'quaterion-cv/timm', 'model': {0!r}}} for images"
    ),
}

_REASONS: Final = {
    PluginStatus.DISABLED: MissingReason.DISABLED,
    PluginStatus.WRONG_API: MissingReason.WRONG_API,
    PluginStatus.FAILED: MissingReason.FAILED,
}


class Explanation(NamedTuple):
    """Why a component is missing, and the exception that made it so, if there was one."""

    missing: MissingComponent
    cause: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Situation:
    """Context of a missing component.

    Attributes:
        records: All components there are.
        reports: What became of each plugin.
        path: Where installed distributions are looked for; ``None`` stands for ``sys.path``.
        source: The file, or other place, that names the component; ``None`` for the program.
    """

    records: Sequence[ComponentRecord]
    reports: Sequence[PluginReport]
    path: Sequence[str] | None
    source: str | None

    def explain(self, kind: ComponentKind, name: str) -> Explanation:
        """Explain why there is no component of a kind with a short name or canonical id."""
        if is_id(name):
            return self._explain_id(kind, name)
        if not is_name(name):
            hint = self._nearest(kind, name.rpartition("/")[2]) or self._other_form(kind, name)
            return _no_such_name(kind, name, hint)
        return _no_such_name(kind, name, self._nearest(kind, name) or self._whereabouts(kind))

    def _explain_id(self, kind: ComponentKind, name: str) -> Explanation:
        distribution, _, local_name = name.partition("/")
        if distribution == LOCAL:
            hint = (
                "a class of your own has to be registered first: import the module that has "
                f'@{kind.decorator}("{local_name}"), or give the class as '
                f"components={{{name!r}: ...}} where that argument is offered"
            )
            return _no_such_name(kind, name, hint)
        reports = [r for r in self.reports if r.provenance.distribution == distribution]
        for report in reports:
            if report.status in _REASONS:
                missing = MissingComponent(kind, name, _REASONS[report.status], _left_out(report))
                return Explanation(missing, report.cause)
        if reports or distribution == CORE:
            hint = self._nearest(kind, name) or f"{distribution} has no such {kind.value}"
            return _no_such_name(kind, name, hint)
        if find_distribution(distribution, self.path) is not None:
            hint = f"the package {distribution!r} is installed, but has no plugin for Quaterion"
            if kind in _PRETRAINED and self.source is None:
                hint = f"{hint}; {self._other_form(kind, name)}"
            return _no_such_name(kind, name, hint)
        hint = self._advice(distribution)
        if kind in _PRETRAINED and distribution not in KNOWN_PACKAGES and self.source is None:
            hint = f"{hint}; {self._other_form(kind, name)}"
        return Explanation(MissingComponent(kind, name, MissingReason.NOT_INSTALLED, hint))

    def _advice(self, distribution: str) -> str:
        """Return how to obtain a distribution that is not installed."""
        if distribution in KNOWN_PACKAGES:
            return f"pip install {distribution}"
        named = f"{self.source} names the package" if self.source else "it belongs to the package"
        return (
            f"{named} {distribution!r}, which is not installed; "
            "install it only if you trust its source"
        )

    def _nearest(self, kind: ComponentKind, name: str) -> str:
        """Return a suggestion; empty if no name is near."""
        others = [r for r in self.records if name in (r.id, r.name) and r.kind is not kind]
        if others:
            noun = others[0].kind.noun
            return f"{others[0].id!r} is {'an' if noun[0] in 'aeiou' else 'a'} {noun}"
        records = [r for r in self.records if r.kind is kind]
        local_name = name.rpartition("/")[2]
        namesakes = [r.id for r in records if r.name == local_name]
        if namesakes or not is_id(name):
            return suggestion(namesakes or nearest(name, [r.name for r in records]))
        distribution = name.partition("/")[0]
        names = [r.name for r in records if r.distribution == distribution]
        return suggestion(canonical_id(distribution, near) for near in nearest(local_name, names))

    def _other_form(self, kind: ComponentKind, name: str) -> str:
        """Return what to write for what is no name: a file, or a pretrained model."""
        suffix = PurePath(name).suffix.lower()
        if suffix in _READERS:
            reader = f"{{'name': {_READERS[suffix]!r}, 'files': {{'train': {name!r}}}, ...}}"
            return f"it looks like a file; a dataset that reads it is {reader}"
        pretrained = _PRETRAINED.get(kind)
        if pretrained:
            return f"a pretrained model is chosen by {pretrained.format(name)}"
        return "a name is lower-case words joined by hyphens, or 'distribution/name'"

    def _whereabouts(self, kind: ComponentKind) -> str:
        """Return the available names, and where others may come from."""
        names = sorted({record.name for record in self.records if record.kind is kind})
        listed = textwrap.shorten(", ".join(names), width=300, placeholder=" ...")
        hints = [f"the {kind.plural} are {listed}" if names else f"there are no {kind.plural}"]
        hints += [_left_out(report) for report in self.reports if report.status in _REASONS]
        hints += [
            f"more for {purpose}: pip install {package}"
            for package, purpose in KNOWN_PACKAGES.items()
            if find_distribution(package, self.path) is None
        ]
        return "; ".join(hints)


def explain_import_failure(record: ComponentRecord, error: BaseException) -> Explanation:
    """Explain why the class of a registered component cannot be imported."""
    failure = f"importing {record.target} failed with {describe(error)}"
    if record.extra is None or not lacks_requirement(error, record.target):
        missing = MissingComponent(record.kind, record.id, MissingReason.FAILED, failure)
        return Explanation(missing, error)
    if record.distribution in (CORE, *KNOWN_PACKAGES):
        hint = f'pip install "{record.distribution}[{record.extra}]"'
    else:
        hint = f"it needs the extra {record.extra!r} of the package {record.distribution!r}"
    reason = MissingReason.EXTRA_MISSING
    return Explanation(
        MissingComponent(record.kind, record.id, reason, f"{hint} ({failure})"), error
    )


def _left_out(report: PluginReport) -> str:
    return f"the plugin {report.provenance} is left out: {report.reason}"


def _no_such_name(kind: ComponentKind, name: str, hint: str) -> Explanation:
    return Explanation(MissingComponent(kind, name, MissingReason.NO_SUCH_NAME, hint))
