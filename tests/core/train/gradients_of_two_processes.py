"""Compares gradients of several processes with those of one; run as a script.

Prints a JSON object: for every registered loss the largest difference of any gradient.
"""

from __future__ import annotations

import copy
import inspect
import json
import sys

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

from quaterion_core.dataset import (
    GroupSimilarityDataLoader,
    PairsSimilarityDataLoader,
    SimilarityGroupSample,
    SimilarityPairSample,
)
from quaterion_core.eval.pair import RetrievalPrecision
from quaterion_core.loss import GroupLoss
from quaterion_core.plugins import registry
from quaterion_core.train.callbacks.metrics_callback import _gather_state
from quaterion_core.train.gather import gather_batch

SIZES = [8, 4]  # samples of each process: not equal


def batches(is_group):
    """Make the samples of each process."""
    generator = torch.Generator().manual_seed(1)
    points = torch.randn(sum(SIZES), 2, 6, generator=generator).tolist()
    if is_group:
        samples = [SimilarityGroupSample(a, f"group {n % 4}") for n, (a, _) in enumerate(points)]
    else:
        samples = [
            SimilarityPairSample(a, b, score=float(n % 5 > 0), subgroup=n % 3)
            for n, (a, b) in enumerate(points)
        ]
    loader = GroupSimilarityDataLoader if is_group else PairsSimilarityDataLoader
    parts = torch.utils.data.random_split(samples, SIZES, generator)
    return [loader.pre_collate_fn(list(part)) for part in parts], loader, samples, parts


def gradients(model, loss, objects, targets):
    """Return the gradients of all parameters for a batch."""
    embeddings, targets = gather_batch(model(torch.tensor(objects)), targets)
    loss(embeddings=embeddings, **targets).backward()
    return [parameter.grad for parameter in [*model.parameters(), *loss.parameters()]]


def compare(rank, address):
    """Compare in one process of several; the first one prints."""
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=len(SIZES))
    differences = {}
    for record in registry.components("loss"):
        cls = registry.load("loss", record.id)
        known = {"embedding_size": 5, "num_groups": 4}
        arguments = {k: v for k, v in known.items() if k in inspect.signature(cls).parameters}
        torch.manual_seed(0)
        model, loss = nn.Linear(6, 5), cls(**arguments)
        parts, loader, samples, split = batches(isinstance(loss, GroupLoss))
        one_model, one_loss = copy.deepcopy(model), copy.deepcopy(loss)
        ours = gradients(model, loss, *parts[rank])
        for gradient in ours:
            dist.all_reduce(gradient)  # what DistributedDataParallel does: the mean
            gradient /= len(SIZES)
        whole = [samples[index] for part in split for index in part.indices]
        objects, targets = loader.pre_collate_fn(whole)
        embeddings = one_model(torch.tensor(objects))
        one_loss(embeddings=embeddings, **targets).backward()
        expected = [p.grad for p in [*one_model.parameters(), *one_loss.parameters()]]
        differences[record.id] = max(
            float((a - b).abs().max() / b.abs().max().clamp(min=1e-6))
            for a, b in zip(ours, expected, strict=True)
        )

    parts, loader, samples, split = batches(is_group=False)
    metric, whole = RetrievalPrecision(k=2), RetrievalPrecision(k=2)
    objects, targets = parts[rank]
    metric.update(torch.tensor(objects), **targets)
    _gather_state(metric)
    objects, targets = loader.pre_collate_fn([samples[i] for part in split for i in part.indices])
    differences["metric"] = float(
        (metric.compute() - whole.compute(torch.tensor(objects), **targets)).abs()
    )
    if rank == 0:
        print(json.dumps(differences))
    dist.destroy_process_group()


if __name__ == "__main__":
    mp.spawn(compare, args=(f"file://{sys.argv[1]}",), nprocs=len(SIZES))
