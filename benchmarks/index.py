"""Building and searching a store of vectors: time, latency, size, and recall.

Vectors lie around the centers of groups and near a subspace, as embeddings do: vectors that fill
all dimensions alike are far harder for an approximate search (recall@10 of faiss with a million of
them is 0.40, with 128 candidates). The reference of a search is a bare
matrix product with top-k over the same vectors in memory, float32. Each way runs in a process of
its own; searches are single queries after a warm-up, interleaved with those of the reference.

Run it as ``python -m benchmarks.index [--sizes 10000 1000000] [--dim 384] [--queries 200]``. Stores
of plugins are compared by ``--stores 'exact' '{name: exact, dtype: int8}' faiss``.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from benchmarks.report import report

TOP: Final = 10
BLOCK: Final = 10_000
LATENT: Final = 64
"""Number of dimensions that most of the variance is in: embeddings do not fill their space."""


def vectors_of(size: int, dim: int, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return unit vectors, ten around each center, most of whose variance is in few dimensions."""
    directions = np.random.default_rng(99).standard_normal((LATENT, dim), dtype=np.float32)
    generator = np.random.default_rng(seed)
    centers = generator.standard_normal((max(1, size // 10), LATENT), dtype=np.float32)
    found = np.empty((size, dim), dtype=np.float32)
    for start in range(0, size, BLOCK):
        stop = min(start + BLOCK, size)
        latent = centers[np.arange(start, stop) % len(centers)]
        latent = latent + generator.standard_normal(latent.shape, dtype=np.float32)
        part = latent @ directions
        part += generator.standard_normal(part.shape, dtype=np.float32)
        found[start:stop] = part / np.linalg.norm(part, axis=1, keepdims=True)
    return found


def measure(choice: Any, size: int, dim: int, queries: int) -> dict[str, float]:
    """Build a store, search it, and compare with the reference."""
    from quaterion_core.components import build_component, split_choice
    from quaterion_core.distances import Distance

    vectors = vectors_of(size, dim)
    rows = np.random.default_rng(1).integers(size, size=queries)
    searched = vectors[rows] + 0.3 * vectors_of(queries, dim, seed=2)
    name, arguments = split_choice("store", choice)
    with tempfile.TemporaryDirectory() as folder:
        place = str(Path(folder, "store"))
        store = build_component("store", {"name": name, "location": place, **arguments})
        store.create(dim, Distance.COSINE, {})
        started = time.perf_counter()
        for start in range(0, size, BLOCK):
            part = vectors[start : start + BLOCK]
            ids = [str(number) for number in range(start, start + len(part))]
            store.upsert(ids, part, [{"n": int(name)} for name in ids])
        build = time.perf_counter() - started
        store.close()
        size_on_disk = sum(path.stat().st_size for path in Path(folder).rglob("*"))
        started = time.perf_counter()
        store.open()
        opened = time.perf_counter() - started
        corpus = torch.from_numpy(vectors)
        own, bare, hits = [], [], 0
        for number, query in enumerate(searched):
            started = time.perf_counter()
            expected = (torch.from_numpy(query) @ corpus.T).topk(TOP).indices.tolist()
            between = time.perf_counter()
            found = store.search(query[None], TOP)[0]
            ended = time.perf_counter()
            if number >= 5:
                bare.append(between - started)
                own.append(ended - between)
            hits += len({int(hit.id) for hit in found} & set(expected))
        store.close()
    return {
        "build s": build,
        "open ms": 1000 * opened,
        "p50 ms": 1000 * float(np.percentile(own, 50)),
        "p99 ms": 1000 * float(np.percentile(own, 99)),
        "of bare": float(np.percentile(own, 50) / np.percentile(bare, 50)),
        "recall@10": hits / queries / TOP,
        "disk GB": size_on_disk / 1e9,
        "peak GB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
    }


def main() -> None:
    """Run the benchmark and print a table."""
    from quaterion_core.recipe.yaml_text import parse_yaml

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="*", type=int, default=[10_000, 1_000_000])
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--stores", nargs="*", default=["exact", "{name: exact, dtype: int8}"])
    options = parser.parse_args()
    rows, ratios, figures = [], {}, {}
    for size in options.sizes:
        for text in options.stores:
            choice = parse_yaml(text, "a store")
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                found = pool.apply(measure, (choice, size, options.dim, options.queries))
            rows.append({"size": size, "store": text, **found})
            key = f"{text.strip('{}').replace('name: ', '').replace(', dtype: ', '_')}_{size}"
            ratios[f"bare_{key}"] = round(found["of bare"], 3)
            figures |= {f"{name.replace(' ', '_')}_{key}": round(v, 3) for name, v in found.items()}
    report("index", rows, ratios=ratios, figures=figures, packages=["torch"])


if __name__ == "__main__":
    main()
