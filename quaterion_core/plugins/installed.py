"""Metadata of installed distributions on plugins; nothing is imported."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from quaterion_core.plugins.hooks import ENTRY_POINT_GROUP
from quaterion_core.plugins.records import normalize

if TYPE_CHECKING:
    from importlib_metadata import Distribution, EntryPoint


class InstalledDistribution(NamedTuple):
    """A distribution: its name normalised as PEP 503 says, its version, its files of metadata."""

    name: str
    version: str | None
    metadata: Distribution

    def plugins(self) -> list[EntryPoint]:
        """Return the entry points that name plugins, sorted by name.

        Raises:
            Exception: ``entry_points.txt`` is malformed.
        """
        return sorted(self.metadata.entry_points.select(group=ENTRY_POINT_GROUP))


def distributions_with_plugins(
    path: Sequence[str] | None = None,
) -> Iterator[InstalledDistribution]:
    """Find the distributions with plugins, each once, sorted by name.

    Args:
        path: Directories to search; ``sys.path`` by default.
    """
    names = set()
    for distribution in _distributions(path):
        if ENTRY_POINT_GROUP in _read(distribution, "entry_points.txt"):
            found = _identify(distribution)
            if found is not None:
                names.add(found.name)
    for name in sorted(names):
        # Of several copies on the path, Python imports the first, with or without plugins.
        found = find_distribution(name, path)
        if found is not None:
            yield found


def find_distribution(name: str, path: Sequence[str] | None = None) -> InstalledDistribution | None:
    """Find an installed distribution by name; of several copies, the first on the path.

    Args:
        name: The name, in any spelling that PEP 503 normalises to the same.
        path: Directories to search; ``sys.path`` by default.
    """
    return next(filter(None, map(_identify, _distributions(path, name=name))), None)


def _distributions(path: Sequence[str] | None, **query: str) -> Iterator[Distribution]:
    # Not quick to import, and not needed to find core's own components.
    from importlib_metadata import distributions

    directories = list(sys.path if path is None else path)
    # Some versions of the package call what this returns by another type.
    found: Iterable[Any] = distributions(path=directories, **query)
    return iter(found)


def _identify(distribution: Distribution) -> InstalledDistribution | None:
    """Read name and version; ``None`` for what an interrupted installation left behind.

    Both are lines of a header which the e-mail parser of the standard library would read as well,
    in more time than the rest of discovery takes.
    """
    text = _read(distribution, "METADATA") or _read(distribution, "PKG-INFO")
    lines = text.partition("\n\n")[0].splitlines()
    fields = dict(line.split(": ", 1) for line in lines if ": " in line)
    if "Name" not in fields:
        return None
    return InstalledDistribution(normalize(fields["Name"]), fields.get("Version"), distribution)


def _read(distribution: Distribution, file: str) -> str:
    """Read a file of metadata; what is missing or is not text is read as empty."""
    try:
        return distribution.read_text(file) or ""
    except UnicodeDecodeError:
        return ""
