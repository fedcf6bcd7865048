"""Choice between named options for each row of a batch."""

from __future__ import annotations

import re
from collections.abc import Collection, Hashable, Iterable
from typing import Final

import torch
from torch import Tensor, nn

from quaterion_core.utils.objects import about_object

KEY_PATTERN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
"""Pattern of the keys of encoders and options, which name folders on every system."""


def check_option_keys(keys: Collection[str], owner: str) -> None:
    """Check that keys can name a submodule and a folder on every system.

    Args:
        keys: One key for each option.
        owner: The class that has the options, for the error.

    Raises:
        ValueError: There are no keys, a key has other characters than letters, digits, hyphens
            and underscores, is taken by an attribute of torch's modules, or differs from another
            one in upper and lower case only.

    Example:
        >>> check_option_keys(["image", "text"], "SwitchHead")
        >>> check_option_keys(["../image"], "SwitchHead")
        Traceback (most recent call last):
        ValueError: SwitchHead cannot have an option '../image': a key is made of letters, digits,
        hyphens and underscores.
    """
    if not keys:
        raise ValueError(f"{owner} needs at least one option.")
    taken = nn.ModuleDict()
    for key in keys:
        if not isinstance(key, str) or not KEY_PATTERN.fullmatch(key):
            raise ValueError(
                f"{owner} cannot have an option {key!r}: a key is made of letters, digits, "
                "hyphens and underscores."
            )
        if hasattr(taken, key):
            raise ValueError(
                f"{owner} cannot have an option {key!r}: torch modules have an attribute of that "
                "name. Choose another key."
            )
    if len({key.lower() for key in keys}) < len(keys):
        raise ValueError(
            f"{owner} cannot have the options {_quoted(keys)}: some systems do not tell folders "
            "apart that differ in upper and lower case only."
        )


def rows_by_option(
    choices: Iterable[Hashable], options: Collection[str], owner: str
) -> dict[str, list[int]]:
    """Group rows by the option that each chose.

    Args:
        choices: Key that each row chose.
        options: Keys of the options.
        owner: The class that has the options, for the error.

    Returns:
        The rows of each option, ascending, in the order of ``options``. An option that no row
        chose is left out.

    Raises:
        ValueError: A row chose an unknown key.

    Example:
        >>> rows_by_option(["text", "image", "text"], ["audio", "image", "text"], "SwitchHead")
        {'image': [1], 'text': [0, 2]}
    """
    rows: dict[Hashable, list[int]] = {key: [] for key in options}
    for row, key in enumerate(choices):
        if key not in rows:
            raise about_object(
                ValueError(
                    f"{owner} has no option {key!r}, which object {row} needs; the options are "
                    f"{_quoted(options)}."
                ),
                row,
            )
        rows[key].append(row)
    return {key: rows[key] for key in options if rows[key]}


def inverse_permutation(perm: Tensor) -> Tensor:
    """Return the permutation that undoes another one.

    Args:
        perm: Integers 0 ... N - 1 in any order, shape (N,).

    Returns:
        Integers of the same shape, such that ``perm[inverse]`` counts 0 ... N - 1.

    Example:
        >>> inverse_permutation(torch.tensor([2, 0, 1]))
        tensor([1, 2, 0])
    """
    inverse = torch.empty_like(perm)
    inverse[perm] = torch.arange(len(perm), dtype=perm.dtype, device=perm.device)
    return inverse


def _quoted(keys: Iterable[str]) -> str:
    return ", ".join(repr(key) for key in keys)
