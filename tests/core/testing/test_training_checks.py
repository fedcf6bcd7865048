"""Each check of what training is made of fails a component that has the fault it catches."""

from __future__ import annotations

import math

import click
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import Logger

from quaterion_core.dataset import BatchSampler
from quaterion_core.plugins import registry
from quaterion_core.testing import Example, Status
from quaterion_core.testing.batch_sampler_checks import BATCH_SAMPLER_CHECKS, BatchSamplerSubject
from quaterion_core.testing.callback_checks import CALLBACK_CHECKS, CallbackSubject
from quaterion_core.testing.command_checks import COMMAND_CHECKS, CommandSubject
from quaterion_core.testing.logger_checks import LOGGER_CHECKS, LoggerSubject
from quaterion_core.testing.optimizer_checks import OPTIMIZER_CHECKS, OptimizerSubject
from quaterion_core.testing.schedule_checks import SCHEDULE_CHECKS, ScheduleSubject
from quaterion_core.train.optimizers import choose_optimizer
from quaterion_core.train.schedules import Decay, build_schedule
from quaterion_core.train.trainer_components import build_callback, build_logger


class SignDescent(torch.optim.Optimizer):
    def __init__(self, params, lr=0.01):
        super().__init__(params, {"lr": lr})

    def rate(self, group):
        return group["lr"]

    def direction(self, parameter):
        return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.sign()

    @torch.no_grad()
    def step(self, closure=None):
        if closure is not None:
            with torch.enable_grad():
                closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter -= self.rate(group) * self.direction(parameter)


class NeedsMore(SignDescent):
    def __init__(self, params, lr, scale):
        super().__init__(params, lr)


class NoOptimizer:
    def __init__(self, params, lr=0.01):
        self.param_groups = [{"params": [p]} for p in params]


class Climbs(SignDescent):
    def direction(self, parameter):
        return -super().direction(parameter)


class IgnoresGroups(SignDescent):
    def rate(self, group):
        return 0.01


class NeedsGradients(SignDescent):
    def direction(self, parameter):
        return parameter.grad.sign()


class Forgets(SignDescent):
    def __init__(self, params, lr=0.01):
        super().__init__(params, lr)
        self.steps = 0

    def step(self, closure=None):
        self.steps += 1
        super().step(closure)

    def rate(self, group):
        return group["lr"] / self.steps


class Falling(Decay):
    def __init__(self, power: int = 2):
        self.power = power

    def factor(self, progress):
        return (1 - progress) ** self.power


class NeedsPower(Falling):
    def __init__(self, power: int):
        if power is None:
            raise ValueError("no power")
        super().__init__(power)


class NoDecay:
    def factor(self, progress):
        return 1.0


class BelowZero(Falling):
    def factor(self, progress):
        return math.cos(math.pi * progress)


class Counts(Falling):
    calls = 0

    def factor(self, progress):
        self.calls += 1
        return 1.0 / self.calls


class HoldsALambda(Falling):
    def __init__(self):
        super().__init__()
        self.function = lambda progress: 1.0

    def __deepcopy__(self, memo):
        return HoldsALambda()


class Shuffled(BatchSampler):
    def batches(self, facts, batch_size, generator):
        order = self.order(facts, generator)
        return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]

    def order(self, facts, generator):
        return torch.randperm(len(facts), generator=generator).tolist()


class NeedsGroups(Shuffled):
    def __init__(self, groups):
        super().__init__()


class NoBatchSampler:
    def __init__(self):
        self.batches = Shuffled().batches


class Twice(Shuffled):
    def order(self, facts, generator):
        return [*super().order(facts, generator), 0]


class GlobalChance(Shuffled):
    def order(self, facts, generator):
        return torch.randperm(len(facts)).tolist()


class AlwaysInOrder(Shuffled):
    def order(self, facts, generator):
        return list(range(len(facts)))


class ChangesFacts(Shuffled):
    def order(self, facts, generator):
        facts.objects.add_(1)
        return super().order(facts, generator)


class AnyBatchSize(Shuffled):
    def check_batch_size(self, batch_size):
        pass


@click.command()
def good():
    """Print nothing."""


@click.command()
def without_help():
    pass


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("anything", nargs=-1)
def takes_anything(anything):
    """Take anything."""


def not_importable():
    raise ImportError("no module")


class Keeps(pl.Callback):
    def __init__(self):
        self.epochs = 0

    def on_train_epoch_end(self, trainer, pl_module):
        self.epochs += 1

    def state_dict(self):
        return {"epochs": self.epochs}

    def load_state_dict(self, state_dict):
        self.epochs = state_dict["epochs"]


class NeedsFolder(Keeps):
    def __init__(self, folder):
        super().__init__()


class NoCallback:
    pass


class OtherSignature(Keeps):
    def on_train_epoch_end(self, trainer):
        pass


class KeepsAnObject(Keeps):
    def state_dict(self):
        return {"epochs": self}


class HoldsAFunction(Keeps):
    def __init__(self):
        super().__init__()
        self.rate = lambda: 1


class Writes(Logger):
    def __init__(self):
        self.lines = []

    name = "run"
    version = None

    def log_metrics(self, metrics, step=None):
        self.lines.append(dict(metrics))

    def log_hyperparams(self, params, *_, **__):
        self.lines.append(params)


class NeedsProject(Writes):
    def __init__(self, project):
        super().__init__()


class NoLogger:
    pass


class NamedByNumber(Writes):
    name = 5


class TakesOut(Writes):
    def log_metrics(self, metrics, step=None):
        metrics.clear()


class RaisesAtTheEnd(Writes):
    def finalize(self, status):
        if len(self.lines) > 3:
            raise OSError("the connection was closed")


KINDS = {
    "callback": (CALLBACK_CHECKS, CallbackSubject, build_callback, Keeps),
    "logger": (LOGGER_CHECKS, LoggerSubject, build_logger, Writes),
    "optimizer": (OPTIMIZER_CHECKS, OptimizerSubject, choose_optimizer, SignDescent),
    "schedule": (SCHEDULE_CHECKS, ScheduleSubject, build_schedule, Falling),
    "batch-sampler": (BATCH_SAMPLER_CHECKS, BatchSamplerSubject, lambda c: None, Shuffled),
    "command": (COMMAND_CHECKS, CommandSubject, lambda c: None, lambda: good),
}
FAULTS = {
    ("callback", "construction"): NeedsFolder,
    ("callback", "interface"): NoCallback,
    ("callback", "training"): OtherSignature,
    ("callback", "resumption"): KeepsAnObject,
    ("callback", "is_picklable"): HoldsAFunction,
    ("logger", "construction"): NeedsProject,
    ("logger", "interface"): NoLogger,
    ("logger", "identity"): NamedByNumber,
    ("logger", "records"): TakesOut,
    ("logger", "training"): RaisesAtTheEnd,
    ("optimizer", "construction"): NeedsMore,
    ("optimizer", "interface"): NoOptimizer,
    ("optimizer", "progress"): Climbs,
    ("optimizer", "groups"): IgnoresGroups,
    ("optimizer", "unused_parameters"): NeedsGradients,
    ("optimizer", "resumption"): Forgets,
    ("schedule", "construction"): NeedsPower,
    ("schedule", "interface"): NoDecay,
    ("schedule", "factors"): BelowZero,
    ("schedule", "resumption"): Counts,
    ("schedule", "is_picklable"): HoldsALambda,
    ("batch-sampler", "construction"): NeedsGroups,
    ("batch-sampler", "interface"): NoBatchSampler,
    ("batch-sampler", "batches"): Twice,
    ("batch-sampler", "determinism"): GlobalChance,
    ("batch-sampler", "randomness"): AlwaysInOrder,
    ("batch-sampler", "arguments_unchanged"): ChangesFacts,
    ("batch-sampler", "batch_size"): AnyBatchSize,
    ("command", "construction"): not_importable,
    ("command", "interface"): lambda: print,
    ("command", "help_text"): lambda: without_help,
    ("command", "usage_errors"): lambda: takes_anything,
}


def report(kind, cls):
    checks, subject, build, _ = KINDS[kind]
    if kind in ("batch-sampler", "command"):
        return checks.run(subject("tested", cls, Example()), "tested")
    make = lambda: build("local/tested")  # noqa: E731
    with registry.given({"local/tested": cls}):
        return checks.run(subject("tested", make, Example()), "tested")


@pytest.mark.parametrize("kind", KINDS)
def test_a_good_component_passes_every_check(kind):
    results = report(kind, KINDS[kind][3]).results
    assert {result.status for result in results} == {Status.PASSED}, results


@pytest.mark.parametrize(("kind", "check"), FAULTS, ids=map("-".join, FAULTS))
def test_a_check_fails_the_component_with_its_fault(kind, check):
    results = {result.check: result for result in report(kind, FAULTS[kind, check]).results}
    assert results[check].status is Status.FAILED


def test_every_check_has_a_component_that_it_fails():
    checks = {(kind, name) for kind, (checks, *_) in KINDS.items() for name in checks}
    assert checks == set(FAULTS)
