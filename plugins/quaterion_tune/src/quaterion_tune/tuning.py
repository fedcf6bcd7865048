"""Tuning: a search over recipes under a budget, whose result is never worse than the encoder."""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import optuna

from quaterion_core import SimilarityModel
from quaterion_core.model_folder import check_model_output, is_model_folder
from quaterion_core.recipe import (
    Comparison,
    build_dataset,
    compare_models,
    evaluate_recipe,
    fit_recipe,
)
from quaterion_core.recipe.paths import resolved
from quaterion_core.recipe.reading import open_recipe, parse_recipe
from quaterion_core.recipe.saving import saved_recipe
from quaterion_core.recipe.untouched import untouched_model
from quaterion_core.train.errors import TrainingError
from quaterion_tune.encoders import choose_encoder
from quaterion_tune.interpolation import WEIGHTS, interpolated
from quaterion_tune.marked import is_marked, suggested
from quaterion_tune.recognition import recognise
from quaterion_tune.space import first_choices, recipe_of

_SEARCH: Final = 0.9
"""Share of the budget for the search; the rest is for the comparison."""

_QUIET: Final = {
    "enable_progress_bar": False, "enable_model_summary": False, "logger": False,
}  # fmt: skip
_BEFORE: Final = "untouched"
_TUNED: Final = "tuned"


@dataclass(frozen=True)
class Trial:
    """A training run of a search.

    Attributes:
        number: Its number.
        value: The metric over the validation split; ``None`` if the run failed.
        seconds: How long it took.
        choices: What was chosen.
        fault: Why the run failed.
    """

    number: int
    value: float | None
    seconds: float
    choices: dict[str, Any]
    fault: str = ""


@dataclass(frozen=True)
class TuneResult:
    """Result of a tuning.

    Attributes:
        output: Folder of the model.
        data: What the data are, for people.
        encoder: What the encoder is, for people.
        metric: What was maximised.
        trials: All training runs.
        recipe: The recipe of the best one.
        chosen: What was saved: ``untouched``, ``tuned``, or the weight of the tuned model for one
            between both, such as ``0.5``.
        candidates: The metric over the validation split by candidate.
        comparison: The candidate that the validation split preferred, compared with the untouched
            encoder on the test split, which has chosen nothing; ``None`` if that preferred the
            untouched one. Without a test split it is compared on the validation split.
    """

    output: Path
    data: str
    encoder: str
    metric: str
    trials: list[Trial]
    recipe: dict[str, Any]
    chosen: str
    candidates: dict[str, float]
    comparison: Comparison | None = field(repr=False, default=None)

    @property
    def keeps_base(self) -> bool:
        """Whether nothing was found that is better than the untouched encoder."""
        return self.chosen == _BEFORE

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        return {
            "data": self.data,
            "encoder": self.encoder,
            "metric": self.metric,
            "chosen": self.chosen,
            "candidates": self.candidates,
            "test": [] if self.comparison is None else self.comparison.rows(),
            "trials": [vars(trial) for trial in self.trials],
        }


def tune(
    data: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    minutes: float = 10.0,
    trials: int | None = None,
    encoder: str | None = None,
    columns: Mapping[str, str] | None = None,
    seed: int = 0,
    overwrite: bool = False,
    write: Callable[[str], object] = print,
) -> TuneResult:
    """Find the best model for some data under a budget of time.

    Each trial is a training run with another recipe, which the search of Optuna (Akiba et al. 2019)
    chooses. Trials are compared on a validation split; the best one, models between it and the
    untouched encoder, and the untouched encoder itself are candidates. What the validation split
    prefers is compared with the untouched encoder on a test split, query by query, and saved only
    if it is significantly better; else the untouched encoder is. The splits share no object.

    The folder holds an ordinary model, its recipe (``recipe.yaml``) and the trials (``tune.json``).

    Args:
        data: A file or a folder; see :func:`recognise`. Or a recipe, a YAML file that marks what to
            search: ``lr: {search: {low: 0.001, high: 0.1, log: true}}``, ``loss: {search: [triplet,
            supcon]}``; its first metric is maximised.
        output: Folder of the model, new or empty.
        minutes: The budget, in minutes. A trial is begun only if one as long as the longest before
            fits in; the first one is always finished.
        trials: Most trials; by default as many as the budget allows.
        encoder: Name or folder of a pretrained model; by default one that is on this machine, or
            else one that is trained from scratch.
        columns: Columns by field, where they are not recognised.
        seed: Seed of the search and of the training runs.
        overwrite: Replace a model that is saved there.
        write: Called with each line of progress.

    Raises:
        FileNotFoundError: There are no data.
        OutputExistsError: The folder is not empty.
        ValueError: The data are not recognised, are too few, or no trial succeeded.
    """
    if not minutes > 0 or (trials is not None and trials < 1):
        raise ValueError(
            f"Expected a budget above 0 and at least one trial, got {minutes} minutes, {trials} "
            "trials."
        )
    target = Path(output)
    check_model_output(target, overwrite=overwrite)
    with tempfile.TemporaryDirectory() as work, _quiet():
        is_recipe = Path(data).suffix.lower() in (".yaml", ".yml")
        if is_recipe and (encoder is not None or columns):
            raise ValueError("Expected encoder and columns in the recipe.")
        plan = (
            _recipe_plan(Path(data), seed)
            if is_recipe
            else _data_plan(Path(data), columns, encoder, Path(work), seed)
        )
        write(f"Data: {plan.data}.")
        write(f"Encoder: {plan.encoder}.")
        search = _Search(plan, Path(work), seed, write)
        best, fitted = search.run(minutes * 60 * _SEARCH, trials)
        return _decided(search, best, fitted, target, overwrite=overwrite)


@dataclass(frozen=True)
class _Plan:
    """What is searched.

    Attributes:
        data: What the data are, for people.
        encoder: What the encoder is, for people.
        propose: Returns the recipe that a trial chooses.
        first: What the first trial chooses; nothing for a trial like others.
    """

    data: str
    encoder: str
    propose: Callable[[optuna.Trial], dict[str, Any]]
    first: Mapping[str, Any] = field(default_factory=dict)


def _data_plan(
    path: Path, columns: Mapping[str, str] | None, encoder: str | None, work: Path, seed: int
) -> _Plan:
    found = recognise(path, columns)
    chosen = choose_encoder(found.modality, encoder)
    propose = partial(
        recipe_of,
        recognised=found,
        encoder=chosen,
        size=chosen.embedding_size() if chosen.is_pretrained else 0,
        cache=str(work / "embeddings"),
        seed=seed,
    )
    return _Plan(found.reason, chosen.reason, propose, first_choices(found, chosen))


def _recipe_plan(path: Path, seed: int) -> _Plan:
    """Return what a recipe marks.

    Raises:
        ValueError: It marks nothing, or has no metrics.
    """
    source = open_recipe(path)
    if not is_marked(source.content):
        raise ValueError(
            f"Expected {path} to mark what to search, such as 'lr: {{search: {{low: 0.001, high: "
            "0.1, log: true}}' or 'loss: {search: [triplet, supcon]}'. Fit it as it is: quaterion "
            f"fit {path}."
        )
    if not source.content.get("metrics"):
        raise ValueError(f"Expected {path} to name metrics, of which the first is maximised.")

    def propose(trial: optuna.Trial) -> dict[str, Any]:
        content = {"seed": seed, **suggested(source.content, trial)}
        recipe = parse_recipe(replace(source, content=content))
        paths = resolved(recipe, [key for key in ("data", "encoder", "encoders") if key in content])
        chosen: dict[str, Any] = paths.model_dump(exclude_unset=True)
        return chosen

    return _Plan(f"those of {path}", "that of the recipe", propose)


class _Search:
    """The trials over one set of data."""

    def __init__(
        self,
        plan: _Plan,
        work: Path,
        seed: int,
        write: Callable[[str], object],
    ):
        self.plan, self.write = plan, write
        self.trials: list[Trial] = []
        self.metric = ""
        self._seed = seed
        self._work = work
        self._best: tuple[float, dict[str, Any], Path] | None = None

    def run(self, seconds: float, trials: int | None) -> tuple[dict[str, Any], Path]:
        """Run trials until the time is over, and return the best recipe and its model's folder.

        Raises:
            ValueError: No trial succeeded.
        """
        study = optuna.create_study(
            direction="maximize", sampler=optuna.samplers.TPESampler(seed=self._seed)
        )
        if self.plan.first:
            study.enqueue_trial(dict(self.plan.first))
        end = time.monotonic() + seconds

        def stop_in_time(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
            if time.monotonic() + max(run.seconds for run in self.trials) > end:
                study.stop()

        study.optimize(self._value, n_trials=trials, callbacks=[stop_in_time])
        if self._best is None:
            raise ValueError(f"No trial succeeded. The first one: {self.trials[0].fault}")
        return self._best[1:]

    def _value(self, trial: optuna.Trial) -> float:
        recipe = self.plan.propose(trial)
        begin = time.monotonic()
        fitted = self._work / f"trial-{trial.number}"
        try:
            quiet = {**recipe, "trainer": {**recipe.get("trainer", {}), **_QUIET}}
            result = fit_recipe(quiet, fitted, write=_silent)
        except (ValueError, TrainingError) as error:
            seconds = time.monotonic() - begin
            fault = str(error).splitlines()[0][:500]
            self.trials.append(Trial(trial.number, None, seconds, trial.params, fault))
            self.write(f"Trial {trial.number + 1}: failed. {fault}")
            raise optuna.TrialPruned(fault) from error
        self.metric, value = next(iter(result.after.items()))
        seconds = time.monotonic() - begin
        self.trials.append(Trial(trial.number, value, seconds, trial.params))
        is_better = self._best is None or value > self._best[0]
        if is_better:
            if self._best is not None:
                shutil.rmtree(self._best[2])
            self._best = value, recipe, fitted
        else:
            shutil.rmtree(fitted)
        note = ", the best so far" if is_better else ""
        self.write(f"Trial {trial.number + 1}: {self.metric} {value:.4f} ({seconds:.0f} s){note}")
        return value


def _decided(
    search: _Search, recipe: dict[str, Any], fitted: Path, target: Path, *, overwrite: bool
) -> TuneResult:
    """Choose among the candidates, and save the one that is chosen."""
    tuned = SimilarityModel.load(fitted)
    settings = parse_recipe(open_recipe(recipe))
    untouched = untouched_model(tuned, settings)
    models = {_BEFORE: untouched}
    for weight in WEIGHTS:
        between = interpolated(untouched, tuned, weight)
        if between is not None:
            models[str(weight)] = between
    models[_TUNED] = tuned
    values = {
        name: evaluate_recipe(model, recipe).metrics[search.metric]
        for name, model in models.items()
    }
    chosen = max(values, key=lambda name: values[name])
    comparison = None
    if chosen != _BEFORE:
        split = "test" if "test" in build_dataset(settings).splits else None
        comparison = compare_models(untouched, models[chosen], recipe, split=split)
        main = comparison.metrics[0]
        if not (main.difference > 0 and main.is_significant):
            chosen = _BEFORE
    result = TuneResult(
        target, search.plan.data, search.plan.encoder, search.metric, search.trials, recipe, chosen,
        values, comparison,
    )  # fmt: skip
    kept = dict(recipe)
    if str(recipe.get("cache", {}).get("save_dir", "")).startswith(str(fitted.parent)):
        kept["cache"] = {}  # not in the temporary folder
    notes = {
        "recipe.yaml": saved_recipe(parse_recipe(open_recipe(kept))),
        "tune.json": json.dumps(result.to_dict(), indent=1, default=str),
    }
    if chosen == _TUNED:
        notes["report.json"] = (fitted / "report.json").read_text(encoding="utf-8")
    models[chosen].save(target, overwrite=overwrite and is_model_folder(target), notes=notes)
    return result


def _silent(line: str) -> None:
    """Leave out a line of progress of a single run."""


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out what libraries tell of single runs."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    lightning = logging.getLogger("pytorch_lightning")
    level = lightning.level
    lightning.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        lightning.setLevel(level)
