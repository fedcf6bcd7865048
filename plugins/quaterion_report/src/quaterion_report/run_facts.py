"""What is known about the training run of a model, from the files beside it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from quaterion_core.recipe import Recipe
from quaterion_core.recipe.evaluate import RECIPE_FILE, recipe_of
from quaterion_core.recipe.report import REPORT_FILE
from quaterion_report.report_data import Fact, Run, Split

_MOST_BYTES: Final = 16_000_000
_LONGEST: Final = 300


def run_of(folder: Path) -> Run | None:
    """Return what the recipe and the report of a model's folder say about its training run.

    Returns:
        ``None`` if there is no recipe.

    Raises:
        RecipeError: The recipe is invalid.
        ValueError: The report is no JSON object.
    """
    if not (folder / RECIPE_FILE).is_file():
        return None
    report = _report(folder / REPORT_FILE)
    history = report.get("history")
    best_epoch = report.get("best_epoch")
    return Run(
        facts=[Fact(name=name, value=value) for name, value in _facts(recipe_of(folder), report)],
        splits=list(_splits(report.get("data"))),
        recipe=(folder / RECIPE_FILE).read_text(encoding="utf-8")[:20_000],
        history=[_epoch(epoch) for epoch in history] if isinstance(history, list) else [],
        best_epoch=best_epoch if isinstance(best_epoch, int) else None,
    )


def _report(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        return {}
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError(f"Expected a report of up to {_MOST_BYTES:,} bytes, got {path}.")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"Expected {path} to contain a JSON object.")
    return content


def _facts(recipe: Recipe, report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "data", _choice(recipe.data)
    if recipe.encoders:
        for key, choice in recipe.encoders.items():
            yield f"encoder {key}", _choice(choice)
    else:
        yield "encoder", _choice(recipe.encoder)
    yield "head", _choice(recipe.head)
    yield "loss", _choice(recipe.loss)
    yield "optimizer", _choice(recipe.optimizer)
    if recipe.schedule is not None:
        yield "schedule", _choice(recipe.schedule)
    epochs = report.get("epochs", recipe.epochs)
    kept = f", kept the weights of epoch {best}" if (best := report.get("best_epoch")) else ""
    yield "epochs", f"{epochs}{kept}"
    yield "batch size", f"{recipe.batch_size:,}"
    yield "seed", str(report.get("seed", recipe.seed))
    seconds = report.get("seconds")
    if isinstance(seconds, (int, float)):
        yield "duration", _duration(seconds)
    device = report.get("device")
    if isinstance(device, dict):
        yield "device", ", ".join(str(device[key]) for key in ("type", "name") if key in device)
    versions = report.get("versions")
    if isinstance(versions, dict):
        yield "versions", ", ".join(f"{name} {version}" for name, version in versions.items())
    if isinstance(command := report.get("command"), str):
        yield "command", command[:2_000]


def _choice(choice: Any) -> str:
    """Return a component and its arguments in one line.

    Example:
        >>> _choice({"name": "quaterion-core/skip-connection", "dropout": 0.1})
        'skip-connection, dropout: 0.1'
        >>> _choice("quaterion-core/triplet")
        'triplet'
    """
    if not isinstance(choice, Mapping):
        return str(choice).removeprefix("quaterion-core/")
    name = str(choice.get("name", "")).removeprefix("quaterion-core/")
    given = [f"{key}: {_value(value)}" for key, value in choice.items() if key != "name"]
    return ", ".join([name, *given])


def _value(value: Any) -> str:
    """Return an argument as text: of paths only the end, of long values the beginning."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    text = str(value)
    if isinstance(value, str) and Path(text).is_absolute():
        return "/".join(["…", *Path(text).parts[-2:]])
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _duration(seconds: float) -> str:
    """Return a duration for people.

    Example:
        >>> _duration(24.39), _duration(3600.0), _duration(90061.0)
        ('24 s', '1 h 0 min', '25 h 1 min')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def _splits(splits: Any) -> Iterator[Split]:
    for name, split in splits.items() if isinstance(splits, dict) else ():
        yield Split(name=name, samples=split.get("samples", 0), digest=split.get("digest"))


def _epoch(epoch: Any) -> dict[str, float | None]:
    """Return the logged numbers of an epoch; those that are not finite are left out."""
    return {
        str(name): float(value)
        for name, value in (epoch.items() if isinstance(epoch, dict) else ())
        if isinstance(value, (int, float)) and math.isfinite(value)
    }
