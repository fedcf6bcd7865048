"""What all schemas of saved JSON files share: known keys only, and strict types."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from quaterion_core.storage import InvalidFolderError, StorageError, is_panic
from quaterion_core.utils.faults import checked_content

Size: TypeAlias = Annotated[int, Field(ge=1, le=10_000_000)]
Count: TypeAlias = Annotated[int, Field(ge=0, le=10_000_000)]
Probability: TypeAlias = Annotated[float, Field(ge=0, lt=1)]
Identifier: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")]
Text: TypeAlias = Annotated[str, Field(max_length=10_000)]


@contextmanager
def explained(source: str) -> Iterator[None]:
    """Convert errors of libraries for a file that they cannot read into one that names the file.

    Raises:
        InvalidFolderError: The library failed, or panicked.
    """
    try:
        yield
    except StorageError:
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and not is_panic(error):
            raise
        raise InvalidFolderError(f"{source} cannot be used: {describe(error)}") from error


def describe(error: BaseException) -> str:
    """Describe an error of another library, which may have no message of its own."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


class Schema(BaseModel):
    """A JSON object of known keys, each of its type; nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True, protected_namespaces=())


SchemaT = TypeVar("SchemaT", bound=BaseModel)


def check(schema: type[SchemaT], value: Any, source: str) -> SchemaT:
    """Check a JSON value against a schema.

    Args:
        schema: The schema.
        value: The value, from an untrusted file.
        source: The file, for the error.

    Raises:
        InvalidFolderError: The value does not match the schema.
    """
    return checked_content(schema, value, f"{source} is not what is saved")
