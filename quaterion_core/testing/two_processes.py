"""Functions that run in each of two processes: a training step, and reading a dataset."""

from __future__ import annotations

import copy

import torch
import torch.distributed as dist
from torch import Tensor, nn

from quaterion_core.dataset import SplitDataset
from quaterion_core.loss import SimilarityLoss
from quaterion_core.testing.dataset_digest import split_digest
from quaterion_core.testing.loss_batches import Batch


def step(model: nn.Module, loss: SimilarityLoss, batch: Batch) -> dict[str, Tensor]:
    """Run forward and backward on the whole batch in one process.

    Args:
        model: Model that maps ``batch.embeddings`` to embeddings.
        loss: The loss.
        batch: The batch.

    Returns:
        The gradients of all parameters of the model and the loss, and the buffers of the loss, by
        name.
    """
    model, loss = copy.deepcopy(model), copy.deepcopy(loss).train()
    loss(embeddings=model(batch.embeddings), **batch.targets).backward()
    return gradients_and_buffers(model, loss)


def step_in_process(model: nn.Module, loss: SimilarityLoss, batch: Batch) -> dict[str, Tensor]:
    """Run the same step in one of several processes, each with its share of the batch."""
    # Imports Lightning, which takes seconds.
    from quaterion_core.train.gather import gather_batch

    loss.train()
    embeddings, targets = gather_batch(model(batch.embeddings), batch.targets)
    loss(embeddings=embeddings, **targets).backward()
    for parameter in [*model.parameters(), *loss.parameters()]:
        if parameter.grad is not None:  # average, as DistributedDataParallel does
            dist.all_reduce(parameter.grad)
            parameter.grad /= dist.get_world_size()
    return gradients_and_buffers(model, loss)


def dataset_digests(dataset: SplitDataset) -> dict[str, str]:
    """Return a digest of the ordered samples of each split."""
    return {split: split_digest(dataset, split) for split in dataset.splits}


def gradients_and_buffers(model: nn.Module, loss: SimilarityLoss) -> dict[str, Tensor]:
    """Return the gradients of all parameters and the buffers of the loss, by name."""
    parameters = {
        **{f"of the model: {name}": p for name, p in model.named_parameters()},
        **dict(loss.named_parameters()),
    }
    gradients = {
        f"the gradient of {name}": torch.zeros_like(p) if p.grad is None else p.grad
        for name, p in parameters.items()
    }
    return {**gradients, **{f"the buffer {name}": b for name, b in loss.named_buffers()}}
