"""Time and memory of losses, compared with their counterparts in pytorch-metric-learning.

For each loss, batch size and embedding size, it measures the median time of a forward and a
backward pass, alternating between both libraries, and the peak of the memory that a pass allocates
in addition to its inputs. It checks first that both libraries return the same value.

Memory is computed from the allocations and deallocations on the CPU that PyTorch's profiler
records, which include temporary buffers inside operations.

Run it as ``python -m benchmarks.losses [--batches 256 1024 2048] [--sizes 128 768] [--seconds 3]
[--threads 1] [--only triplet]``.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from pytorch_metric_learning import losses, miners, reducers
from pytorch_metric_learning.distances import CosineSimilarity
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from benchmarks.report import report
from quaterion_core.loss import (
    ArcFaceLoss,
    CenterLoss,
    CircleLoss,
    ContrastiveLoss,
    CosFaceLoss,
    FastAPLoss,
    MultipleNegativesRankingLoss,
    OnlineContrastiveLoss,
    SoftmaxLoss,
    TripletLoss,
)

GROUP_SIZE = 4
"""Objects per group in a batch, as from a group batch sampler."""

NUM_GROUPS = 1000
"""Groups of classification losses."""

MARGIN = 0.5

Loss = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Case:
    """A loss and its counterpart in pytorch-metric-learning, if any.

    Attributes:
        name: Name in the table.
        ours: Function from embeddings to the loss.
        theirs: Function from embeddings to the same value, or None.
    """

    name: str
    ours: Loss
    theirs: Loss | None = None


def cases(batch: int, size: int) -> Iterator[Case]:
    """Yield all losses, with targets for a batch of embeddings."""
    yield from mining_cases(torch.randperm(batch) // GROUP_SIZE)
    yield from ranking_cases(torch.randperm(batch) // GROUP_SIZE)
    yield from pairwise_cases(batch)
    yield from classification_cases(torch.randint(0, NUM_GROUPS, (batch,)), size)


def mining_cases(groups: Tensor) -> Iterator[Case]:
    """Yield losses over mined triplets and pairs."""
    cosine = CosineSimilarity()
    # Both average over the triplets with a positive loss.
    triplet = losses.TripletMarginLoss(margin=MARGIN, distance=cosine)
    yield Case(
        "triplet all",
        bound(TripletLoss(MARGIN, mining="all"), groups),
        bound(triplet, groups),
    )
    semi_hard = miners.TripletMarginMiner(MARGIN, type_of_triplets="semihard", distance=cosine)
    yield Case(
        "triplet semi_hard",
        bound(TripletLoss(MARGIN, mining="semi_hard"), groups),
        lambda x: triplet(x, groups, semi_hard(x, groups)),
    )
    # Hard mining in its soft form, the one with a counterpart: our other form also divides by a
    # mean. The softplus has no margin, and the mean is over all anchors.
    soft = losses.TripletMarginLoss(
        margin=0, smooth_loss=True, distance=cosine, reducer=reducers.MeanReducer()
    )
    hard = miners.BatchHardMiner(distance=cosine)
    yield Case(
        "triplet hard soft",
        bound(TripletLoss(soft=True), groups),
        lambda x: soft(x, groups, hard(x, groups)),
    )
    # Their margins are for the cosine, ours for 1 - cosine; they add two means, we average them.
    contrastive = losses.ContrastiveLoss(
        pos_margin=1.0, neg_margin=1.0 - MARGIN, distance=cosine, reducer=reducers.MeanReducer()
    )
    yield Case(
        "online contrastive all",
        bound(OnlineContrastiveLoss(MARGIN, mining="all"), groups),
        lambda x: contrastive(x, groups) / 2,
    )
    yield Case(
        "online contrastive hard",
        bound(OnlineContrastiveLoss(MARGIN, mining="hard"), groups),
        lambda x: contrastive(x, groups, hard(x, groups)) / 2,
    )


def ranking_cases(groups: Tensor) -> Iterator[Case]:
    """Yield losses over all pairs of a batch at once."""
    yield Case(
        "circle",
        bound(CircleLoss(margin=0.25, scale_factor=256), groups),
        bound(losses.CircleLoss(m=0.25, gamma=256), groups),
    )
    yield Case(
        "fastap", bound(FastAPLoss(num_bins=10), groups), bound(losses.FastAPLoss(10), groups)
    )


def pairwise_cases(batch: int) -> Iterator[Case]:
    """Yield losses over pairs, half as many as objects."""
    count = batch // 2
    first = torch.arange(count)
    pairs, labels = torch.stack([first, first + count], dim=1), torch.ones(count)
    subgroups = first.repeat(2)
    # Their supervised contrastive loss, with obj_b as references and one positive per obj_a, is the
    # same cross-entropy. (So is their NTXentLoss, in O(B³) memory.)
    supervised = losses.SupConLoss(temperature=1 / 20)
    yield Case(
        "multiple negatives ranking",
        lambda x: MultipleNegativesRankingLoss(scale=20.0)(x, pairs, labels, subgroups),
        lambda x: supervised(x[:count], first, ref_emb=x[count:], ref_labels=first.clone()),
    )
    # They have no loss over given pairs.
    yield Case("contrastive", lambda x: ContrastiveLoss()(x, pairs, labels, subgroups))


def classification_cases(groups: Tensor, size: int) -> Iterator[Case]:
    """Yield losses with weights per group, equal in both libraries."""
    # With a margin of 1, their large-margin softmax loss is the softmax loss.
    softmax = losses.LargeMarginSoftmaxLoss(NUM_GROUPS, size, margin=1, scale=1 / 0.05)
    yield classification_case("softmax", SoftmaxLoss(size, NUM_GROUPS, 0.05), softmax, groups)
    # Their margin is in degrees.
    arcface = losses.ArcFaceLoss(NUM_GROUPS, size, margin=math.degrees(0.5), scale=64)
    yield classification_case("arcface", ArcFaceLoss(size, NUM_GROUPS, 64.0, 0.5), arcface, groups)
    cosface = losses.CosFaceLoss(NUM_GROUPS, size, margin=0.35, scale=64)
    yield classification_case("cosface", CosFaceLoss(size, NUM_GROUPS, 0.35, 64), cosface, groups)
    # They have no center loss.
    yield Case("center", bound(CenterLoss(size, NUM_GROUPS), groups))


def classification_case(
    name: str,
    ours: SoftmaxLoss | ArcFaceLoss | CosFaceLoss,
    theirs: losses.LargeMarginSoftmaxLoss,
    groups: Tensor,
) -> Case:
    """Return a case with the same weights and the same order of groups in both libraries."""
    ours.group_index(torch.arange(NUM_GROUPS))
    with torch.no_grad():
        ours.weight.copy_(theirs.W.T)
    return Case(name, bound(ours, groups), bound(theirs, groups))


def bound(loss: nn.Module, groups: Tensor) -> Loss:
    """Return the loss as a function of the embeddings."""
    return lambda embeddings: loss(embeddings, groups)


def milliseconds(loss: Loss, embeddings: Tensor) -> float:
    """Return the time of one forward and backward pass, in ms."""
    embeddings.grad = None
    start = time.perf_counter()
    torch.autograd.backward(loss(embeddings))
    return (time.perf_counter() - start) * 1000


def in_turn(
    ours: Loss, theirs: Loss | None, embeddings: Tensor, seconds: float
) -> tuple[float, float | None]:
    """Return the median time of each in ms, over at least three alternating measurements."""
    of_ours: list[float] = []
    of_theirs: list[float] = []
    end = time.perf_counter() + seconds
    while len(of_ours) < 3 or time.perf_counter() < end:
        of_ours.append(milliseconds(ours, embeddings))
        if theirs is not None:
            of_theirs.append(milliseconds(theirs, embeddings))
    return statistics.median(of_ours), statistics.median(of_theirs) if of_theirs else None


def peak_mib(loss: Loss, embeddings: Tensor) -> float:
    """Return the peak memory of one pass in addition to its inputs, in MiB."""
    embeddings.grad = None
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        torch.autograd.backward(loss(embeddings))
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder, "trace.json")
        profiler.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text())["traceEvents"]
    changes = [
        (event["ts"], event["args"]["Bytes"]) for event in events if event["name"] == "[memory]"
    ]
    held, peak = 0, 0
    for _, change in sorted(changes, key=lambda item: item[0]):
        held += change
        peak = max(peak, held)
    return peak / 2**20


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, nargs="+", default=[256, 1024, 2048])
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 768])
    parser.add_argument("--seconds", type=float, default=3.0, help="per row of the table")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", default="", help="a substring of the names of losses to measure")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rows: list[dict[str, object]] = []
    ratios: dict[str, float] = {}
    figures: dict[str, float] = {}
    for batch in arguments.batches:
        for size in arguments.sizes:
            torch.manual_seed(0)
            embeddings = torch.randn(batch, size, requires_grad=True)
            for case in cases(batch, size):
                if arguments.only in case.name:
                    rows.append(measure(case, embeddings, arguments.seconds, ratios, figures))
    report(
        "losses",
        rows,
        ratios=ratios,
        figures=figures,
        packages=["torch", "pytorch-metric-learning", "quaterion-core"],
    )


def measure(
    case: Case,
    embeddings: Tensor,
    seconds: float,
    ratios: dict[str, float],
    figures: dict[str, float],
) -> dict[str, object]:
    """Measure one case; add its ratios and figures, and return its table row."""
    batch, size = embeddings.shape
    ours, theirs = case.ours, case.theirs
    if theirs is not None:
        torch.testing.assert_close(ours(embeddings), theirs(embeddings), rtol=1e-3, atol=1e-5)
    ours_ms, theirs_ms = in_turn(ours, theirs, embeddings, seconds)
    ours_mib = peak_mib(ours, embeddings)
    key = f"{case.name.replace(' ', '_')}_{batch}x{size}"
    figures |= {f"{key}_ms": ours_ms, f"{key}_mib": ours_mib}
    row: dict[str, object] = {
        "loss": case.name,
        "batch": batch,
        "size": size,
        "ours ms": ours_ms,
        "theirs ms": "no counterpart",
        "time ratio": "",
        "ours MiB": ours_mib,
        "theirs MiB": "",
        "memory ratio": "",
    }
    if theirs is not None and theirs_ms is not None:
        theirs_mib = peak_mib(theirs, embeddings)
        ratios[f"{key}_time"] = ours_ms / theirs_ms
        ratios[f"{key}_memory"] = ours_mib / theirs_mib
        figures |= {f"{key}_theirs_ms": theirs_ms, f"{key}_theirs_mib": theirs_mib}
        row |= {
            "theirs ms": theirs_ms,
            "time ratio": ratios[f"{key}_time"],
            "theirs MiB": theirs_mib,
            "memory ratio": ratios[f"{key}_memory"],
        }
    return row


if __name__ == "__main__":
    main()
