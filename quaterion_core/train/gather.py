"""Differentiable all-gather of the batches of all processes, in the order of their ranks.

Each process computes the loss of the whole batch. The gradient with respect to a process's own
embeddings is summed over all processes; when the gradients of parameters are then averaged, as
Lightning's strategies do, every parameter of the encoders, the head and the loss gets the gradient
that a single process would compute for the whole batch.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from quaterion_core.types import Targets


def is_distributed() -> bool:
    """Whether several processes train together."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def gather_batch(embeddings: Tensor, targets: Targets) -> tuple[Tensor, Targets]:
    """Concatenate the batches of all processes; with one process, return its own.

    Args:
        embeddings: Embeddings (N, D) of this process. N may differ between processes.
        targets: Targets of this process, first dimension N or B. The row numbers in ``pairs`` are
            shifted accordingly.

    Returns:
        Embeddings and targets of the whole batch, the same in every process.
    """
    if not is_distributed():
        return embeddings, targets
    names = sorted(targets)
    counts = _counts([embeddings, *(targets[name] for name in names)])
    gathered = {
        name: _gather(targets[name], counts[:, column])
        for column, name in enumerate(names, start=1)
    }
    if "pairs" in gathered:
        starts = counts[:, 0].cumsum(0) - counts[:, 0]
        pairs = counts[:, names.index("pairs") + 1]
        gathered["pairs"] = gathered["pairs"] + starts.repeat_interleave(pairs).unsqueeze(1)
    return _gather(embeddings, counts[:, 0]), gathered


def _counts(tensors: list[Tensor]) -> Tensor:
    """Return how many rows each tensor has in each process, shape (processes, tensors)."""
    own = torch.tensor([len(tensor) for tensor in tensors], device=tensors[0].device)
    everywhere = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(everywhere, own)
    return torch.stack(everywhere)


def _gather(rows: Tensor, counts: Tensor) -> Tensor:
    """Return the rows of all processes, gathered with padding to equal counts."""
    longest = int(counts.max())
    padded = torch.cat([rows, rows.new_zeros(longest - len(rows), *rows.shape[1:])])
    everywhere: Tensor = _GatherEqual.apply(padded)
    is_row = torch.arange(longest, device=rows.device) < counts.unsqueeze(1)
    return everywhere[is_row.flatten()]


class _GatherEqual(torch.autograd.Function):
    """Concatenates equally shaped tensors of all processes; gradients are summed over them."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        everywhere = [torch.empty_like(rows) for _ in range(dist.get_world_size())]
        dist.all_gather(everywhere, rows.contiguous())
        return torch.cat(everywhere)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        summed = gradients[0].contiguous()
        dist.all_reduce(summed)
        return summed.chunk(dist.get_world_size())[dist.get_rank()]
