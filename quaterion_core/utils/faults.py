"""Faults: of several checks of one object, reported together, and those that pydantic finds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class Faults:
    """Collects the errors of independent checks, to raise them all at once.

    Example:
        >>> faults = Faults()
        >>> with faults.collected():
        ...     raise ValueError("scale is -1.")
        >>> with faults.collected():
        ...     raise TypeError("margin is a str.")
        >>> faults.raise_all()
        Traceback (most recent call last):
        ValueError: scale is -1.
        margin is a str.
    """

    def __init__(self) -> None:
        self._errors: list[Exception] = []

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Keep a ``TypeError`` or ``ValueError`` of a check for later."""
        try:
            yield
        except (TypeError, ValueError) as error:
            self._errors.append(error)

    def raise_all(self) -> None:
        """Raise the collected errors, if there are any.

        Raises:
            TypeError: All errors are of this type.
            ValueError: Otherwise. Each message is on its own line.
        """
        if len(self._errors) == 1:
            raise self._errors[0]
        if self._errors:
            all_types = all(isinstance(error, TypeError) for error in self._errors)
            raise (TypeError if all_types else ValueError)("\n".join(map(str, self._errors)))


def first_fault(error: ValidationError) -> str:
    """Describe the first fault that pydantic found: its place, and what is wrong.

    Example:
        >>> from pydantic import TypeAdapter, ValidationError
        >>> try: TypeAdapter(dict[str, int]).validate_python({"rows": "many"})
        ... except ValidationError as error: print(first_fault(error))
        'rows': Input should be a valid integer, unable to parse string as an integer
    """
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place!r:.200}: {first['msg']:.300}" if place else f"{first['msg']:.300}"
