"""Conformance checks for optimizers."""

from __future__ import annotations

import copy
import math
from typing import Any, Final

import torch
from torch import nn

from quaterion_core.testing.checks import CheckError, Checks, NotApplicableError
from quaterion_core.testing.subject import Subject
from quaterion_core.train.optimizers import OptimizerChoice, optimizer_arguments

_STEPS: Final = 50


class OptimizerSubject(Subject[OptimizerChoice]):
    """An optimizer under test, with a least-squares problem for it."""

    def problem(self) -> tuple[nn.Linear, torch.optim.Optimizer]:
        """Return a layer with weights of its own, and the optimizer of its parameters."""
        layer = nn.Linear(3, 1).requires_grad_()
        return layer, self.fresh().build({"head": layer})

    @staticmethod
    def step(layer: nn.Linear, optimizer: torch.optim.Optimizer) -> float:
        """Take a step, and return the loss before it."""
        inputs = torch.eye(3)
        targets = torch.tensor([[1.0], [-1.0], [0.5]])

        def closure() -> float:
            optimizer.zero_grad()
            loss = (layer(inputs) - targets).square().mean()
            torch.autograd.backward(loss)
            return float(loss.detach())

        before = closure()
        optimizer.step(closure)
        return before


OPTIMIZER_CHECKS: Final[Checks[OptimizerSubject]] = Checks("optimizer")


@OPTIMIZER_CHECKS.add
def construction(subject: OptimizerSubject) -> None:
    """The optimizer cannot be built from the arguments given.

    Pass the arguments that its constructor requires besides the parameters and `lr`:
    `Example(arguments={...})` under the optimizer's name in `examples`; or fix the constructor.
    """
    subject.built()
    subject.problem()


@OPTIMIZER_CHECKS.add
def interface(subject: OptimizerSubject) -> None:
    """The class is not derived from `torch.optim.Optimizer`.

    Derive from it, so that Lightning, mixed precision and checkpoints can handle the optimizer.
    """
    _, optimizer = subject.problem()
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise CheckError(
            f"expected {type(optimizer).__name__} to derive from torch.optim.Optimizer, got its "
            f"bases {', '.join(base.__name__ for base in type(optimizer).__mro__[1:])}"
        )


@OPTIMIZER_CHECKS.add
def progress(subject: OptimizerSubject) -> None:
    """Steps of the optimizer do not reduce the loss of a least-squares problem.

    Step against the gradient, and in the units of the parameters; pass a larger `lr` in the example
    if the default one is made for larger models.
    """
    layer, optimizer = subject.problem()
    losses = [subject.step(layer, optimizer) for _ in range(_STEPS)]
    if not all(map(math.isfinite, losses)):
        raise CheckError(f"expected finite losses, got {losses[-1]} after {_STEPS} steps")
    if losses[-1] >= losses[0]:
        raise CheckError(
            f"expected the loss to fall in {_STEPS} steps, got {losses[-1]:.4g} after "
            f"{losses[0]:.4g}"
        )


@OPTIMIZER_CHECKS.add
def groups(subject: OptimizerSubject) -> None:
    """A group of parameters with a learning rate of 0 is changed.

    Read `lr` and all other arguments from each group in `self.param_groups`, not from `self`.
    """
    if "lr" not in optimizer_arguments(subject.built().name):
        raise NotApplicableError("the optimizer has no argument 'lr'")
    layer = nn.Linear(3, 1)
    choice = subject.fresh()
    still = {**dict(choice.parts), "loss": {"lr": 0.0}}
    fixed = nn.Linear(3, 1)
    optimizer = OptimizerChoice(choice.name, choice.arguments, still).build(
        {"head": layer, "loss": fixed}
    )
    before = copy.deepcopy(fixed.state_dict())
    for module in (layer, fixed):
        torch.autograd.backward(module(torch.ones(1, 3)).square().sum())
    optimizer.step()
    if not _equal(before, fixed.state_dict()):
        raise CheckError("expected no change of a group with lr=0, got one")


@OPTIMIZER_CHECKS.add
def unused_parameters(subject: OptimizerSubject) -> None:
    """A parameter without a gradient makes a step fail, or is changed.

    Skip parameters whose `grad` is `None`, as a batch may leave parts of a model out.
    """
    layer, optimizer = subject.problem()
    before = copy.deepcopy(layer.state_dict())
    optimizer.step(lambda: 0.0)
    if not _equal(before, layer.state_dict()):
        raise CheckError("expected parameters without a gradient to stay as they are")


@OPTIMIZER_CHECKS.add
def resumption(subject: OptimizerSubject) -> None:
    """A step differs after the state was saved and loaded, so that runs cannot be resumed exactly.

    Keep everything that changes from step to step in `self.state` or `self.param_groups`.
    """
    layer, optimizer = subject.problem()
    for _ in range(3):
        subject.step(layer, optimizer)
    other, loaded = subject.problem()
    other.load_state_dict(layer.state_dict())
    loaded.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for _ in range(2):
        subject.step(layer, optimizer)
        subject.step(other, loaded)
    if not _equal(layer.state_dict(), other.state_dict()):
        raise CheckError("expected equal weights after loading the state, got different ones")


def _equal(first: dict[str, Any], second: dict[str, Any]) -> bool:
    return all(torch.equal(values, second[name]) for name, values in first.items())
