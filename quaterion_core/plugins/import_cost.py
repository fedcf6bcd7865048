"""Heavy packages that a plugin module imports, which would slow down discovery."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Final

HEAVY_PACKAGES: Final = (
    "lightning",
    "numpy",
    "pandas",
    "pytorch_lightning",
    "scipy",
    "sentence_transformers",
    "sklearn",
    "tensorflow",
    "timm",
    "torch",
    "torchvision",
    "transformers",
)
"""Packages that no plugin module may import: each takes longer than all of discovery should."""

_PROGRAM: Final = """
import contextlib, importlib, json, sys
module, path, packages = json.loads(sys.argv[1])
sys.path[:] = path
before = set(sys.modules)
with contextlib.redirect_stdout(sys.stderr), contextlib.suppress(Exception, SystemExit):
    importlib.import_module(module)
print(json.dumps([name for name in packages if name in sys.modules and name not in before]))
"""


def heavy_imports(module: str) -> list[str]:
    """Import a module in a fresh interpreter and return the heavy packages that this imports.

    Parent packages count, as Python imports them first. For a module that cannot be imported, what
    it imported until the error counts.

    Args:
        module: The full name of a module, such as that of a plugin's entry point.

    Returns:
        Those of :data:`HEAVY_PACKAGES`, sorted.

    Raises:
        RuntimeError: The module terminated the interpreter.

    Example:
        >>> heavy_imports("quaterion_core.plugins")
        []
        >>> heavy_imports("quaterion_core.heads")
        ['numpy', 'torch']
    """
    # This process may have imported them before.
    question = json.dumps([module, sys.path, HEAVY_PACKAGES])
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _PROGRAM, question],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if result.returncode or not result.stdout:
        raise RuntimeError(
            f"Importing {module} ended the interpreter with the exit code {result.returncode}. A "
            "plugin module may only declare what there is."
        )
    found: list[str] = json.loads(result.stdout.splitlines()[-1])
    return found
