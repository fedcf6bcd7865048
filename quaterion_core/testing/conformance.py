"""All conformance checks of a distribution: its plugin and each of its components."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from quaterion_core.components import build_component
from quaterion_core.dataset.batch_samplers import build_batch_sampler
from quaterion_core.plugins import ComponentKind, ComponentRecord, registry
from quaterion_core.plugins.nearest import unknown_name
from quaterion_core.testing.augmentation_checks import AUGMENTATION_CHECKS, AugmentationSubject
from quaterion_core.testing.batch_sampler_checks import BATCH_SAMPLER_CHECKS, BatchSamplerSubject
from quaterion_core.testing.callback_checks import CALLBACK_CHECKS, CallbackSubject
from quaterion_core.testing.checks import Check, CheckError, Checks, run_check
from quaterion_core.testing.command_checks import COMMAND_CHECKS, CommandSubject
from quaterion_core.testing.dataset_checks import DATASET_CHECKS, DatasetSubject
from quaterion_core.testing.encoder_checks import ENCODER_CHECKS, EncoderSubject
from quaterion_core.testing.head_checks import HEAD_CHECKS, HeadSubject
from quaterion_core.testing.logger_checks import (
    LOGGER_CHECKS,
    LoggerSubject,
    build_temporary_logger,
)
from quaterion_core.testing.loss_checks import LOSS_CHECKS, LossSubject
from quaterion_core.testing.metric_checks import METRIC_CHECKS, MetricSubject
from quaterion_core.testing.optimizer_checks import OPTIMIZER_CHECKS, OptimizerSubject
from quaterion_core.testing.plugin_checks import PLUGIN_CHECKS, PluginSubject
from quaterion_core.testing.report import CheckResult
from quaterion_core.testing.schedule_checks import SCHEDULE_CHECKS, ScheduleSubject
from quaterion_core.testing.store_checks import (
    STORE_CHECKS,
    StoreSubject,
    build_temporary_store,
)
from quaterion_core.testing.subject import Example, Subject
from quaterion_core.train.optimizers import choose_optimizer
from quaterion_core.train.schedules import build_schedule
from quaterion_core.train.trainer_components import build_callback

Examples: TypeAlias = Mapping[str, Example | Sequence[Example]]
"""One or more examples per component, keyed by its short name; each example is tested in turn.

Where components of two kinds share a name, the keys are ``"dataset:csv"`` and ``"logger:csv"``.
"""

ExpectedFailures: TypeAlias = Mapping[str, Mapping[str, str]]
"""Reasons as ``{component: {check: reason}}``, where the component is given by its short name.

Checks of the plugin as a whole are listed under the name of the distribution.
"""

CHECKS: Final[dict[ComponentKind, Checks[Any]]] = {
    ComponentKind.ENCODER: ENCODER_CHECKS,
    ComponentKind.HEAD: HEAD_CHECKS,
    ComponentKind.LOSS: LOSS_CHECKS,
    ComponentKind.METRIC: METRIC_CHECKS,
    ComponentKind.DATASET: DATASET_CHECKS,
    ComponentKind.OPTIMIZER: OPTIMIZER_CHECKS,
    ComponentKind.SCHEDULE: SCHEDULE_CHECKS,
    ComponentKind.BATCH_SAMPLER: BATCH_SAMPLER_CHECKS,
    ComponentKind.CALLBACK: CALLBACK_CHECKS,
    ComponentKind.LOGGER: LOGGER_CHECKS,
    ComponentKind.AUGMENTATION: AUGMENTATION_CHECKS,
    ComponentKind.STORE: STORE_CHECKS,
    ComponentKind.COMMAND: COMMAND_CHECKS,
}
"""Checks for each kind of component."""

_SUBJECTS: Final[dict[ComponentKind, type[Subject[Any]]]] = {
    ComponentKind.ENCODER: EncoderSubject,
    ComponentKind.HEAD: HeadSubject,
    ComponentKind.LOSS: LossSubject,
    ComponentKind.METRIC: MetricSubject,
    ComponentKind.DATASET: DatasetSubject,
    ComponentKind.OPTIMIZER: OptimizerSubject,
    ComponentKind.SCHEDULE: ScheduleSubject,
    ComponentKind.BATCH_SAMPLER: BatchSamplerSubject,
    ComponentKind.CALLBACK: CallbackSubject,
    ComponentKind.LOGGER: LoggerSubject,
    ComponentKind.AUGMENTATION: AugmentationSubject,
    ComponentKind.STORE: StoreSubject,
    ComponentKind.COMMAND: CommandSubject,
}
_PROVIDED: Final[dict[ComponentKind, dict[str, Callable[[], int]]]] = {
    ComponentKind.HEAD: {"input_embedding_size": lambda: 8},
    ComponentKind.LOSS: {"embedding_size": lambda: 8, "num_groups": lambda: 8},
}
"""Arguments that a training run provides to components that accept them."""


def _command(choice: Any) -> Any:
    return registry.load(ComponentKind.COMMAND, choice["name"])


_BUILD: Final[dict[ComponentKind, Callable[[object], Any]]] = {
    ComponentKind.OPTIMIZER: choose_optimizer,
    ComponentKind.SCHEDULE: build_schedule,
    ComponentKind.BATCH_SAMPLER: build_batch_sampler,
    ComponentKind.CALLBACK: build_callback,
    ComponentKind.LOGGER: build_temporary_logger,
    ComponentKind.STORE: build_temporary_store,
    ComponentKind.COMMAND: _command,
}
"""How a training run builds what has no configuration of its own."""


@dataclass(frozen=True)
class Case:
    """One check of one component.

    Attributes:
        component: The short name of the component, or that of the distribution.
        check: The check.
        subject: The component under test, with its example.
        reason: Reason why the check is expected to fail; ``None`` if it is expected to pass.
    """

    component: str
    check: Check[Any]
    subject: Any
    reason: str | None

    def run(self) -> CheckResult:
        """Run the check."""
        return run_check(self.check, self.subject, self.component, self.reason)

    def __str__(self) -> str:
        return f"{self.component}-{self.check.name}"


def conformance_cases(
    distribution: str,
    examples: Examples | None = None,
    expected_failures: ExpectedFailures | None = None,
) -> list[Case]:
    """List all checks of a distribution in a deterministic order.

    Components are imported only when a check runs.

    Args:
        distribution: The name of the package.
        examples: What its components are tested with. Required for encoders, which need objects,
            and for components whose constructors have required arguments.
        expected_failures: Checks that are expected to fail, with their reasons.

    Raises:
        ValueError: If ``examples`` or ``expected_failures`` names a component or a check that does
            not exist.
    """
    examples, expected = examples or {}, expected_failures or {}
    plugin = PluginSubject(distribution)
    names = _component_names(plugin.records)
    components = set(names.values())
    _refuse_unknown("examples", examples, components, plugin.distribution)
    _refuse_unknown(
        "expected_failures", expected, {*components, plugin.distribution}, plugin.distribution
    )
    reasons = expected.get(plugin.distribution, {})
    PLUGIN_CHECKS.refuse_unknown(reasons)
    cases = [
        Case(plugin.distribution, check, plugin, reasons.get(check.name))
        for check in PLUGIN_CHECKS.values()
    ]
    for record in plugin.records:
        component = names[record.kind, record.id]
        reasons = expected.get(component, {})
        CHECKS[record.kind].refuse_unknown(reasons)
        for name, subject in _subjects(record, component, examples.get(component, Example())):
            cases += [
                Case(name, check, subject, reasons.get(check.name))
                for check in CHECKS[record.kind].values()
            ]
    return cases


def _component_names(records: Sequence[ComponentRecord]) -> dict[tuple[ComponentKind, str], str]:
    """Return what components are called in tests, by kind and id.

    It is the short name, or ``kind:name`` if components of two kinds have the same one.
    """
    counts = Counter(record.name for record in records)
    return {
        (record.kind, record.id): (
            record.name if counts[record.name] == 1 else f"{record.kind.value}:{record.name}"
        )
        for record in records
    }


def _subjects(
    record: ComponentRecord, component: str, examples: Example | Sequence[Example]
) -> Iterator[tuple[str, Subject[Any]]]:
    several = [examples] if isinstance(examples, Example) else examples
    for number, example in enumerate(several, start=1):
        name = component if len(several) == 1 else f"{component}-{number}"
        yield name, _SUBJECTS[record.kind](record.id, _Builder(record, component, example), example)


@dataclass(frozen=True)
class _Builder:
    """Factory that builds a component as a recipe would."""

    record: ComponentRecord
    component: str
    example: Example

    def __call__(self) -> Any:
        if self.example.build is not None:
            return self.example.build()
        choice = {"name": self.record.id, **self.example.arguments}
        try:
            if self.record.kind in _BUILD:
                return _BUILD[self.record.kind](choice)
            return build_component(
                self.record.kind.value,
                choice,
                provided=_PROVIDED.get(self.record.kind),
                objects=self.example.objects,
            )
        except TypeError as error:
            here = f"examples={{{self.component!r}: Example(arguments={{...}})}}"
            raise CheckError(f"{error} In conformance tests, pass {here}.") from error


def _refuse_unknown(
    argument: str, given: Mapping[str, Any], known: set[str], distribution: str
) -> None:
    for name in given:
        if known and name not in known:
            statement = f"Expected names that {distribution} declares in {argument}, got"
            raise ValueError(unknown_name(statement, name, sorted(known), known_as="Declared"))
