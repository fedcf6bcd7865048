"""Former ids: by which a component that was renamed or moved is still found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from quaterion_core.plugins.records import CORE, ComponentRecord, distribution_of
from quaterion_core.plugins.reports import PluginReport, PluginStatus

_IN_USE: Final = (PluginStatus.OK, PluginStatus.EMPTY)


def refusal(record: ComponentRecord, former: str, reports: Iterable[PluginReport]) -> str:
    """Return the reason why a component is not found by a former id; empty if it is.

    The owner of an id is the distribution that it names. What the owner declares itself is never
    taken over. Neither is an id of an owner that is installed but not in use, since nobody knows
    what it would declare.

    Args:
        record: The component.
        former: One of its former ids.
        reports: What became of all plugins.
    """
    owner = distribution_of(former)
    if record.distribution in (owner, CORE):
        return ""
    for report in reports:
        if report.provenance.distribution == owner:
            if report.status not in _IN_USE:
                return f"the package {owner!r} is installed, but not in use"
            if any(r.kind is record.kind and r.id == former for r in report.components):
                return f"the package {owner!r} declares it"
    return ""


def claimants(
    former: str, records: Iterable[ComponentRecord], reports: Sequence[PluginReport]
) -> list[ComponentRecord]:
    """Return the components that had an id before; mostly none or one.

    What moved to core is for core to say: its components come before those of all others.

    Args:
        former: An id that no component has now.
        records: All components of one kind.
        reports: What became of all plugins.
    """
    named = [record for record in records if former in record.former_ids]
    cores = [record for record in named if record.distribution == CORE]
    return cores or [record for record in named if not refusal(record, former, reports)]
