"""Clusters of objects whose values are not independent of each other."""

from __future__ import annotations

import torch
from torch import Tensor

from quaterion_core.dataset.targets import NO_SUBGROUP
from quaterion_core.eval.equal_objects import EqualObjects
from quaterion_core.types import Targets


def object_clusters(targets: Targets) -> Tensor:
    """Return the cluster of each object, shape (N,), int64, on the CPU.

    Objects of one group are a cluster. Of pairs, objects of a similar pair are in one cluster, and
    so are equal objects, and those that similar pairs place into one subgroup: queries that share
    an answer are in the cluster of this answer.

    Args:
        targets: Targets of N objects: those of pairs or those of groups.

    Example:
        Two questions share the answer 2; the other one is a negative of both:

        >>> targets = {
        ...     "labels": torch.tensor([1.0, 1.0, 0.0, 0.0]),
        ...     "pairs": torch.tensor([[0, 2], [1, 2], [0, 3], [1, 3]]),
        ...     "subgroups": torch.full((4,), NO_SUBGROUP),
        ... }
        >>> object_clusters(targets)
        tensor([0, 0, 0, 3])
    """
    if "groups" in targets:
        return targets["groups"].cpu()
    pairs, subgroups = targets["pairs"].cpu(), targets["subgroups"].cpu()
    count = len(subgroups)
    first = torch.arange(count)
    if "objects" in targets:
        first = EqualObjects(targets["objects"].cpu()).first
    similar = pairs[targets["labels"].cpu() > 0]
    edges = [first[similar]]
    members = similar.flatten()
    stated = members[subgroups[members] != NO_SUBGROUP]
    if len(stated):
        _, number = torch.unique(subgroups[stated], return_inverse=True)
        edges.append(torch.stack([first[stated], number + count], dim=1))
    return _components(torch.cat(edges), 2 * count)[first]


def _components(edges: Tensor, count: int) -> Tensor:
    """Return the smallest node that each of so many nodes is connected with.

    Args:
        edges: Two nodes each, shape (E, 2).
        count: Number of nodes.

    Example:
        >>> _components(torch.tensor([[0, 3], [3, 1]]), 5)
        tensor([0, 0, 2, 0, 4])
    """
    labels = torch.arange(count)
    both = torch.cat([edges, edges.flip(1)])
    while True:
        spread = labels.scatter_reduce(0, both[:, 1], labels[both[:, 0]], "amin")
        spread = spread[spread]
        if torch.equal(spread, labels):
            return labels
        labels = spread
