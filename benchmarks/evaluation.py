"""Time and memory of an evaluation, compared with a bare search and with other libraries.

All ranking metrics at once, over objects in groups of ten, each of which searches all others. The
reference is a bare blocked matrix product with top-k, which finds as many neighbours and looks up
nothing. Each way runs in a process of its own, one after the other; ratios are those of medians.

Run it as ``python -m benchmarks.evaluation [--sizes 60000x128 100000x384] [--rounds 3]
[--gallery 1000000x384 --queries 10000] [--threads 2]``. faiss is compared if it is installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import torch
from torch import Tensor

from benchmarks.report import report

GROUP_SIZE: Final = 10
NEAREST: Final = 100
"""Number of neighbours that the metrics ask for: recall@100."""

BLOCK: Final = 2**24
"""Number of similarities of a block of the bare search: 64 MiB."""


def embeddings(size: int, dim: int, queries: int = 0) -> tuple[Tensor, Tensor]:
    """Return unit vectors and their groups: those of a group lie around a point of its own."""
    generator = torch.Generator().manual_seed(0)
    groups = torch.arange(size + queries) % (size // GROUP_SIZE)
    centers = torch.randn(size // GROUP_SIZE, dim, generator=generator)
    vectors = torch.randn(size + queries, dim, generator=generator).mul_(1.2)
    for start in range(0, len(vectors), 2**16):
        part = vectors[start : start + 2**16]
        part += centers[groups[start : start + 2**16]]
        part /= part.norm(dim=1, keepdim=True)
    return vectors, groups


def bare(vectors: Tensor, groups: Tensor, queries: int) -> Mapping[str, float]:
    """Search with a blocked matrix product and top-k, without any metric."""
    gallery = vectors[: len(vectors) - queries]
    searching = vectors[len(gallery) :] if queries else vectors
    rows = max(1, BLOCK // len(gallery))
    memory = torch.empty(min(rows, len(searching)), len(gallery))
    for start in range(0, len(searching), rows):
        part = searching[start : start + rows]
        scores = torch.mm(part, gallery.T, out=memory[: len(part)])
        if not queries:
            here = torch.arange(len(scores))
            scores[here, here + start] = -torch.inf
        scores.topk(NEAREST, dim=1)
    return {}


def quaterion(vectors: Tensor, groups: Tensor, queries: int) -> Mapping[str, float]:
    """Compute all ranking metrics at once."""
    from quaterion_core.eval import (
        NDCG,
        HitRate,
        KNNAccuracy,
        MapAtR,
        MeanAveragePrecision,
        MeanReciprocalRank,
        Precision,
        Recall,
        RecallAtK,
        RetrievalRPrecision,
    )
    from quaterion_core.eval.retrieval import Retrieval
    from quaterion_core.eval.scoring import score

    metrics = {
        "hit_rate@1": HitRate(1), "recall_at_k@10": RecallAtK(10), "precision@10": Precision(10),
        "recall@100": Recall(NEAREST), "mrr": MeanReciprocalRank(), "map": MeanAveragePrecision(),
        "ndcg@10": NDCG(10), "r_precision": RetrievalRPrecision(), "map_at_r": MapAtR(),
        "mrr@10": MeanReciprocalRank(10), "ndcg@10_exponential": NDCG(10, gain="exponential"),
        "knn_accuracy@10": KNNAccuracy(10),
    }  # fmt: skip
    rows = torch.arange(len(vectors))
    candidates = rows[: len(vectors) - queries] if queries else None
    searching = rows[len(vectors) - queries :] if queries else None
    retrieval = Retrieval(vectors, {"groups": groups}, searching, candidates)
    return {name: float(value) for name, value in score(metrics, retrieval).values.items()}


def pytorch_metric_learning(vectors: Tensor, groups: Tensor, queries: int) -> Mapping[str, float]:
    """Compute precision@1, R-precision, MAP@R and MRR with AccuracyCalculator."""
    from pytorch_metric_learning.distances import CosineSimilarity
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
    from pytorch_metric_learning.utils.inference import CustomKNN

    include = "precision_at_1", "r_precision", "mean_average_precision_at_r", "mean_reciprocal_rank"
    calculator = AccuracyCalculator(
        include=include, k="max_bin_count", device=torch.device("cpu"),
        knn_func=CustomKNN(CosineSimilarity(), batch_size=max(1, BLOCK // len(vectors))),
    )  # fmt: skip
    found: Mapping[str, float] = calculator.get_accuracy(vectors, groups)
    return found


def faiss_flat(vectors: Tensor, groups: Tensor, queries: int) -> Mapping[str, float]:
    """Search with faiss's exact index."""
    import faiss

    faiss.omp_set_num_threads(torch.get_num_threads())
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors[: len(vectors) - queries].numpy())
    searching = vectors[len(vectors) - queries :] if queries else vectors
    index.search(searching.numpy(), NEAREST + 1)
    return {}


WAYS: Final[dict[str, Callable[[Tensor, Tensor, int], Mapping[str, float]]]] = {
    "bare": bare,
    "quaterion": quaterion,
    "pytorch-metric-learning": pytorch_metric_learning,
    "faiss": faiss_flat,
}


def measured(way: str, size: int, dim: int, queries: int, threads: int, results: Any) -> None:
    """Run one way in this process, and put its seconds, its peak memory and its figures."""
    torch.set_num_threads(threads)
    vectors, groups = embeddings(size, dim, queries)
    started = time.perf_counter()
    figures = WAYS[way](vectors, groups, queries)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    results.put((seconds, peak, dict(figures)))


def run(way: str, size: int, dim: int, queries: int, threads: int) -> tuple[float, float, Any]:
    """Run one way in a process of its own."""
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    arguments = way, size, dim, queries, threads, results
    process = context.Process(target=measured, args=arguments)
    process.start()
    while True:
        try:
            found: tuple[float, float, Any] = results.get(timeout=1)
            break
        except Exception as error:  # the queue is empty
            if process.exitcode not in (None, 0):
                raise RuntimeError(f"{way} ended with {process.exitcode}") from error
    process.join()
    return found


def sizes_of(text: str) -> tuple[int, int]:
    """Read a size such as ``60000x128``."""
    size, _, dim = text.partition("x")
    return int(size), int(dim)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="*", default=["60000x128", "100000x384"])
    parser.add_argument("--gallery", default="1000000x384")
    parser.add_argument("--queries", type=int, default=10_000, help="0 leaves the gallery out")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", nargs="*", default=["pytorch-metric-learning", "faiss"])
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    peers = [peer for peer in options.peers if importlib.util.find_spec(peer.replace("-", "_"))]
    tasks = [(*sizes_of(size), 0, options.rounds, peers) for size in options.sizes]
    if options.queries:
        tasks.append((*sizes_of(options.gallery), options.queries, 1, []))
    rows, ratios, figures = [], {}, {}
    for size, dim, queries, rounds, others in tasks:
        name = f"{size}x{dim}" + (f"_{queries}" if queries else "")
        found: dict[str, list[tuple[float, float, Any]]] = {}
        for number in range(rounds):
            for way in ("bare", "quaterion", *(others if number == 0 else ())):
                found.setdefault(way, []).append(run(way, size, dim, queries, options.threads))
        seconds = {way: statistics.median(s for s, _, _ in runs) for way, runs in found.items()}
        for way, runs in found.items():
            peak = max(memory for _, memory, _ in runs) / 1e9
            rows.append(
                {
                    "size": name, "way": way, "seconds": seconds[way],
                    "of bare": seconds[way] / seconds["bare"], "peak GB": peak,
                }
            )  # fmt: skip
            figures[f"{way}_{name}_s"] = round(seconds[way], 2)
            figures[f"{way}_{name}_gb"] = round(peak, 2)
        ratios["bare" if name == "100000x384" else f"bare_{name}"] = round(
            seconds["quaterion"] / seconds["bare"], 3
        )
        print(json.dumps({"size": name, **found["quaterion"][-1][2]}))
    report(
        "evaluation", rows, ratios=ratios, figures=figures,
        packages=["torch", "pytorch-metric-learning"],
    )  # fmt: skip


if __name__ == "__main__":
    main()
