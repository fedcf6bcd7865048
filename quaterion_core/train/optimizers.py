"""Optimizers by name, with arguments of their own for parts of a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from torch import nn

from quaterion_core.components import split_choice
from quaterion_core.plugins.nearest import nearest

OPTIMIZERS: Final[Mapping[str, type[torch.optim.Optimizer]]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "adagrad": torch.optim.Adagrad,
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
}
"""The optimizers that can be chosen by name, with the arguments that PyTorch gives them."""


@dataclass(frozen=True)
class OptimizerChoice:
    """An optimizer that is chosen by name, before there are parameters for it.

    Args:
        name: One of :data:`OPTIMIZERS`.
        arguments: Its arguments; the learning rate is 1e-3 if none is given.
        parts: Arguments by part of the model, for parts that differ, such as
            ``{"head": {"lr": 0.01}}``. What a part does not state is as for all others.

    Raises:
        ValueError: There is no optimizer of this name, or a value is out of range.
        TypeError: It does not take these arguments, or ``parts`` is no mapping of mappings.

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
        if self.name not in OPTIMIZERS:
            raise ValueError(
                f"There is no optimizer {self.name!r}. Choose one of: {', '.join(OPTIMIZERS)}."
            )
        is_mapping = isinstance(self.parts, Mapping)
        if not is_mapping or not all(isinstance(own, Mapping) for own in self.parts.values()):
            raise TypeError(
                "The parts of an optimizer are a mapping from parts of the model to their own "
                f"arguments, such as {{'head': {{'lr': 0.01}}}}, but got {self.parts!r:.80}."
            )
        for place, own in {"": {}, **self.parts}.items():
            self._check(place, {**self._common, **own})

    @property
    def _common(self) -> dict[str, Any]:
        """The arguments of all that has none of its own."""
        return {"lr": 1e-3, **self.arguments}

    def _check(self, place: str, arguments: Mapping[str, Any]) -> None:
        try:
            OPTIMIZERS[self.name]([nn.Parameter(torch.zeros(1))], **arguments)
        except (TypeError, ValueError) as error:
            of_part = f" for {place!r}" if place else ""
            raise type(error)(
                f"The optimizer {self.name!r} does not take these arguments{of_part}: {error}"
            ) from error

    def check_parts(self, modules: Mapping[str, nn.Module]) -> None:
        """Check that each part that has arguments of its own is there and is trained.

        Args:
            modules: The parts of the model by name.

        Raises:
            ValueError: There is no such part, or it has nothing to train.
        """
        for part in self.parts:
            if part not in modules:
                hint = "".join(f"Did you mean {name!r}? " for name in nearest(part, modules)[:1])
                raise ValueError(
                    f"The optimizer has arguments for the part {part!r}, which the model does not "
                    f"have. {hint}Its parts: {', '.join(modules)}."
                )
            if not any(parameter.requires_grad for parameter in modules[part].parameters()):
                raise ValueError(
                    f"The optimizer has arguments for the part {part!r}, which has nothing to "
                    "train. Make it trainable, or leave it out."
                )

    def build(self, modules: Mapping[str, nn.Module]) -> torch.optim.Optimizer:
        """Make the optimizer of all that asks for a gradient.

        Args:
            modules: The parts of the model by name. A parameter that is in several of them belongs
                to the first one with arguments of its own.
        """
        self.check_parts(modules)
        groups: list[dict[str, Any]] = []
        taken: set[int] = set()
        for part, own in self.parts.items():
            groups.append({"params": _fresh(modules[part].parameters(), taken), **own})
        rest = (parameter for module in modules.values() for parameter in module.parameters())
        groups.insert(0, {"params": _fresh(rest, taken)})
        return OPTIMIZERS[self.name]([group for group in groups if group["params"]], **self._common)


def choose_optimizer(choice: object) -> OptimizerChoice:
    """Make a choice of a name, or of a mapping of ``name``, arguments and ``parts``.

    Raises:
        TypeError: It is neither, or see :class:`OptimizerChoice`.
        ValueError: See :class:`OptimizerChoice`.
    """
    name, arguments = split_choice("optimizer", choice)
    return OptimizerChoice(name, arguments, arguments.pop("parts", {}))


def _fresh(parameters: Iterable[nn.Parameter], taken: set[int]) -> list[nn.Parameter]:
    """Return those that ask for a gradient and are not taken yet, and take them."""
    fresh = []
    for parameter in parameters:
        if parameter.requires_grad and id(parameter) not in taken:
            taken.add(id(parameter))
            fresh.append(parameter)
    return fresh
