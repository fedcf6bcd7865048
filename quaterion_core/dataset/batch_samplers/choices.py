"""Batch samplers by name."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Final

from quaterion_core.components import split_choice
from quaterion_core.dataset.batch_samplers.batch_sampler import BatchSampler
from quaterion_core.dataset.batch_samplers.group_batch_sampler import GroupBatchSampler
from quaterion_core.dataset.batch_samplers.no_duplicates_batch_sampler import (
    NoDuplicatesBatchSampler,
)
from quaterion_core.plugins.nearest import nearest, suggestion

BATCH_SAMPLERS: Final[Mapping[str, type[BatchSampler]]] = {
    "groups": GroupBatchSampler,
    "no-duplicates": NoDuplicatesBatchSampler,
}
"""The batch samplers that can be chosen by name."""


def build_batch_sampler(choice: object) -> BatchSampler:
    """Make a batch sampler.

    Args:
        choice: A name, a mapping of ``name`` and arguments, or a batch sampler, which is returned
            as it is.

    Raises:
        ValueError: There is no batch sampler of this name, or a value is out of range.
        TypeError: It does not take these arguments, or the choice is something else.

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
    if name not in BATCH_SAMPLERS:
        hint = suggestion(nearest(name, BATCH_SAMPLERS))
        raise ValueError(
            f"There is no batch sampler {name!r}{': ' + hint if hint else '.'} Choose one of: "
            f"{', '.join(BATCH_SAMPLERS)}."
        )
    known = inspect.signature(BATCH_SAMPLERS[name]).parameters
    for argument in arguments:
        if argument not in known:
            hint = suggestion(nearest(argument, known))
            raise TypeError(
                f"The batch sampler {name!r} has no argument {argument!r}"
                f"{': ' + hint if hint else '.'} It takes: {', '.join(known) or 'no arguments'}."
            )
    return BATCH_SAMPLERS[name](**arguments)
