"""Choices of components: a name, or a mapping of a name and arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

ComponentChoice: TypeAlias = str | Mapping[str, Any]
"""A registered name, or a mapping of ``name`` and the component's arguments."""


_EXAMPLES: Final = {
    "callback": "early-stopping",
    "dataset": "csv",
    "head": "linear-projection",
    "logger": "csv",
    "loss": "triplet",
    "metric": "recall-at-k",
    "optimizer": "adam",
    "schedule": "cosine",
    "batch sampler": "groups",
}


def split_choice(kind: str, choice: object) -> tuple[str, dict[str, Any]]:
    """Return the name and the arguments of a choice.

    Raises:
        TypeError: The choice is neither a name nor a mapping with a ``name``.

    Example:
        >>> split_choice("loss", {"name": "triplet", "margin": 0.3})
        ('triplet', {'margin': 0.3})
    """
    if isinstance(choice, str):
        return choice, {}
    if isinstance(choice, Mapping) and isinstance(choice.get("name"), str):
        return choice["name"], {key: value for key, value in choice.items() if key != "name"}
    example = _EXAMPLES.get(kind, f"my-{kind.replace(' ', '-')}")
    article = "an" if kind[0] in "aeiou" else "a"
    lacking = ", which has no 'name'" if isinstance(choice, Mapping) else ""
    given = f"the class {choice.__name__}" if isinstance(choice, type) else f"{choice!r:.80}"
    raise TypeError(
        f"Expected the name of {article} {kind}, such as {example!r}, or a mapping of its name and "
        f"arguments, such as {{'name': {example!r}, ...}}, got {given}{lacking}."
    )
