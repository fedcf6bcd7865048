"""R-precision."""

from __future__ import annotations

from torch import Tensor

from quaterion_core.eval.group.group_metric import GroupMetric
from quaterion_core.eval.ranking import Needs, Ranking, hits_among_relevant


class RetrievalRPrecision(GroupMetric):
    """R-precision: the share of relevant objects among the R nearest, of R relevant ones.

    Relevant to a query are the other objects of its group. Each query counts the same, whatever
    the size of its group; the only object of a group is not a query. The value is 1 if every
    object is nearer to all of its group than to any other object. Of objects at the same distance,
    irrelevant ones count as nearer.

    Manning, Raghavan and Schütze, *Introduction to Information Retrieval* (2008), section 8.4.

    Args:
        distance_metric_name: Distance by which candidates are ranked.
        reduce_func: Reduces the values of all queries that have a relevant object to one value; 0
            if there are none. ``None`` returns the values, in the order of the queries.

    Example:
        >>> import torch
        >>> embeddings = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.5, 0.5], [0.0, 1.0]])
        >>> RetrievalRPrecision().compute(embeddings, groups=torch.tensor([1, 1, 1, 2]))
        tensor(0.8333)
        >>> RetrievalRPrecision(reduce_func=None).compute(embeddings, torch.tensor([1, 1, 1, 2]))
        tensor([1.0000, 1.0000, 0.5000])
    """

    @property
    def needs(self) -> Needs:
        """The R nearest candidates."""
        return Needs(nearest_relevant=True)

    def ranking_values(self, ranking: Ranking) -> Tensor:
        """Return the share of relevant ones among the R nearest."""
        return hits_among_relevant(ranking).sum(dim=1) / ranking.relevant_count.clamp(min=1)


def retrieval_r_precision(distance_matrix: Tensor, labels: Tensor) -> Tensor:
    """Return the R-precision of each query.

    Args:
        distance_matrix: Distances of Q queries from N objects, shape (Q, N); infinite where an
            object would find itself.
        labels: Relevant where above 0, shape (Q, N).

    Returns:
        Shape (Q,); 0 where nothing is relevant.

    Raises:
        ValueError: The shapes differ.

    Example:
        >>> import torch
        >>> distance_matrix = torch.tensor([[0.1, 0.2, 0.3], [0.1, 0.2, 0.3]])
        >>> retrieval_r_precision(distance_matrix, torch.tensor([[1, 0, 1], [0, 0, 0]]))
        tensor([0.5000, 0.0000])
    """
    return RetrievalRPrecision().query_values(distance_matrix, labels)
