"""Which row of a loss's weights belongs to which group."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn

_NO_ROW = -1


class GroupIndex(nn.Module):
    """Maps group ids, any int64 values, to rows 0, 1, ... in the order of their first sight.

    Ids that are new in one batch get their rows in ascending order, so that all processes that see
    the same batch agree. The mapping is part of the state dict.

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

    def __init__(self, num_groups: int):
        super().__init__()
        if num_groups < 1:
            raise ValueError(f"num_groups should be positive, but is {num_groups}.")
        # Known ids in ascending order with their rows, then the unused rest.
        self.register_buffer("ids", torch.full((num_groups,), torch.iinfo(torch.int64).max))
        self.register_buffer("rows", torch.full((num_groups,), _NO_ROW))
        self._has_warned = False

    def forward(self, groups: Tensor) -> Tensor:
        """Look up the rows of groups.

        In training a new group takes the next free row. In evaluation it has none, and the first
        time after training has shown groups a warning says so; before, as in the look at
        validation data that comes ahead of a training, it is nothing to warn of.

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
                f"{int(is_new.sum())} of {len(groups)} objects are of groups that training has "
                "not shown. They are left out of the loss in evaluation.",
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
                f"The data has at least {count} groups, but the loss was built with "
                f"num_groups={len(self.ids)}. Build it with the number of groups in the data."
            )
        new_rows = torch.arange(known, count, device=new_ids.device)
        ids, order = torch.cat([self.ids[is_used], new_ids]).sort()
        self.ids[:count] = ids
        self.rows[:count] = torch.cat([self.rows[is_used], new_rows])[order]
