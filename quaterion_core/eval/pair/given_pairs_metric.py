"""Interface of metrics over the given pairs alone, without retrieval."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Final

from torch import Tensor

from quaterion_core.distances import Distance
from quaterion_core.eval.pair.pair_metric import PairMetric
from quaterion_core.eval.retrieval import Retrieval

RESAMPLES: Final = 1000
"""Number of bootstrap samples, from each of which a metric is computed anew."""


class GivenPairsMetric(PairMetric):
    """Metric of the similarities of the given pairs.

    Only the two objects of a pair are compared, so that memory and time grow with the number of
    pairs. Where a sampler limits the number of queries, pairs without a query are ignored.

    Args:
        distance_metric_name: Distance whose similarity is compared.
    """

    def __init__(self, distance_metric_name: Distance | str = Distance.COSINE):
        super().__init__(distance_metric_name, reduce_func=None)

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this metric, as JSON values."""
        return {"distance_metric_name": self.distance_metric_name.value}

    @abstractmethod
    def of_retrieval(self, retrieval: Retrieval) -> Tensor:
        """Return the value over the pairs that hold a query."""

    def given_pairs(self, retrieval: Retrieval) -> tuple[Tensor, Tensor, Tensor]:
        """Return the pairs that hold a query: rows (P, 2), similarities (P,) and labels (P,)."""
        pairs, labels = retrieval.targets["pairs"], retrieval.targets["labels"]
        has_query = retrieval.holds_query(pairs)
        pairs = pairs[has_query]
        return pairs, retrieval.similarities(self.distance, pairs), labels[has_query]

    def raw_compute(self, distance_matrix: Tensor, labels: Tensor) -> Tensor:
        """Raise a ``TypeError``: a matrix of queries and candidates does not hold all pairs.

        Raises:
            TypeError: Always.
        """
        raise TypeError(
            f"{type(self).__name__} compares the two objects of each pair, and a matrix of queries "
            "and candidates does not contain the pairs. Evaluate it with PairSampler, or with "
            "update() and evaluate()."
        )
