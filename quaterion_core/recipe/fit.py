"""Fitting a model from a recipe: from the check to the saved folder.

Lightning is imported only when a run starts, or when there is a trainer to check.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quaterion_core.eval.statistics import Interval
from quaterion_core.model import SimilarityModel
from quaterion_core.recipe.preparation import prepare
from quaterion_core.recipe.reading import RecipeLike
from quaterion_core.recipe.settings import Recipe


@dataclass(frozen=True)
class FitResult:
    """Result of fitting a recipe.

    Attributes:
        model: The fitted model.
        before: The metrics over the validation split before training, by name; empty without
            metrics or without such a split.
        after: The metrics after training.
        intervals: 95 % bootstrap interval of each metric after training; ``None`` for none.
        history: The logged values of each epoch, with its number as ``epoch``.
        seconds: Duration of training, in seconds.
        cache_seconds: Duration of filling the cache, in seconds.
        epochs: Number of trained epochs.
        best_epoch: Number of the epoch whose weights the model has; ``None`` for the last one.
        is_cached: Whether embeddings were cached.
        output: The folder that the model was saved in, if it was.
        takes_texts: Whether the objects are texts, so that a query is one.
        facts: Provenance of the run: ``data`` (samples and digest of each split), ``seed``,
            ``device``, ``versions`` and ``command``.
    """

    model: SimilarityModel
    before: dict[str, float]
    after: dict[str, float]
    history: list[dict[str, float]]
    seconds: float
    cache_seconds: float
    epochs: int
    best_epoch: int | None = None
    is_cached: bool = False
    output: Path | None = None
    takes_texts: bool = True
    facts: dict[str, Any] = field(default_factory=dict)
    intervals: dict[str, Interval | None] = field(default_factory=dict)

    def report(self) -> dict[str, Any]:
        """Return the content of ``report.json``, which is saved with the model."""
        return {
            "before": self.before,
            "after": self.after,
            "intervals": {
                name: None if interval is None else list(interval)
                for name, interval in self.intervals.items()
            },
            "seconds": round(self.seconds, 2),
            "cache_seconds": round(self.cache_seconds, 2),
            "epochs": self.epochs,
            "best_epoch": self.best_epoch,
            "history": self.history,
            **self.facts,
        }


def fit_recipe(
    recipe: RecipeLike,
    output: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    *,
    resume: bool = False,
    write: Callable[[str], object] = print,
) -> FitResult:
    """Fit a model from a recipe, and save it.

    The recipe, its data files, the device and the output folder are checked first. Training starts
    from the recipe's seed, so the same recipe results in the same model.

    Args:
        recipe: The path of a YAML file, YAML text, or a mapping; see
            :class:`~quaterion_core.recipe.Recipe` for its keys.
        output: The folder to save the model in, new or empty, together with the recipe
            (``recipe.yaml``) and the results (``report.json``). By default nothing is saved.
        overwrite: Whether to replace a model that is saved at ``output``.
        resume: Whether to continue the run for this ``output`` that was interrupted by Ctrl-C,
            SIGTERM or an error. Until the model is saved, its state is kept in a hidden folder
            beside ``output``.
        write: Called with each line of progress.

    Raises:
        RecipeError: The recipe cannot be run; the message lists all faults.
        TrainingError: The run cannot continue, such as after a loss that is not finite.
        TrainingInterrupted: The run was stopped by Ctrl-C.
        TrainingTerminated: The run was stopped by SIGTERM; the exit code is 143.

    Example:
        >>> from quaterion_core import fit_recipe
        >>> result = fit_recipe("no_such_recipe.yaml")
        Traceback (most recent call last):
        quaterion_core.recipe.faults.RecipeError: no_such_recipe.yaml cannot be read: ...
    """
    prepared = prepare(recipe, output, overwrite, write, resume)
    from quaterion_core.recipe.run import run

    return run(prepared, write)


def check_recipe(
    recipe: RecipeLike,
    output: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
) -> Recipe:
    """Check all of a recipe that can be checked without running it.

    These are keys and values, the names and arguments of all components, the files of the splits,
    the trainer and its device, the plugins, and the output folder, if one is given.

    Raises:
        RecipeError: The recipe cannot be run; the message lists all faults.
    """
    return prepare(recipe, output, overwrite).recipe
