"""Writing of exported models: graph, tokenizers, settings and golden vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from quaterion_core import SimilarityModel
from quaterion_core.storage import check_output_folder, new_folder, read_json, write_json
from quaterion_serving.export.graph import ModelGraph
from quaterion_serving.exported.files import GOLDEN_FILE, SETTINGS_FILE
from quaterion_serving.exported.golden import Golden
from quaterion_serving.exported.settings import FORMAT

OWNER: Final = "an exported model"
MODULES_FILE: Final = "modules.json"
"""File that lists the modules in a folder of sentence-transformers."""


def is_exported_model(path: Path) -> bool:
    """Whether a folder is one that exporting wrote, so that it may be replaced."""
    if (path / SETTINGS_FILE).exists():
        try:
            return read_json(path / SETTINGS_FILE).get("format") == FORMAT
        except ValueError:
            return False
    return (path / MODULES_FILE).is_file() and (path / GOLDEN_FILE).is_file()


def may_replace(overwrite: bool) -> Callable[[Path], bool] | None:
    """Return what decides whether a folder may be replaced."""
    return is_exported_model if overwrite else None


@contextmanager
def output_folder(path: str | Path, *, overwrite: bool) -> Iterator[Path]:
    """Fill a folder that appears once all is written and checked."""
    with new_folder(Path(path), may_replace=may_replace(overwrite)) as folder:
        yield folder


def check_output(path: str | Path, *, overwrite: bool) -> None:
    """Check that a folder may be written, before any work."""
    check_output_folder(Path(path), may_replace=may_replace(overwrite))


def write_settings(
    folder: Path,
    graph: ModelGraph,
    kind: str,
    model: SimilarityModel,
    *,
    int8: bool = False,
    **notes: Any,
) -> None:
    """Write ``export.json`` and the tokenizers."""
    packages = ("quaterion-core", "quaterion-serving", "torch")
    notes = {
        "model": model.fingerprint(),
        "versions": {package: version(package) for package in packages},
        **notes,
    }
    write_json(folder / SETTINGS_FILE, graph.settings(kind, notes, int8=int8), owner=OWNER)
    for name, content in graph.tokenizers.items():
        (folder / name).write_text(content, encoding="utf-8")


def write_golden(folder: Path, golden: Golden) -> None:
    """Write ``golden.json``."""
    write_json(folder / GOLDEN_FILE, golden.to_json(), owner=OWNER)
