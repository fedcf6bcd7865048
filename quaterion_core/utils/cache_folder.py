"""The folder of the user's caches."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """Return the folder of the user's caches.

    It is ``QUATERION_CACHE`` if that is set, or else ``quaterion`` in the cache folder of the
    system.
    """
    if given := os.environ.get("QUATERION_CACHE"):
        return Path(given)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
        return Path(base) / "quaterion" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "quaterion"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "quaterion"
