"""Whether a registered component is what it says: importable, of its kind, and documented."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from quaterion_core.plugins import (
    ComponentKind,
    ComponentRecord,
    MissingComponentError,
    MissingReason,
    registry,
)
from quaterion_core.plugins.targets import import_target

BASES: Final = {
    ComponentKind.ENCODER: "quaterion_core.encoders.encoder:Encoder",
    ComponentKind.HEAD: "quaterion_core.heads.encoder_head:EncoderHead",
    ComponentKind.LOSS: "quaterion_core.loss.similarity_loss:SimilarityLoss",
    ComponentKind.METRIC: "quaterion_core.eval.base_metric:BaseMetric",
    ComponentKind.DATASET: "quaterion_core.dataset.split_dataset:SplitDataset",
}
"""The class that each kind of component derives from; imported only to check."""


@dataclass(frozen=True, slots=True)
class CheckedComponent:
    """What became of the check of one component.

    Attributes:
        record: The component.
        problem: What is wrong with it; empty if nothing is.
        skipped: Why it could not be checked: the extra that it needs is not installed. Empty if
            it was.
    """

    record: ComponentRecord
    problem: str = ""
    skipped: str = ""


def check_components(records: Iterable[ComponentRecord]) -> Iterator[CheckedComponent]:
    """Import components and check them, one after the other."""
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
        base = import_target(BASES[record.kind])
        if not issubclass(cls, base):
            problem = f"{record.target} is not derived from {base.__module__}.{base.__qualname__}"
        elif not cls.__doc__:
            problem = f"{record.target} has no docstring"
        else:
            problem = ""
        yield CheckedComponent(record, problem)
