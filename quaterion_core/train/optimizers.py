"""Optimizers by name, with separate arguments for parts of a model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from quaterion_core.components import (
    Argument,
    Fault,
    argument_faults,
    callable_arguments,
    named_class,
    raise_faults,
    split_choice,
)
from quaterion_core.plugins import PluginError
from quaterion_core.plugins.nearest import unknown_name


@dataclass(frozen=True)
class OptimizerChoice:
    """Name and arguments of an optimizer, before its parameters are known.

    Args:
        name: Name of a registered optimizer: one of PyTorch's, such as ``adamw``, or a plugin's.
        arguments: Its arguments; the learning rate is 1e-3 if none is given.
        parts: Arguments that differ for a part of the model, by part, such as
            ``{"head": {"lr": 0.01}}``. Missing arguments default to those of the optimizer.

    Raises:
        TypeError: The optimizer does not take these arguments, or a value is of the wrong type.
        ValueError: There is no such optimizer, or a value is out of range.

    Example:
        >>> choice = OptimizerChoice("sgd", {"lr": 0.1}, {"head": {"lr": 1.0}})
        >>> modules = {"encoder": nn.Linear(2, 2), "head": nn.Linear(2, 2)}
        >>> [group["lr"] for group in choice.build(modules).param_groups]
        [0.1, 1.0]
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    parts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        faults = _faults(self.name, self.arguments, self.parts)
        raise_faults(f"The optimizer {self.name!r}", faults)

    def check_parts(self, modules: Mapping[str, nn.Module]) -> None:
        """Check that each part with arguments of its own exists and is trainable.

        Args:
            modules: The parts of the model by name.

        Raises:
            ValueError: There is no such part, or it has no trainable parameters.
        """
        for part in self.parts:
            if part not in modules:
                raise ValueError(unknown_part(part, modules))
            if not any(parameter.requires_grad for parameter in modules[part].parameters()):
                raise ValueError(
                    f"The optimizer has arguments for the part {part!r}, which has no trainable "
                    "parameters. Make it trainable, or leave it out."
                )

    def build(self, modules: Mapping[str, nn.Module]) -> torch.optim.Optimizer:
        """Build the optimizer of all parameters that require grad.

        Args:
            modules: The parts of the model by name. A parameter that is shared by several parts
                belongs to the first one with arguments of its own.
        """
        self.check_parts(modules)
        groups: list[dict[str, Any]] = []
        taken: set[int] = set()
        for part, own in self.parts.items():
            groups.append({"params": _fresh(modules[part].parameters(), taken), **own})
        rest = (parameter for module in modules.values() for parameter in module.parameters())
        groups.insert(0, {"params": _fresh(rest, taken)})
        optimizer: torch.optim.Optimizer = named_class("optimizer", self.name)(
            [group for group in groups if group["params"]],
            **_with_defaults(self.arguments, optimizer_arguments(self.name)),
        )
        return optimizer


def choose_optimizer(choice: object) -> OptimizerChoice:
    """Convert a name, or a mapping of ``name``, arguments and ``parts``, into a choice.

    An :class:`OptimizerChoice` is returned as it is.

    Raises:
        TypeError: The choice is none of these, or see :class:`OptimizerChoice`.
        ValueError: See :class:`OptimizerChoice`.
    """
    if isinstance(choice, OptimizerChoice):
        return choice
    name, arguments = split_choice("optimizer", choice)
    return OptimizerChoice(name, arguments, arguments.pop("parts", {}))


def optimizer_faults(choice: object, place: tuple[str | int, ...] = ()) -> Iterator[Fault]:
    """Yield all faults of a choice of an optimizer, before its parameters are known.

    Example:
        >>> for fault in optimizer_faults({"name": "adamw", "lr": -1, "parts": {"head": {"l": 1}}}):
        ...     print(fault)
        Invalid learning rate: -1.
        parts.head.l: The optimizer 'adamw' has no argument 'l': did you mean 'lr'? It takes: ...
    """
    try:
        name, arguments = split_choice("optimizer", choice)
    except TypeError as error:
        yield Fault(place, str(error))
        return
    yield from _faults(name, arguments, arguments.pop("parts", {}), place)


def optimizer_arguments(name: str) -> dict[str, Argument]:
    """Return the arguments of an optimizer, without those that a training run sets itself."""
    _, *arguments = callable_arguments(named_class("optimizer", name)).items()
    return dict(arguments)


def unknown_part(part: str, known: Iterable[str]) -> str:
    """Return the message for a part that the model does not have."""
    statement = "The optimizer has arguments for a part that the model does not have,"
    return unknown_name(statement, part, known, known_as="The parts are")


def _with_defaults(arguments: Mapping[str, Any], known: Mapping[str, Argument]) -> dict[str, Any]:
    """Return the arguments that apply to every part without arguments of its own."""
    return {**({"lr": 1e-3} if "lr" in known else {}), **arguments}


def _faults(
    name: str, arguments: Mapping[str, Any], parts: object, place: tuple[str | int, ...] = ()
) -> Iterator[Fault]:
    try:
        optimizer = named_class("optimizer", name)
    except (PluginError, ValueError) as error:
        yield Fault(place, str(error), ValueError)
        return
    if not isinstance(parts, Mapping) or not all(isinstance(p, Mapping) for p in parts.values()):
        yield Fault(
            (*place, "parts"),
            "Expected a mapping from parts of the model to their arguments, such as "
            f"{{'head': {{'lr': 0.01}}}}, got {parts!r:.80}.",
        )
        parts = {}
    known = optimizer_arguments(name)
    common = _with_defaults(arguments, known)
    sets = {place: (arguments, common)}
    sets |= {(*place, "parts", part): (own, {**common, **own}) for part, own in parts.items()}
    is_common_right = True
    for where, (given, complete) in sets.items():
        faults = list(argument_faults(f"The optimizer {name!r}", known, given, where))
        if not faults and is_common_right:
            try:
                optimizer([torch.nn.Parameter(torch.zeros(1))], **complete)
            except Exception as error:  # the constructor of a plugin's optimizer may raise anything
                faults = [Fault(where, f"{str(error).removesuffix('.')}.", ValueError)]
        is_common_right = is_common_right and not faults
        yield from faults


def _fresh(parameters: Iterable[nn.Parameter], taken: set[int]) -> list[nn.Parameter]:
    """Return the parameters that require grad and are not in ``taken``, and add them to it."""
    fresh = []
    for parameter in parameters:
        if parameter.requires_grad and id(parameter) not in taken:
            taken.add(id(parameter))
            fresh.append(parameter)
    return fresh
