"""Faults: of several checks of one object, reported together, and those that pydantic finds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from quaterion_core.storage.errors import InvalidFolderError

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

    ModelT = TypeVar("ModelT", bound=BaseModel)


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


def checked_content(
    schema: type[ModelT], content: object, statement: str, advice: str = ""
) -> ModelT:
    """Return the content of a file of an untrusted folder, checked by its schema.

    Args:
        schema: The schema.
        content: What was read.
        statement: What is said of the file if it does not match, such as "a.json is no index".
        advice: What to do then.

    Raises:
        InvalidFolderError: It does not match.

    Example:
        >>> from pydantic import BaseModel
        >>> class Size(BaseModel):
        ...     rows: int
        >>> checked_content(Size, {"rows": "many"}, "size.json is damaged", "Build it again.")
        Traceback (most recent call last):
        quaterion_core.storage.errors.InvalidFolderError: size.json is damaged: 'rows': Input
        should be a valid integer, unable to parse string as an integer. Build it again.
    """
    from pydantic import ValidationError

    try:
        return schema.model_validate(content)
    except ValidationError as error:
        text = f"{statement}: {first_fault(error)}. {advice}".rstrip()
        raise InvalidFolderError(text) from error
