"""Fuzzing guided by coverage: parsers get what reaches new branches, by atheris.

Run it as ``python -m robustness.guided [--target NAME] [--runs 100000]``. It requires atheris,
which is built for some systems and versions of Python only. It ends with the exit code 0 if every
outcome was a result or an error of ours.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Final

_LONGEST: Final = 4096


def _json(data: bytes) -> None:
    from quaterion_core.storage import parse_json

    parse_json(data, "a file")


def _recipe(data: bytes) -> None:
    from quaterion_core.recipe.reading import open_recipe, parse_recipe

    path = _file("recipe.yaml", data)
    parse_recipe(open_recipe(path))


def _condition(data: bytes) -> None:
    from quaterion_core.serving.stores import parse_condition
    from quaterion_core.serving.stores.sql import where_clause

    where_clause(parse_condition(data.decode("utf-8", "replace")))


def _csv(data: bytes) -> None:
    from quaterion_core.dataset import CsvDataset

    CsvDataset({"train": _file("a.csv", data)}, obj="a", group="b").load("train")


def _lines(data: bytes) -> None:
    from quaterion_core.dataset import JsonLinesDataset

    JsonLinesDataset({"train": _file("a.jsonl", data)}, obj="a", group="b").load("train")


def _regular_expression(data: bytes) -> None:
    from quaterion_nlp.saved.regular_expressions import check_regular_expression

    check_regular_expression(data.decode("utf-8", "replace"), "a file")


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    "json": _json,
    "recipe": _recipe,
    "condition": _condition,
    "csv": _csv,
    "jsonl": _lines,
    "regular-expression": _regular_expression,
}
"""Parsers by name."""

_SEEDS: Final[dict[str, tuple[bytes, ...]]] = {
    "json": (b'{"a": [1, 2.5, "x", null, true]}',),
    "recipe": (
        b"data: {name: jsonl, files: {train: a.jsonl}, obj: a, group: b}\nencoder: static\n"
        b"loss: triplet\nepochs: 2\n",
    ),
    "condition": (b"source=aws,azure", b'code!="007"', b"year>=2020.5"),
    "csv": (b"a,b\nx,1\n", b'a;b\n"x;y";2\n'),
    "jsonl": (b'{"a": "x", "b": 1}\n', b'[{"a": "x", "b": 1}]'),
    "regular-expression": (rb"\p{L}+|[^\s\p{N}]{1,3}(?i:'s)", rb"(?<!a)\d+$"),
}
_FOLDER: Final = Path(tempfile.gettempdir(), f"guided-{os.getpid()}")


def _file(name: str, data: bytes) -> Path:
    _FOLDER.mkdir(exist_ok=True)
    path = _FOLDER / name
    path.write_bytes(data)
    return path


def main() -> None:
    """Fuzz one parser until the runs are done; the process ends in atheris."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", choices=TARGETS, default="json")
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    import atheris

    target = TARGETS[options.target]
    with atheris.instrument_imports(include=["json", "csv", "quaterion_core", "quaterion_nlp"]):
        from quaterion_core.plugins import PluginError
        from quaterion_core.storage import StorageError

        ours = (StorageError, PluginError, ValueError, TypeError)
        with contextlib.suppress(*ours):
            target(_SEEDS[options.target][0])  # imports what it needs
    warnings.simplefilter("ignore")

    def one(data: bytes) -> None:
        with contextlib.suppress(*ours):
            target(data)

    corpus = Path(tempfile.mkdtemp(prefix="corpus-"))
    for number, seed in enumerate(_SEEDS[options.target]):
        (corpus / str(number)).write_bytes(seed)
    arguments = [
        sys.argv[0], f"-runs={options.runs}", f"-seed={options.seed}", f"-max_len={_LONGEST}",
        "-timeout=20", "-rss_limit_mb=4096", str(corpus),
    ]  # fmt: skip
    atheris.Setup(arguments, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
