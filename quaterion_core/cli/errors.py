"""Errors of the commands that the user can fix: one message, no traceback."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click

from quaterion_core.storage.errors import printable
from quaterion_core.train.errors import TrainingError

_LONGEST_MESSAGE: Final = 50_000


@contextmanager
def user_errors() -> Iterator[None]:
    """Turn errors in what the user gave into a message and the exit code 1.

    With ``QUATERION_TRACEBACK=1`` they are raised as they are. Ctrl-C ends with the exit code 130,
    as in a shell. Control characters, which may come from a file, are printed as escapes.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except (ValueError, TypeError, OSError, LookupError, ImportError, TrainingError) as error:
        if os.environ.get("QUATERION_TRACEBACK") == "1":
            raise
        message = "\n".join([str(error), *getattr(error, "__notes__", [])])
        message = printable(message, longest=_LONGEST_MESSAGE)
        raise click.ClickException(
            f"{message}\n(QUATERION_TRACEBACK=1 shows where it was raised.)"
        ) from error


def check_writable(*paths: Path | None) -> None:
    """Check that files can be written, before slow work.

    Raises:
        FileNotFoundError: The folder of a file does not exist.
        PermissionError: A file or its folder cannot be written to.
    """
    for path in paths:
        if path is None:
            continue
        folder = path.absolute().parent
        if not folder.is_dir():
            raise FileNotFoundError(f"{path} cannot be written: there is no folder {folder}.")
        if not os.access(path if path.exists() else folder, os.W_OK):
            raise PermissionError(f"{path} cannot be written: permission denied.")


def check_exists(*paths: Path | None) -> None:
    """Check that paths exist, before slow imports.

    Raises:
        FileNotFoundError: There is nothing at a path.
    """
    for path in paths:
        if path is not None and not path.exists():
            raise FileNotFoundError(f"{path} cannot be read: no such file or directory.")
