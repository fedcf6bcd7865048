"""Mapping from group ids to the rows of a loss's weights."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn

from quaterion_core.utils.ranges import Count

_NO_ROW = -1


class GroupIndex(nn.Module):
    """Mapping from group ids (any int64 values) to rows 0, 1, ..., in order of first occurrence.

    Ids that first occur in the same batch are assigned rows in ascending order, so that all
    processes with the same batch agree. The mapping is part of the state dict.

    Args:
        num_groups: Number of rows.

    Raises:
        ValueError: ``num_groups`` is not positive.

    Example:
        >>> index = GroupIndex(num_groups=3)
        >>> index(torch.tensor([700, -5, 700]))
        tensor([1, 0, 1])
        >>> index(torch.tensor([-5, 6]))
        tensor([0, 2])
    """

    ids: Tensor
    rows: Tensor

    def __init__(self, num_groups: Count):
        super().__init__()
        if num_groups < 1:
            raise ValueError(f"Expected num_groups to be positive, got {num_groups}.")
        # Known ids in ascending order with their rows, then unused entries.
        self.register_buffer("ids", torch.full((num_groups,), torch.iinfo(torch.int64).max))
        self.register_buffer("rows", torch.full((num_groups,), _NO_ROW))
        self._has_warned = False

    def forward(self, groups: Tensor) -> Tensor:
        """Return the rows of groups.

        In training, a new group is assigned the next free row. In evaluation it has no row, which a
        warning says once, unless training has not started yet, as in Lightning's sanity check of
        the validation data.

        Args:
            groups: Shape (N,), int64.

        Returns:
            Shape (N,), int64; -1 for a group without a row.

        Raises:
            ValueError: There are more groups than rows.
        """
        groups = groups.to(self.ids).contiguous()
        rows = self._look_up(groups)
        is_new = rows == _NO_ROW
        if not is_new.any():
            return rows
        if self.training:
            self._add(torch.unique(groups[is_new]))
            return self._look_up(groups)
        if not self._has_warned and (self.rows != _NO_ROW).any():
            self._has_warned = True
            warnings.warn(
                f"{int(is_new.sum())} of {len(groups)} objects belong to groups that did not occur "
                "in training. The loss ignores them in evaluation.",
                stacklevel=2,
            )
        return rows

    def _look_up(self, groups: Tensor) -> Tensor:
        place = torch.searchsorted(self.ids, groups).clamp(max=len(self.ids) - 1)
        return self.rows[place].where(self.ids[place] == groups, _NO_ROW)

    def _add(self, new_ids: Tensor) -> None:
        is_used = self.rows != _NO_ROW
        known = int(is_used.sum())
        count = known + len(new_ids)
        if count > len(self.ids):
            raise ValueError(
                f"Expected at most num_groups={len(self.ids)} groups, got at least {count}. Set "
                "num_groups to the number of groups in the training data."
            )
        new_rows = torch.arange(known, count, device=new_ids.device)
        ids, order = torch.cat([self.ids[is_used], new_ids]).sort()
        self.ids[:count] = ids
        self.rows[:count] = torch.cat([self.rows[is_used], new_rows])[order]
