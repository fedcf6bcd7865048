"""Interface of samplers, which choose the queries and candidates of an evaluation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from quaterion_core.eval.base_metric import BaseMetric
from quaterion_core.eval.retrieval_metrics.retrieval_metric import RetrievalMetric
from quaterion_core.eval.scoring import Scores

if TYPE_CHECKING:
    from quaterion_core.model import SimilarityModel


class BaseSampler(ABC):
    """Sampler of the queries of an evaluation.

    Args:
        sample_size: Number of queries; -1 or a larger number than there are for all.
        device: Where distances and metrics are computed and returned; by default they are computed
            on the GPU if there is one, and returned on the CPU.
        log_progress: Whether to show a progress bar.
        seed: Seed of the sample, which is the same in each evaluation, so that models can be
            compared. ``None`` draws a new sample each time.

    Raises:
        ValueError: ``sample_size`` is 0 or below -1.
    """

    metric_type: ClassVar[type[BaseMetric]] = BaseMetric  # type: ignore[type-abstract]

    def __init__(
        self,
        sample_size: int = -1,
        device: torch.device | str | None = None,
        log_progress: bool = True,
        seed: int | None = 0,
    ):
        if sample_size == 0 or sample_size < -1:
            raise ValueError(
                f"Expected sample_size, the number of queries, to be positive or -1 for all, "
                f"got {sample_size}."
            )
        self.sample_size = sample_size
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.result_device = torch.device(device or "cpu")
        self.log_progress = log_progress
        self.seed = seed

    @abstractmethod
    def sample(
        self, dataset: Iterable[Any], metric: BaseMetric, model: SimilarityModel
    ) -> tuple[Tensor, Tensor]:
        """Return labels and distances of sampled queries and all candidates, both (Q, M).

        Args:
            dataset: Similarity samples.
            metric: Defines the distance and the relevance.
            model: Encodes the objects.

        Returns:
            ``labels`` and ``distance_matrix``, as ``metric.raw_compute(distance_matrix, labels)``
            takes them.
        """

    def reset(self) -> None:  # noqa: B027 - a sampler may keep nothing
        """Discard the dataset and the sample."""

    def check_metric(self, metric: BaseMetric) -> None:
        """Check that a metric is of this sampler's kind.

        Raises:
            TypeError: It is neither an instance of :attr:`metric_type` nor a metric of both kinds.
        """
        if not isinstance(metric, (self.metric_type, RetrievalMetric)):
            raise TypeError(
                f"Expected a {self.metric_type.__name__} for {type(self).__name__}, got "
                f"{metric!r:.80}. Use PairSampler for pair metrics and GroupSampler for group "
                "metrics."
            )

    def score(
        self, dataset: Iterable[Any], metrics: Mapping[str, BaseMetric], model: SimilarityModel
    ) -> dict[str, Tensor]:
        """Return the value of each metric by name, as :meth:`scores` computes them."""
        return self.scores(dataset, metrics, model).values

    def scores(
        self,
        dataset: Iterable[Any],
        metrics: Mapping[str, BaseMetric],
        model: SimilarityModel,
        nearest: int = 0,
    ) -> Scores:
        """Compute metrics of the sampled queries.

        A sampler that only defines :meth:`sample` passes its result to each metric, and has neither
        values of individual queries nor nearest candidates.

        Args:
            dataset: Similarity samples.
            metrics: Metrics by name.
            model: Encodes the objects.
            nearest: Number of nearest candidates of each query to return, if the sampler can.

        Returns:
            The value of each metric, and what is known of the individual queries.
        """
        values = {}
        for name, metric in metrics.items():
            labels, distance_matrix = self.sample(dataset, metric, model)
            values[name] = metric.raw_compute(distance_matrix, labels)
        return Scores(values, {}, torch.empty(0, dtype=torch.int64))
