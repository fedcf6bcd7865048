"""Time of encoding compared with sentence-transformers, and memory of encoding to a file.

- Texts of mixed lengths, questions and answers of the cloud FAQ, with all-MiniLM-L6-v2.
- One query at a time with the same model.
- The same texts with a static encoder: a table of token vectors.
- Peak memory of processes that encode 10,000 and 100,000 generated texts to a file with a static
  encoder, beyond that of a process that encodes 1,000.

Ours and the reference alternate within one process; ratios are those of medians. Run it as
``python -m benchmarks.encode [--data FILE] [--texts 2000] [--rounds 5] [--threads 2]``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import StaticEmbedding

from benchmarks.cached_training import DATA, minilm
from benchmarks.report import report
from quaterion_core import SimilarityModel
from quaterion_core.heads import EmptyHead
from quaterion_nlp.encoders.sentence_transformer_encoder import SentenceTransformerEncoder
from quaterion_nlp.encoders.static_encoder import StaticEncoder

QUERIES: Final = 50
CORPORA: Final = (1_000, 10_000, 100_000)
STATIC_SIZE: Final = 256


def texts_of(data: Path, count: int) -> list[str]:
    """Return questions and answers of the cloud FAQ in turn."""
    with data.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [row[key] for row in rows for key in ("question", "answer")][:count]


def seconds(work: Callable[[], Any]) -> float:
    """Return the time that a call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def alternated(ours: Callable[[], Any], theirs: Callable[[], Any], rounds: int) -> list[float]:
    """Return the median time of each of two calls, which take turns after a first one."""
    ours()
    theirs()
    times = [(seconds(ours), seconds(theirs)) for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*times, strict=True)]


def transformer(texts: list[str], rounds: int) -> dict[str, list[float]]:
    """Return the times for all texts, and for single queries, with all-MiniLM-L6-v2."""
    ours = SimilarityModel(SentenceTransformerEncoder(minilm()), EmptyHead(384)).eval()
    theirs = SentenceTransformer(minilm(), device="cpu")
    bare = theirs.preprocess(texts[:1])

    def forward() -> None:
        with torch.inference_mode():
            theirs(dict(bare))

    queries = texts[:QUERIES]
    found = {
        "mixed lengths": alternated(
            lambda: ours.encode(texts),
            lambda: theirs.encode(texts, show_progress_bar=False),
            rounds,
        ),
        "one query": alternated(
            lambda: [ours.encode(query) for query in queries],
            lambda: [theirs.encode(query, show_progress_bar=False) for query in queries],
            rounds,
        ),
    }
    found["one query"] = [value / QUERIES for value in found["one query"]]
    found["one query, model alone"] = [statistics.median(seconds(forward) for _ in range(QUERIES))]
    return found


def static_encoder(texts: list[str]) -> StaticEncoder:
    """Return a static encoder with byte pairs of the texts."""
    return StaticEncoder.from_data(texts, vocab_size=10_000, embedding_size=STATIC_SIZE)


def static(texts: list[str], rounds: int) -> list[float]:
    """Return the times for all texts with a static encoder."""
    encoder = static_encoder(texts)
    ours = SimilarityModel(encoder, EmptyHead(STATIC_SIZE)).eval()
    module = StaticEmbedding(
        encoder.tokenizer, embedding_weights=encoder.embedding.weight.detach().numpy()
    )
    theirs = SentenceTransformer(modules=[module], device="cpu")
    return alternated(
        lambda: ours.encode(texts), lambda: theirs.encode(texts, show_progress_bar=False), rounds
    )


def generated(count: int) -> Iterator[str]:
    """Yield distinct texts."""
    for number in range(count):
        yield f"text {number} of the corpus, " + "and more of it " * (number % 20)


def encode_generated(count: int) -> None:
    """Encode texts to a file, and print the peak memory of the process in MiB."""
    encoder = static_encoder(list(generated(1_000)))
    model = SimilarityModel(encoder, EmptyHead(STATIC_SIZE))
    with tempfile.TemporaryDirectory() as folder:
        model.encode_to(Path(folder, "vectors.npy"), generated(count))
    # Not ru_maxrss, which a process inherits from the one that starts it.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    print(int(status.split("VmHWM:")[1].split()[0]) / 1024)


def peak(count: int) -> float:
    """Return the peak memory in MiB of a process that encodes texts to a file."""
    command = [sys.executable, "-m", "benchmarks.encode", "--to-file", str(count)]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(found.stdout.split()[-1])


def main() -> None:
    """Measure, and print the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=2_000)
    parser.add_argument("--data", type=Path, default=DATA, help="the cloud FAQ")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--to-file", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.to_file:
        encode_generated(arguments.to_file)
        return
    texts = texts_of(arguments.data, arguments.texts)
    times = transformer(texts, arguments.rounds)
    times["static encoder"] = static(texts, arguments.rounds)
    peaks = {count: peak(count) for count in CORPORA}
    alone = times.pop("one query, model alone")[0]
    rows: list[dict[str, object]] = [
        {
            "what": what,
            "ours, ms": ours * 1e3,
            "reference, ms": theirs * 1e3,
            "ratio": ours / theirs,
        }
        for what, (ours, theirs) in times.items()
    ]
    first, *others = CORPORA
    rows += [
        {"what": f"peak memory of {count:,} to a file, MiB", "ours, ms": "", "theirs, ms": "",
         "ratio": f"{peaks[count]:.0f}"}
        for count in CORPORA
    ]  # fmt: skip
    report(
        "encode",
        rows,
        ratios={what.replace(" ", "_"): ours / theirs for what, (ours, theirs) in times.items()},
        figures={
            "one_query_ms": times["one query"][0] * 1e3,
            "one_query_model_alone_ms": alone * 1e3,
            **{f"more_memory_than_{first}_for_{n}_mib": peaks[n] - peaks[first] for n in others},
        },
        packages=("torch", "sentence-transformers", "tokenizers"),
    )


if __name__ == "__main__":
    main()
