"""What runs in each of two processes: a step of a training, and reading a dataset."""

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
    """Take a step with the whole batch in one process.

    Args:
        model: Makes embeddings of ``batch.embeddings``.
        loss: The loss.
        batch: The batch.

    Returns:
        The gradients of all parameters of model and loss, and the state of the loss after it.
    """
    model, loss = copy.deepcopy(model), copy.deepcopy(loss).train()
    loss(embeddings=model(batch.embeddings), **batch.targets).backward()
    return gradients_and_buffers(model, loss)


def step_in_process(model: nn.Module, loss: SimilarityLoss, batch: Batch) -> dict[str, Tensor]:
    """Take the same step in one of several processes, of which each has a part of the batch."""
    # Imports Lightning, which takes seconds.
    from quaterion_core.train.gather import gather_batch

    loss.train()
    embeddings, targets = gather_batch(model(batch.embeddings), batch.targets)
    loss(embeddings=embeddings, **targets).backward()
    for parameter in [*model.parameters(), *loss.parameters()]:
        if parameter.grad is not None:  # what DistributedDataParallel does: the mean
            dist.all_reduce(parameter.grad)
            parameter.grad /= dist.get_world_size()
    return gradients_and_buffers(model, loss)


def dataset_digests(dataset: SplitDataset) -> dict[str, str]:
    """Return a digest of the samples of each split, in their order."""
    return {split: split_digest(dataset, split) for split in dataset.splits}


def gradients_and_buffers(model: nn.Module, loss: SimilarityLoss) -> dict[str, Tensor]:
    """Return the gradients of all parameters, and the buffers of the loss, each by name."""
    parameters = {
        **{f"of the model: {name}": p for name, p in model.named_parameters()},
        **dict(loss.named_parameters()),
    }
    told = {
        f"the gradient of {name}": torch.zeros_like(p) if p.grad is None else p.grad
        for name, p in parameters.items()
    }
    return {**told, **{f"the buffer {name}": b for name, b in loss.named_buffers()}}
