"""The samples that a recipe names, and the metrics of a model over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from quaterion_core.components import build_component
from quaterion_core.dataset.similarity_samples import SimilarityPairSample
from quaterion_core.dataset.split_dataset import SplitDataset
from quaterion_core.eval.attached_metric import AttachedMetric
from quaterion_core.eval.evaluator import Evaluator
from quaterion_core.eval.samplers.sampler_for import sampler_for
from quaterion_core.eval.statistics import Interval
from quaterion_core.model import SimilarityModel
from quaterion_core.recipe.paths import resolved
from quaterion_core.recipe.query_results import QueryResults
from quaterion_core.recipe.settings import Recipe


def build_dataset(recipe: Recipe) -> SplitDataset:
    """Build the dataset of a recipe; relative paths are relative to the recipe's folder."""
    dataset: SplitDataset = build_component("dataset", resolved(recipe, ["data"]).data)
    return dataset


def load_reference(
    dataset: SplitDataset, split: str | None, loaded: Mapping[str | None, Sequence[Any]]
) -> Sequence[Any] | None:
    """Return the samples of the reference split, in which queries are searched, if there is one.

    Args:
        dataset: The dataset.
        split: The split, or ``None``.
        loaded: The splits that are already loaded.

    Raises:
        ValueError: There is no such split, it has no samples, or its samples are pairs.
    """
    if split is None:
        return None
    samples = loaded[split] if split in loaded else dataset.load(split)
    if not samples:
        raise ValueError(f"The reference is the split {split!r}, which has no samples.")
    if isinstance(samples[0], SimilarityPairSample):
        raise ValueError(
            f"Expected a reference only for group samples, got the reference {split!r} for pairs, "
            "which define their matches themselves. Leave it out."
        )
    return samples


class Evaluation:
    """The metrics of a model over samples, used before and after training.

    For pairs, each ``obj_a`` is a query over all ``obj_b``. For groups, each object is a query over
    the objects of the reference, or over all other objects if there is none.

    Args:
        samples: The samples to evaluate on.
        metrics: The metrics.
        reference: The samples whose objects are searched, for groups.

    Raises:
        TypeError: A metric does not support samples of this kind.
    """

    def __init__(
        self,
        samples: Sequence[Any],
        metrics: Sequence[AttachedMetric],
        reference: Sequence[Any] | None = None,
    ):
        self.samples = samples
        self.reference = reference
        self.is_empty = not samples or not metrics
        if self.is_empty:
            return
        self._sampler = sampler_for(samples, reference)
        self._evaluator = Evaluator(
            {metric.name: metric.metric for metric in metrics}, self._sampler
        )

    def with_intervals(
        self, model: SimilarityModel
    ) -> tuple[dict[str, float], dict[str, Interval | None]]:
        """Return the value of each metric by name, as :meth:`evaluate` does, and its interval.

        Args:
            model: The model.
        """
        if self.is_empty:
            return {}, {}
        results = self.results(model)
        return results.figures, results.intervals

    def evaluate(self, model: SimilarityModel) -> dict[str, float]:
        """Return the value of each metric by name, rounded to six digits; empty if there are none.

        Args:
            model: The model.
        """
        if self.is_empty:
            return {}
        return self.results(model).figures

    def results(self, model: SimilarityModel, nearest: int = 0) -> QueryResults:
        """Return the values of the metrics, of individual queries, and what these find.

        Args:
            model: The model.
            nearest: Number of nearest candidates of each query to return; 0 for none.

        Raises:
            ValueError: There are no samples or no metrics.
        """
        if self.is_empty:
            raise ValueError("Expected samples and metrics, got none.")
        sampler = self._sampler
        try:
            scores = sampler.scores(self.samples, self._evaluator.metrics, model, nearest)
            retrieval = sampler.retrieval(self.samples, model)
        finally:
            sampler.reset()
        return QueryResults(self._evaluator.metrics, scores, retrieval, self._objects)

    def _objects(self) -> list[Any]:
        objects = list(self._sampler.objects_of(self.samples))
        if self.reference is not None and self.reference is not self.samples:
            objects += self._sampler.objects_of(self.reference)
        return objects
