"""Types of arguments with a range, which a recipe is checked against before any import."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from annotated_types import Ge, Gt, Le, Lt

Count: TypeAlias = Annotated[int, Ge(1)]
"""A number of things, at least one."""

PositiveFloat: TypeAlias = Annotated[float, Gt(0)]
"""A number greater than 0."""

NonNegativeFloat: TypeAlias = Annotated[float, Ge(0)]
"""A number of at least 0."""

DropoutRate: TypeAlias = Annotated[float, Ge(0), Lt(1)]
"""The share of values that are dropped, in [0, 1)."""

Fraction: TypeAlias = Annotated[float, Ge(0), Le(1)]
"""A share, in [0, 1]."""
