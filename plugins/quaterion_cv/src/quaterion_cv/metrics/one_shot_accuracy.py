"""N-way one-shot accuracy over all possible episodes."""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor

from quaterion_core.distances import Distance
from quaterion_core.eval import WholeGroupsMetric
from quaterion_core.eval.base_metric import ReduceFunction
from quaterion_core.eval.ranking import relevant

_MAX_ELEMENTS: Final = 2**22
"""Maximum number of comparisons of distances in memory at once."""


class OneShotAccuracy(WholeGroupsMetric):
    """N-way one-shot accuracy: the share of episodes whose nearest object is of the right group.

    In an episode, a query is compared with another object of its own group and with one object of
    each of ``ways - 1`` other groups. It counts as correct if the object of its own group is nearer
    than all others; at the same distance, the others count as nearer. Objects and other groups are
    drawn uniformly. The value of a query is the exact mean over all its episodes, so that it
    depends on no seed. The only object of a group is not a query.

    Where there are fewer groups than ``ways``, all of them take part in each episode. That is an
    easier task, in which guessing succeeds more often than in one of ``ways`` episodes.

    Published figures for Omniglot are means over sampled episodes: of 20 groups of one alphabet in
    the first source, comparable with the value over the characters of one alphabet, and of groups
    of all alphabets in the second, which is easier.

    Source: Lake, Salakhutdinov, Tenenbaum, Human-level Concept Learning through Probabilistic
    Program Induction, Science 350, 2015; Vinyals et al., Matching Networks for One Shot Learning,
    NeurIPS 2016, section 4.1.

    Args:
        ways: Number of groups in an episode.
        distance_metric_name: Distance by which candidates are ranked.
        reduce_func: Reduces the values of all queries that have a relevant object to one value; 0
            if there are none. ``None`` returns the values, in the order of the queries.

    Raises:
        ValueError: ``ways`` is below 2.

    Example:
        >>> embeddings = torch.tensor([[0.0], [2.0], [1.0], [5.0], [9.0]])
        >>> groups = torch.tensor([1, 1, 2, 2, 3])
        >>> metric = OneShotAccuracy(ways=2, distance_metric_name="manhattan", reduce_func=None)
        >>> # The first is 2 away from its own: nearer than 5 and 9, but not than 1.
        >>> metric.compute(embeddings, groups)
        tensor([0.7500, 0.7500, 0.5000, 0.2500])
    """

    def __init__(
        self,
        ways: int = 20,
        distance_metric_name: Distance | str = Distance.COSINE,
        reduce_func: ReduceFunction | None = torch.mean,
    ):
        super().__init__(distance_metric_name, reduce_func)
        _check_ways(ways)
        self.ways = ways

    def group_values(
        self, distance_matrix: Tensor, query_groups: Tensor, candidate_groups: Tensor
    ) -> Tensor:
        """Return :func:`one_shot_accuracy`."""
        return one_shot_accuracy(distance_matrix, query_groups, candidate_groups, self.ways)

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this metric, as JSON values."""
        return {"ways": self.ways, **super().get_config_dict()}


def one_shot_accuracy(
    distance_matrix: Tensor, query_groups: Tensor, candidate_groups: Tensor, ways: int
) -> Tensor:
    """Return for each query the share of its episodes in which it is correct.

    Let p_h be the share of the objects of another group h that are farther from the query than a
    given object of its own group. In an episode that shows this object and one of each group of a
    set, the query is correct with probability Π p_h. Its value is the mean of that over all sets of
    ``ways - 1`` other groups, averaged over the objects of its own group.

    Args:
        distance_matrix: Distances of Q queries from N objects, shape (Q, N); infinite where an
            object would find itself.
        query_groups: Group of each query, shape (Q,), int64.
        candidate_groups: Group of each object, shape (N,), int64.
        ways: Number of groups in an episode; where there are fewer, all of them take part.

    Returns:
        Shape (Q,); 0 where no other object is of the query's group.

    Raises:
        ValueError: ``ways`` is below 2.

    Example:
        >>> distance_matrix = torch.tensor([[0.2, 0.1, 0.3, 0.4]])
        >>> of_query, of_candidates = torch.tensor([7]), torch.tensor([7, 8, 8, 9])
        >>> one_shot_accuracy(distance_matrix, of_query, of_candidates, ways=2)  # (1/2 + 1)/2
        tensor([0.7500])
        >>> one_shot_accuracy(distance_matrix, of_query, of_candidates, ways=3)  # 1/2 · 1
        tensor([0.5000])
    """
    _check_ways(ways)
    known, group = torch.unique(candidate_groups, return_inverse=True)
    by_group = group.argsort(stable=True)
    distances, group = distance_matrix[:, by_group], group[by_group]
    sizes = torch.bincount(group)
    is_own = query_groups.unsqueeze(1) == known[group].unsqueeze(0)
    pairs = relevant(distances, is_own).nonzero()  # of a query and an object of its own group
    if not len(pairs):
        return distances.new_zeros(len(distances))
    total = distances.new_zeros(len(distances), dtype=torch.float64)
    for part in torch.split(pairs, max(1, _MAX_ELEMENTS // max(1, len(group)))):
        queries, shown = part.unbind(dim=1)
        is_farther = distances[queries] > distances[queries, shown].unsqueeze(1)
        up_to_group = is_farther.cumsum(dim=1, dtype=torch.int32)[:, sizes.cumsum(0) - 1]
        of_group = up_to_group.diff(dim=1, prepend=torch.zeros_like(up_to_group[:, :1]))
        others = torch.arange(len(known) - 1, device=group.device).repeat(len(part), 1)
        others += others >= group[shown].unsqueeze(1)
        shares = (of_group / sizes.double()).gather(1, others)
        total.index_add_(0, queries, _mean_products(shares, min(ways, len(known)) - 1))
    shown_to = torch.bincount(pairs[:, 0], minlength=len(distances))
    return (total / shown_to.clamp(min=1)).to(distances.dtype)


def _mean_products(values: Tensor, size: int) -> Tensor:
    """Return the mean of the products of all subsets of so many columns: (P, H) to (P,).

    These are elementary symmetric polynomials, divided by their number of terms. The mean over the
    subsets of k of the first n columns follows from those of the first n - 1: the n-th column is in
    a share of k/n of the subsets. All terms are positive, so that nothing cancels out.
    """
    means = values.new_zeros(len(values), size + 1)  # of subsets of 0, 1, ..., size columns
    means[:, 0] = 1
    sizes = torch.arange(1, size + 1, dtype=values.dtype, device=values.device)
    for n, column in enumerate(values.unbind(dim=1), start=1):
        share = (sizes / n).clamp(max=1)
        means[:, 1:] = means[:, 1:] * (1 - share) + means[:, :-1] * share * column.unsqueeze(1)
    return means[:, size]


def _check_ways(ways: int) -> None:
    if ways < 2:
        raise ValueError(
            f"Expected ways, the number of groups in an episode, to be 2 or more, got {ways}."
        )
