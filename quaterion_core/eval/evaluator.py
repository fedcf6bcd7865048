"""Metrics over a whole dataset, or over a sample of its queries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor
from typing_extensions import Unpack

from quaterion_core.dataset.sources import Columns, samples_from
from quaterion_core.eval.base_metric import BaseMetric
from quaterion_core.eval.samplers.base_sampler import BaseSampler
from quaterion_core.eval.scoring import Scores

if TYPE_CHECKING:
    from quaterion_core.model import SimilarityModel


class Evaluator:
    """Metrics of a model over a dataset.

    The dataset is encoded once, each distinct object once, and all metrics share the same queries.
    Memory is that of the embeddings and a bounded block of distances.

    Args:
        metrics: Metrics by name, or a single one, which is named after its class.
        sampler: Chooses the queries and the candidates.

    Raises:
        TypeError: A metric is not a metric, or not of the sampler's kind.
        ValueError: There are no metrics.

    Example:
        Mean and deviation from the values of the individual queries:

        >>> import torch
        >>> from quaterion_core.dataset import SimilarityPairSample
        >>> from quaterion_core.eval.pair import RetrievalPrecision, RetrievalReciprocalRank
        >>> from quaterion_core.eval.samplers import PairSampler
        >>> class Lengths:
        ...     def encode(self, words, batch_size, to_numpy):
        ...         return torch.tensor([[len(word), 4.0] for word in words])
        >>> pairs = [("a", "b"), ("cc", "dd"), ("eee", "ffffff")]
        >>> metrics = {"p@1": RetrievalPrecision(), "rr": RetrievalReciprocalRank(reduce_func=None)}
        >>> evaluator = Evaluator(metrics, PairSampler(distinguish=True, log_progress=False))
        >>> values = evaluator.evaluate([SimilarityPairSample(a, b) for a, b in pairs], Lengths())
        >>> values["p@1"], values["rr"]
        (tensor(0.6667), tensor([1.0000, 1.0000, 0.5000]))
        >>> values["rr"].mean(), values["rr"].std()
        (tensor(0.8333), tensor(0.2887))
    """

    def __init__(self, metrics: BaseMetric | Mapping[str, BaseMetric], sampler: BaseSampler):
        if not isinstance(metrics, Mapping):
            metrics = {type(metrics).__name__: metrics}
        if not metrics:
            raise ValueError("Expected at least one metric, got an empty dictionary.")
        if not isinstance(sampler, BaseSampler):
            raise TypeError(
                f"Expected sampler to be a PairSampler, a GroupSampler or another BaseSampler, got "
                f"{sampler!r:.80}."
            )
        for metric in metrics.values():
            sampler.check_metric(metric)
        self.metrics = dict(metrics)
        self.sampler = sampler

    def evaluate(
        self, dataset: Any, model: SimilarityModel, **columns: Unpack[Columns]
    ) -> dict[str, Tensor]:
        """Compute the metrics.

        Args:
            dataset: Similarity samples: a list, a PyTorch dataset, any iterable, or a data loader,
                whose dataset is then read whole; or a table, list or dataset with the columns of
                samples, as for :func:`~quaterion_core.dataset.samples_from`.
            model: Encodes the objects.
            **columns: Names of columns, such as ``obj_a="question", obj_b="answer"``.

        Returns:
            The value of each metric by name, on the device that was given to the sampler; by
            default on the CPU.

        Raises:
            TypeError: A sample is not of the sampler's kind, or ``model`` cannot
                encode.
            ValueError: The dataset is empty, or an embedding is not finite.
        """
        return self.scores(dataset, model, **columns).values

    def scores(
        self, dataset: Any, model: SimilarityModel, nearest: int = 0, **columns: Unpack[Columns]
    ) -> Scores:
        """Compute the metrics, the values of the individual queries, and what these find.

        Args:
            dataset: As for :meth:`evaluate`.
            model: Encodes the objects.
            nearest: Number of nearest candidates of each query to return; 0 for none.
            **columns: Names of columns, as for :meth:`evaluate`.

        Raises:
            TypeError: A sample is not of the sampler's kind, or ``model`` cannot
                encode.
            ValueError: The dataset is empty, or an embedding is not finite.
        """
        try:
            if columns:
                dataset = samples_from(dataset, **columns)
            return self.sampler.scores(dataset, self.metrics, model, nearest)
        finally:
            self.sampler.reset()
