"""How a component is chosen: a name, or a mapping of a name and arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

ComponentChoice: TypeAlias = str | Mapping[str, Any]
"""A registered name, or a mapping of ``name`` and the component's arguments."""


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
    raise TypeError(
        f"Expected the name of a {kind}, such as 'my-{kind}', or a mapping of its name and "
        f"arguments, such as {{'name': 'my-{kind}', ...}}, got {choice!r:.80}."
    )
