"""Known positives among the objects of a batch, in which equal objects count as one."""

from __future__ import annotations

import torch
from torch import Tensor

from quaterion_core.dataset.targets import NO_SUBGROUP


def has_equal_objects(objects: Tensor) -> bool:
    """Return whether any two of the objects with these ids (N,) are equal.

    Example:
        >>> has_equal_objects(torch.tensor([5, 6])), has_equal_objects(torch.tensor([5, 6, 5]))
        (False, True)
    """
    return len(torch.unique(objects)) < len(objects)


def known_positives(
    anchors: Tensor, candidates: Tensor, similar: Tensor, dissimilar: Tensor | None = None
) -> Tensor:
    """Return which candidates are known positives of each anchor.

    A candidate is a known positive of an anchor if the two are the same object, or if a pair of
    them, in either order, is labelled similar. A pair labelled dissimilar overrides both.

    Args:
        anchors: Ids of A objects, shape (A,), int64.
        candidates: Ids of C objects, shape (C,), int64.
        similar: Ids of the objects of similar pairs, shape (P, 2).
        dissimilar: Ids of the objects of dissimilar pairs, shape (R, 2).

    Returns:
        Shape (A, C), bool.

    Example:
        >>> similar = torch.tensor([[1, 7], [2, 7], [3, 8]])  # 1 and 2 share the partner 7
        >>> known_positives(torch.tensor([1, 2, 3]), torch.tensor([7, 7, 8]), similar).int()
        tensor([[1, 1, 0],
                [1, 1, 0],
                [0, 0, 1]], dtype=torch.int32)
    """
    rows, row_of = torch.unique(anchors, return_inverse=True)
    columns, column_of = torch.unique(candidates, return_inverse=True)
    related = torch.zeros(len(columns), len(rows), dtype=torch.bool, device=anchors.device).T
    itself = rows.unsqueeze(1).expand(-1, 2)
    _mark(related, rows, columns, torch.cat([itself, similar, similar.flip(1)]), True)
    if dissimilar is not None:
        _mark(related, rows, columns, torch.cat([dissimilar, dissimilar.flip(1)]), False)
    # Rows of what is contiguous are gathered many times as fast as columns.
    return related.T.index_select(0, column_of).T.contiguous().index_select(0, row_of)


def _mark(related: Tensor, rows: Tensor, columns: Tensor, pairs: Tensor, value: bool) -> None:
    """Set the entries of the pairs whose ids occur in both ``rows`` and ``columns``."""
    if not len(rows) or not len(columns):
        return
    first, second = pairs[:, 0].contiguous(), pairs[:, 1].contiguous()
    row = torch.searchsorted(rows, first).clamp_(max=len(rows) - 1)
    column = torch.searchsorted(columns, second).clamp_(max=len(columns) - 1)
    found = (rows[row] == first) & (columns[column] == second)
    related[row[found], column[found]] = value


def link_equal_positives(
    pairs: Tensor, labels: Tensor, subgroups: Tensor, objects: Tensor
) -> Tensor:
    """Assign pairs that share an equal positive and have no subgroup to one subgroup.

    Losses that use subgroups but not the ids of objects then do not use the partner of one such
    pair as a negative of another. Given subgroups are kept. A pair without one takes the subgroup
    of a pair with an equal positive, if there is any.

    Args:
        pairs: Rows that form each pair, shape (B, 2).
        labels: Similarity of each pair, shape (B,).
        subgroups: Subgroup of each object, shape (N,), int64.
        objects: Id of each object, shape (N,), int64.

    Returns:
        Subgroups, shape (N,), int64.

    Example:
        >>> pairs, labels = torch.tensor([[0, 3], [1, 4], [2, 5]]), torch.ones(3)
        >>> subgroups = torch.full((6,), NO_SUBGROUP)
        >>> objects = torch.tensor([1, 2, 3, 7, 7, 8])
        >>> linked = link_equal_positives(pairs, labels, subgroups, objects)
        >>> linked[0] == linked[1], linked[2] == NO_SUBGROUP
        (tensor(True), tensor(True))
    """
    similar = pairs[labels > 0]
    positives, place, counts = torch.unique(
        objects[similar[:, 1]], return_inverse=True, return_counts=True
    )
    stated = subgroups[similar[:, 0]]
    unstated = stated == NO_SUBGROUP
    last = torch.iinfo(torch.int64).max
    shared = torch.full_like(positives, last)
    shared.scatter_reduce_(0, place, stated.masked_fill(unstated, last), "amin")
    shared = torch.where(shared == last, positives, shared)
    linked = unstated & (counts[place] > 1)
    result = subgroups.clone()
    result[similar[linked].T] = shared[place[linked]]
    return result
