"""Compares gradients of several processes with those of one; run as a script.

Arguments: a file for the rendezvous, and the number of samples of each process, as ``8,4``.
Prints a JSON object: for every registered loss the largest difference of the loss and any gradient,
also for pairs that share positives across processes, and of any number in a cross-batch memory.
"""

from __future__ import annotations

import copy
import inspect
import json
import sys
from itertools import chain

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

from quaterion_core.components import build_component
from quaterion_core.dataset import (
    GroupSimilarityDataLoader,
    PairsSimilarityDataLoader,
    SimilarityGroupSample,
    SimilarityPairSample,
)
from quaterion_core.dataset.chunking import Chunking
from quaterion_core.dataset.train_collator import TrainCollator
from quaterion_core.encoders import Encoder
from quaterion_core.encoders.encoder import collate_functions
from quaterion_core.eval.pair import RetrievalPrecision
from quaterion_core.heads import GatedHead
from quaterion_core.model import SimilarityModel
from quaterion_core.plugins import registry
from quaterion_core.train.callbacks.metrics_callback import gathered
from quaterion_core.train.gather import gather_batch
from quaterion_core.train.grad_cache import embed_in_chunks
from quaterion_core.train.xbm import XbmBuffer, XbmConfig, XbmPairBuffer

GIVEN = {
    "embedding_size": lambda: 5,
    "num_groups": lambda: 4,
    "dims": lambda: [5, 2],
    "loss": lambda: "multiple-negatives-ranking",
}
"""Arguments of losses, for those that take them."""


class Linear(Encoder):
    """A trainable linear map."""

    trainable, embedding_size = True, 5

    def __init__(self):
        super().__init__()
        self.map = nn.Linear(6, 5)

    def get_collate_fn(self):
        return torch.tensor

    def forward(self, batch):
        return self.map(batch).tanh()


def batches(is_group, sizes, shared=False):
    """Make all samples, and which of them each process has.

    ``shared`` gives all processes the same three positives, without subgroups.
    """
    generator = torch.Generator().manual_seed(1)
    points = torch.randn(sum(sizes), 2, 6, generator=generator).tolist()
    if is_group:
        samples = [SimilarityGroupSample(a, f"group {n % 4}") for n, (a, _) in enumerate(points)]
    else:
        samples = [
            SimilarityPairSample(
                a,
                points[n % 3][1] if shared else b,
                score=float(n % 5 > 0),
                subgroup=None if shared else n % 3,
            )
            for n, (a, b) in enumerate(points)
        ]
    loader = GroupSimilarityDataLoader if is_group else PairsSimilarityDataLoader
    return loader, [list(part) for part in torch.utils.data.random_split(samples, sizes, generator)]


def gradients(model, loss, loader, samples, chunk):
    """Return the loss of a batch and the gradients of all parameters, and a memory that saw it."""
    chunking = None if chunk is None else Chunking(chunk)
    collate = TrainCollator(loader.pre_collate_fn, collate_functions(model.encoders), {}, chunking)
    features, targets = collate(samples)
    embeddings = model(features) if chunk is None else embed_in_chunks(model, features["chunks"])
    embeddings, targets = gather_batch(embeddings, targets)
    value = loss.batch_loss(embeddings, targets)
    value.backward()
    memory = (XbmBuffer if loss.sample_kind == "groups" else XbmPairBuffer)(XbmConfig(), 5)
    memory.remember(embeddings, targets)
    parameters = [*model.parameters(), *loss.parameters()]
    numbers = [value.detach(), *(parameter.grad for parameter in parameters)]
    return numbers, memory.recall(embeddings)[0]


def difference(ours, expected):
    return float((ours - expected).abs().max() / expected.abs().max().clamp(min=1e-6))


def compare(rank, address, sizes):
    """Compare in one process of several; the first one prints."""
    differences = {"gradient": {}, "chunked": {}, "shared": {}, "memory": {}}
    ours = {}
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=len(sizes))
    for record in registry.components("loss"):
        cls = registry.load("loss", record.id)
        known = set(inspect.signature(cls.__init__).parameters)
        torch.manual_seed(0)
        arguments = {name: make() for name, make in GIVEN.items() if name in known}
        loss = build_component("loss", {"name": record.id, **arguments})
        model = SimilarityModel(Linear(), GatedHead(5))
        is_group = loss.sample_kind == "groups"
        loader, parts = batches(is_group, sizes)
        _, sharing = batches(is_group, sizes, shared=True)
        ways = {"gradient": (parts, None), "chunked": (parts, 3), "shared": (sharing, None)}
        for way, (of_processes, chunk) in ways.items():
            copies = copy.deepcopy(model), copy.deepcopy(loss)
            found, memory = gradients(*copies, loader, of_processes[rank], chunk)
            for number in found:
                dist.all_reduce(number)  # what DistributedDataParallel does: the mean
                number /= len(sizes)
            ours[record.id, way] = found
            if way == "gradient":
                ours[record.id, "memory"] = memory
        ours[record.id] = model, loss, loader, parts, sharing

    metric = RetrievalPrecision(k=2)
    pairs, pair_parts = batches(is_group=False, sizes=sizes)
    objects, targets = pairs.pre_collate_fn(pair_parts[rank])
    metric.update(torch.tensor(objects), **targets)
    collected = gathered(metric.accumulator.state)
    dist.destroy_process_group()

    for record in registry.components("loss"):
        model, loss, loader, parts, sharing = ours[record.id]
        copies = copy.deepcopy(model), copy.deepcopy(loss)
        at_once, _ = gradients(*copies, loader, [*chain.from_iterable(sharing)], None)
        expected, whole = gradients(model, loss, loader, [*chain.from_iterable(parts)], None)
        memory = ours[record.id, "memory"]
        for way in ("gradient", "chunked", "shared"):
            right = at_once if way == "shared" else expected
            differences[way][record.id] = max(map(difference, ours[record.id, way], right))
        # Pairs are remembered as first objects, then second ones, process for process.
        order = [memory[:, 0].argsort(), whole[:, 0].argsort()]
        differences["memory"][record.id] = difference(memory[order[0]], whole[order[1]])
    objects, targets = pairs.pre_collate_fn([*chain.from_iterable(pair_parts)])
    metric.reset()
    metric.update(torch.tensor(objects), **targets)
    at_once = metric.value_over_samples(metric.accumulator.state)
    differences["metric"] = float((metric.value_over_samples(collected) - at_once).abs())
    if rank == 0:
        print(json.dumps(differences))


if __name__ == "__main__":
    counts = [int(count) for count in sys.argv[2].split(",")]
    arguments = (f"file://{sys.argv[1]}", counts)
    mp.start_processes(compare, arguments, nprocs=len(counts), start_method="fork")
