"""Service under load: throughput, latency, refusals and memory.

Clients on this machine send one text per request, as fast as they are answered. The reference is
an endpoint of a few lines: FastAPI, which calls ``model.encode([text])`` in its threads. The
service is measured with and without batching, beside the reference and after another, with as many
clients as each can serve; then for a minute with more clients than it can serve, where the queue is
short: no request may fail but by an orderly refusal (429 or 503), and memory must not grow.

Run it as ``python -m benchmarks.serve [--seconds 15] [--overload 60] [--clients 32] [--rounds 2]``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil

from benchmarks.encode import minilm
from benchmarks.report import report

TEXTS: Final = [
    f"How do I {verb} the {thing} of my {place}{ending}"
    for verb in ("delete", "restore", "share", "encrypt", "rename", "monitor")
    for thing in ("backups", "access key", "quota", "billing address", "log files")
    for place in ("bucket", "cluster", "account", "virtual machine")
    for ending in ("?", ", and who has to be asked before that is done in production?")
]


@dataclass
class Load:
    """What clients have seen.

    Attributes:
        statuses: Number of answers by status; 0 for a connection that failed.
        latencies: Seconds of each answer with the status 200.
        memory: Resident memory of the service in MiB, once a second.
        seconds: Seconds that the load lasted.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def throughput(self) -> float:
        """Texts that were embedded per second."""
        return self.statuses[200] / self.seconds

    @property
    def refused(self) -> int:
        """Number of orderly refusals."""
        return self.statuses[429] + self.statuses[503]

    @property
    def failed(self) -> int:
        """Number of other answers, and of connections that failed."""
        return self.statuses.total() - self.statuses[200] - self.refused

    def latency(self, percent: float) -> float:
        """Return a percentile of the latencies, in milliseconds."""
        return float(np.percentile(self.latencies, percent)) * 1000


def serve(kind: str, folder: str, port: int) -> None:
    """Serve the model, in a process of its own."""
    import uvicorn

    from quaterion_core import SimilarityModel
    from quaterion_serving.service.application import build_application
    from quaterion_serving.service.settings import ServiceSettings

    model = SimilarityModel.load(folder)
    settings = {
        "batched": ServiceSettings(),
        "single": ServiceSettings(batch_size=1),
        "short queue": ServiceSettings(max_waiting=64),
    }
    app = naive(model) if kind == "naive" else build_application(model, settings=settings[kind])
    uvicorn.run(app, port=port, log_level="error", access_log=False)


def naive(model: Any) -> Any:
    """Return the reference."""
    from fastapi import FastAPI

    app = FastAPI()

    @app.get("/health")
    def health() -> dict[str, str]:
        return {}

    @app.post("/v1/embeddings")
    def embed(given: dict[str, str]) -> dict[str, Any]:
        return {"data": [{"embedding": model.encode([given["input"]])[0].tolist()}]}

    return app


class Service:
    """A service in a process of its own."""

    def __init__(self, kind: str, folder: str):
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = found.getsockname()[1]
        command = f"from benchmarks.serve import serve; serve({kind!r}, {folder!r}, {self.port})"
        self._process = subprocess.Popen([sys.executable, "-c", command])
        self.process = psutil.Process(self._process.pid)
        end = time.monotonic() + 120
        while not self._answers():
            assert time.monotonic() < end
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1):
                return True
        except OSError:
            return False

    def stop(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.wait()


async def client(port: int, number: int, load: Load, end: float) -> None:
    """Send requests over one connection until the time is over."""
    reader = writer = None
    turn = number
    while time.perf_counter() < end:
        turn += 1
        body = json.dumps({"input": TEXTS[turn % len(TEXTS)]}).encode()
        begin = time.perf_counter()
        try:
            if writer is None:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(
                b"POST /v1/embeddings HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                % (len(body), body)
            )
            assert reader is not None
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.decode().lower().split("\r\n")
            status = int(lines[0].split()[1])
            length = next(line for line in lines if line.startswith("content-length:"))
            await reader.readexactly(int(length.partition(":")[2]))
            if "connection: close" in lines:
                writer.close()
                writer = None
        except (OSError, asyncio.IncompleteReadError, StopIteration):
            status = 0
            if writer is not None:
                writer.close()
            writer = None
        load.statuses[status] += 1
        if status == 200:
            load.latencies.append(time.perf_counter() - begin)
        elif status:
            await asyncio.sleep(1)  # as Retry-After says
    if writer is not None:
        writer.close()


async def loaded(service: Service, clients: int, seconds: float) -> Load:
    """Return what clients see of a service."""
    load = Load(seconds=seconds)
    end = time.perf_counter() + seconds
    tasks = [asyncio.create_task(client(service.port, n * 7, load, end)) for n in range(clients)]
    while time.perf_counter() < end:
        load.memory.append(service.process.memory_info().rss / 2**20)
        await asyncio.sleep(1)
    await asyncio.gather(*tasks)
    return load


def save_model(folder: str) -> None:
    """Save all-MiniLM-L6-v2."""
    from quaterion_core import SimilarityModel
    from quaterion_core.heads import EmptyHead
    from quaterion_nlp import SentenceTransformerEncoder

    SimilarityModel(SentenceTransformerEncoder(minilm()), EmptyHead(384)).save(folder)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--overload", type=float, default=60)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--overload-clients", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = str(Path(place, "model"))
        save_model(folder)
        loads: dict[str, list[Load]] = {}
        for _ in range(options.rounds):
            for kind in ("naive", "single", "batched"):
                service = Service(kind, folder)
                asyncio.run(loaded(service, options.clients, 3))  # warm-up
                loads.setdefault(kind, []).append(
                    asyncio.run(loaded(service, options.clients, options.seconds))
                )
                service.stop()
        service = Service("short queue", folder)
        asyncio.run(loaded(service, options.clients, 3))
        overload = asyncio.run(loaded(service, options.overload_clients, options.overload))
        after = asyncio.run(loaded(service, 1, 3))
        service.stop()
    best = {kind: max(of_kind, key=lambda load: load.throughput) for kind, of_kind in loads.items()}
    quarter = len(overload.memory) // 4
    early = float(np.mean(overload.memory[quarter : 2 * quarter]))
    late = float(np.mean(overload.memory[-quarter:]))
    shown = {**best, f"overload, {options.overload_clients} clients": overload, "after it": after}
    rows = [
        {
            "service": f"{kind}, {options.clients} clients" if kind in best else kind,
            "texts_per_s": load.throughput,
            "p50_ms": load.latency(50),
            "p99_ms": load.latency(99),
            "refused": load.refused,
            "failed": load.failed,
            "memory_mib": round(load.memory[-1]),
        }
        for kind, load in shown.items()
    ]
    report(
        "serve",
        rows,
        ratios={
            "batched_over_naive_time_per_text": best["naive"].throughput
            / best["batched"].throughput,
            "single_over_naive_time_per_text": best["naive"].throughput / best["single"].throughput,
            "batched_over_naive_median_latency": best["batched"].latency(50)
            / best["naive"].latency(50),
            "overload_late_over_early_memory": late / early,
        },
        figures={
            "overload_failures": overload.failed,
            "overload_refusals": overload.refused,
            "overload_early_memory_mib": early,
            "overload_late_memory_mib": late,
        },
        packages=["torch", "fastapi", "uvicorn"],
    )


if __name__ == "__main__":
    main()
