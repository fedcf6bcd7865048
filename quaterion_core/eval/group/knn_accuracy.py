"""kNN accuracy: whether the nearest objects predict the group of a query."""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor

from quaterion_core.distances import Distance
from quaterion_core.eval.base_metric import ReduceFunction
from quaterion_core.eval.group.whole_groups_metric import WholeGroupsMetric
from quaterion_core.eval.ranking import Needs, Ranking, check_k
from quaterion_core.eval.retrieval import Retrieval
from quaterion_core.utils.ranges import Count, PositiveFloat

_VOTE_OF_THE_NEAREST: Final = 2**40
"""Votes are integers, so that sums do not depend on the order of addition."""


class KNNAccuracy(WholeGroupsMetric):
    """kNN accuracy: the share of queries whose group wins a vote of the k nearest objects.

    Each of the k nearest objects votes for its group. All votes count the same or, with a
    ``temperature``, each counts::

        exp(-distance/temperature)

    which for cosine and dot product equals exp(similarity/temperature) up to a factor that depends
    on the query only.

    A query counts 1 if its own group has more votes than any other, whichever of the objects at
    the distance of the k-th are among the k, and 0 otherwise: ties of votes and of distances are
    to the disadvantage of the model. Without a temperature, groups often tie; a classifier that
    guesses among them is right more often. As in all group metrics, a query whose group has no
    other object is ignored, which the accuracy of a classifier counts as wrong. With k = 1, it is
    recall@1.

    Source: Cover and Hart, Nearest Neighbor Pattern Classification, IEEE Transactions on
    Information Theory 13, 1967; the temperature is that of Wu et al., Unsupervised Feature
    Learning via Non-Parametric Instance Discrimination, CVPR 2018, section 3.4.

    Args:
        k: Number of nearest objects that vote; all objects if there are fewer.
        temperature: Decay of votes with the distance: the lower, the faster. 0.07 with k = 200 is
            common for self-supervised models. ``None`` counts all votes the same.
        distance_metric_name: Distance by which candidates are ranked.
        reduce_func: Reduces the values of all queries that have a relevant object to one value; 0
            if there are none. ``None`` returns the values, in the order of the queries.

    Raises:
        ValueError: ``k`` is below 1, or the temperature is not positive.

    Example:
        >>> embeddings = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.5, 0.5], [0.4, 0.6]])
        >>> groups = torch.tensor([1, 1, 2, 2])
        >>> KNNAccuracy(k=1).compute(embeddings, groups)
        tensor(1.)
        >>> # One of three votes is right, and it comes from the nearest.
        >>> KNNAccuracy(k=3).compute(embeddings, groups)
        tensor(0.)
        >>> KNNAccuracy(k=3, temperature=0.07).compute(embeddings, groups)
        tensor(1.)
    """

    def __init__(
        self,
        k: Count = 1,
        temperature: PositiveFloat | None = None,
        distance_metric_name: Distance | str = Distance.COSINE,
        reduce_func: ReduceFunction | None = torch.mean,
    ):
        super().__init__(distance_metric_name, reduce_func)
        check_k(k)
        if temperature is not None and not temperature > 0:
            raise ValueError(
                f"Expected temperature to be positive, or None for equal votes, got {temperature}."
            )
        self.k = k
        self.temperature = temperature

    @property
    def needs(self) -> Needs:
        """The k nearest candidates, and the next one, which may be as near as the k-th."""
        return Needs(nearest=self.k + 1)

    def block_values(self, ranking: Ranking, retrieval: Retrieval, start: int, stop: int) -> Tensor:
        """Return whether the groups of queries win the votes of what they find."""
        groups, queries = retrieval.targets["groups"], retrieval.queries[start:stop]
        scores, found = ranking.scores[:, : self.k], ranking.found[:, : self.k]
        if not found.numel():
            return torch.zeros(len(queries), device=scores.device)
        votes = _votes(-scores, -scores[:, :1], self.temperature)
        of_found = groups[retrieval.candidates[found.clamp(min=0)]]
        # All candidates of one query and one group share a number.
        _, group = torch.unique(of_found, return_inverse=True)
        rows = torch.arange(len(queries), device=group.device).unsqueeze(1)
        _, number = torch.unique(rows * (int(group.max()) + 1) + group, return_inverse=True)
        sums = votes.new_zeros(int(number.max()) + 1)
        sums = sums.index_add_(0, number.flatten(), votes.flatten())[number]
        is_own = of_found == groups[queries].unsqueeze(1)
        own, others = sums.masked_fill(~is_own, 0), sums.masked_fill(is_own, 0)
        values = (own.amax(dim=1) > others.amax(dim=1)).to(scores.dtype)
        # Which of the candidates at the distance of the k-th are found is left to chance.
        following = ranking.scores[:, self.k : self.k + 1]
        is_cut = ((following == scores[:, -1:]) & (following > -torch.inf)).any(dim=1)
        if is_cut.any():
            values[is_cut] = self.values_of(retrieval, queries[is_cut])
        return values

    def group_values(
        self, distance_matrix: Tensor, query_groups: Tensor, candidate_groups: Tensor
    ) -> Tensor:
        """Return :func:`is_group_of_nearest`."""
        return is_group_of_nearest(
            distance_matrix, query_groups, candidate_groups, self.k, self.temperature
        )

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this metric, as JSON values."""
        return {"k": self.k, "temperature": self.temperature, **super().get_config_dict()}


def is_group_of_nearest(
    distance_matrix: Tensor,
    query_groups: Tensor,
    candidate_groups: Tensor,
    k: int,
    temperature: float | None = None,
) -> Tensor:
    """Return for each query whether its group has the most votes of the k nearest objects.

    Args:
        distance_matrix: Distances of Q queries from N objects, shape (Q, N); infinite where an
            object would find itself, which has no vote.
        query_groups: Group of each query, shape (Q,), int64.
        candidate_groups: Group of each object, shape (N,), int64.
        k: Number of nearest objects that vote; all objects if there are fewer.
        temperature: A vote counts exp(-distance/temperature); with ``None`` all count the same.

    Returns:
        Shape (Q,), bool. Ties are resolved against the query's group.

    Example:
        >>> distance_matrix = torch.tensor([[0.1, 0.2, 0.2, 0.3]])
        >>> of_query, of_candidates = torch.tensor([7]), torch.tensor([7, 7, 8, 8])
        >>> is_group_of_nearest(distance_matrix, of_query, of_candidates, k=3)
        tensor([True])
        >>> is_group_of_nearest(distance_matrix, of_query, of_candidates, k=2)
        tensor([False])
    """
    count, objects = distance_matrix.shape
    if not objects:
        return torch.zeros(count, dtype=torch.bool, device=distance_matrix.device)
    nearest = distance_matrix.topk(min(k, objects), largest=False).values
    closest, farthest = nearest[:, :1], nearest[:, -1:]
    groups, group = torch.unique(candidate_groups, return_inverse=True)

    def by_group(rows: Tensor, columns: Tensor, values: Tensor) -> Tensor:
        """Sum values of objects by query and group, shape (Q, G)."""
        sums = values.new_zeros(count * len(groups))
        return sums.index_add_(0, rows * len(groups) + group[columns], values).view(count, -1)

    rows, columns = (distance_matrix < farthest).nonzero(as_tuple=True)
    nearer = _votes(distance_matrix[rows, columns], closest[rows, 0], temperature)
    votes = by_group(rows, columns, nearer)
    # Ties at the distance of the k-th object are resolved against the query's group: as few as
    # possible of its objects are among the k, and as many as possible of each other group.
    rows, columns = (distance_matrix == farthest).nonzero(as_tuple=True)
    tied = by_group(rows, columns, torch.ones_like(rows))
    places = (nearest == farthest).sum(dim=1, keepdim=True)
    is_own = query_groups.unsqueeze(1) == groups
    tied_others = tied.masked_fill(is_own, 0).sum(dim=1, keepdim=True)
    tied = torch.where(is_own, (places - tied_others).clamp(min=0), tied.minimum(places))
    votes += tied * _votes(farthest, closest, temperature)
    return votes.masked_fill(~is_own, 0).amax(dim=1) > votes.masked_fill(is_own, 0).amax(dim=1)


def _votes(distances: Tensor, closest: Tensor, temperature: float | None) -> Tensor:
    """Return the weights of the votes of objects, int64; 0 at an infinite distance."""
    if temperature is None:
        votes = torch.ones_like(distances)
    else:
        votes = torch.exp((closest - distances) / temperature)
    return (votes * _VOTE_OF_THE_NEAREST).long().masked_fill(distances == torch.inf, 0)
