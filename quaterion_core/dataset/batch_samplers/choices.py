"""Batch samplers by name."""

from __future__ import annotations

from collections.abc import Iterator

from quaterion_core.components import (
    Fault,
    argument_faults,
    callable_arguments,
    named_class,
    raise_faults,
    split_choice,
)
from quaterion_core.dataset.batch_samplers.batch_sampler import BatchSampler
from quaterion_core.plugins import PluginError


def build_batch_sampler(choice: object) -> BatchSampler:
    """Make a batch sampler.

    Args:
        choice: A name, a mapping of ``name`` and arguments, or a batch sampler, which is returned
            as it is.

    Raises:
        ValueError: The name is unknown, or a value is out of range.
        TypeError: An argument is unknown, or the choice has another type.

    Example:
        >>> build_batch_sampler({"name": "groups", "samples_per_group": 2}).samples_per_group
        2
        >>> build_batch_sampler("group")
        Traceback (most recent call last):
        ValueError: There is no batch sampler 'group': did you mean 'groups'? Choose one of:
        groups, no-duplicates.
    """
    if isinstance(choice, BatchSampler):
        return choice
    name, arguments = split_choice("batch sampler", choice)
    raise_faults(f"The batch sampler {name!r}", batch_sampler_faults(choice))
    sampler: BatchSampler = named_class("batch-sampler", name)(**arguments)
    return sampler


def batch_sampler_faults(choice: object, place: tuple[str | int, ...] = ()) -> Iterator[Fault]:
    """Yield the wrong names and values in the choice of a batch sampler."""
    try:
        name, arguments = split_choice("batch sampler", choice)
    except TypeError as error:
        yield Fault(place, str(error))
        return
    try:
        known = callable_arguments(named_class("batch-sampler", name))
    except (PluginError, ValueError) as error:
        yield Fault(place, str(error), ValueError)
        return
    yield from argument_faults(f"The batch sampler {name!r}", known, arguments, place)
