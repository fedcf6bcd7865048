"""Packages of extras, which are needed by one part of the distribution only."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec


def require_packages(names: Iterable[str], purpose: str, extra: str) -> None:
    """Check that packages are installed, without importing them.

    Args:
        names: The packages, as they are imported.
        purpose: What needs them, for the error.
        extra: The extra of quaterion-serving that brings them.

    Raises:
        ImportError: One is missing.
    """
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        raise ImportError(
            f'{purpose} needs {", ".join(missing)}: pip install "quaterion-serving[{extra}]".'
        )
