"""Interface of metrics over pairs and their scores, without retrieval."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from torch import Tensor

from quaterion_core.distances import Distance
from quaterion_core.eval.pair.pair_metric import PairMetric
from quaterion_core.eval.retrieval import Retrieval


class PairScoreMetric(PairMetric):
    """Metric of the similarities of the given pairs and their labels.

    Only the two objects of a pair are compared, so that memory and time grow with the number of
    pairs. A subclass defines :meth:`score`.

    Where a sampler limits the number of queries, pairs without a query are ignored.

    Args:
        distance_metric_name: Distance whose similarity is compared.

    Example:
        >>> import torch
        >>> class MeanError(PairScoreMetric):
        ...     def score(self, similarities, labels): return (similarities - labels).abs().mean()
        >>> targets = {"pairs": torch.tensor([[0, 1]]), "subgroups": torch.tensor([4, 4])}
        >>> MeanError().compute(torch.eye(2), labels=torch.tensor([0.2]), **targets)
        tensor(0.2000)
    """

    def __init__(self, distance_metric_name: Distance | str = Distance.COSINE):
        super().__init__(distance_metric_name, reduce_func=None)

    @abstractmethod
    def score(self, similarities: Tensor, labels: Tensor) -> Tensor:
        """Return the value.

        Args:
            similarities: Similarity of the two objects of each pair, shape (P,).
            labels: Label of each pair, shape (P,).

        Returns:
            A scalar.
        """

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this metric, as JSON values."""
        return {"distance_metric_name": self.distance_metric_name.value}

    def of_retrieval(self, retrieval: Retrieval) -> Tensor:
        """Return :meth:`score` of the pairs that hold a query."""
        return self.score(*self.scored_pairs(retrieval))

    def scored_pairs(self, retrieval: Retrieval) -> tuple[Tensor, Tensor]:
        """Return similarity and label of the pairs that hold a query."""
        pairs, labels = retrieval.targets["pairs"], retrieval.targets["labels"]
        has_query = retrieval.holds_query(pairs)
        return retrieval.similarities(self.distance, pairs[has_query]), labels[has_query]

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
