"""Exported models compared with the model that they are of: embeddings and time.

- Largest difference of a value over questions and answers of the cloud FAQ with all-MiniLM-L6-v2
  and a skip-connection head, after the export to ONNX, to sentence-transformers, and by
  torch.export.
- Time of the runner on onnxruntime, with float32 and with int8 weights, for all texts and for one
  query at a time.
- precision@1 with float32 and with int8 weights, from each question to the answers.

The runner and the model alternate within one process; ratios are those of medians. Run it as
``python -m benchmarks.export [--data FILE] [--texts 1000] [--rounds 3] [--threads 2]``.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from benchmarks.cached_training import DATA, minilm
from benchmarks.encode import QUERIES, alternated, texts_of
from benchmarks.report import report
from quaterion_core import SimilarityModel
from quaterion_core.heads import SkipConnectionHead
from quaterion_nlp.encoders.sentence_transformer_encoder import SentenceTransformerEncoder
from quaterion_serving import (
    TorchModel,
    export_onnx,
    export_sentence_transformers,
    export_torch,
)
from quaterion_serving.onnx_runner import OnnxModel

COLUMNS: Final = {"obj_a": "question", "obj_b": "answer"}


def quality_data(data: Path, texts: int, folder: Path) -> Path:
    """Write the pairs that the texts are of to a file of their own."""
    lines = data.read_text(encoding="utf-8").splitlines()
    chosen = folder / "pairs.jsonl"
    chosen.write_text("\n".join(lines[: texts // 2]), encoding="utf-8")
    return chosen


def main() -> None:
    """Measure, and print the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=1_000)
    parser.add_argument("--data", type=Path, default=DATA, help="the cloud FAQ")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    texts = texts_of(arguments.data, arguments.texts)
    model = SimilarityModel(SentenceTransformerEncoder(minilm()), SkipConnectionHead(384)).eval()
    expected = model.encode(texts)

    def difference(found: Any) -> float:
        return float(np.abs(found - expected).max())

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        export_onnx(model, folder / "onnx")
        export_sentence_transformers(model, folder / "st")
        export_torch(model, folder / "torch")
        int8 = export_onnx(
            model,
            folder / "int8",
            int8=True,
            data=quality_data(arguments.data, arguments.texts, folder),
            columns=COLUMNS,
            max_loss=1,
        )
        assert int8.float32 is not None
        assert int8.int8 is not None
        onnx, quantized = (
            OnnxModel(folder / name, threads=arguments.threads) for name in ("onnx", "int8")
        )
        opened = SentenceTransformer(str(folder / "st"), device="cpu", local_files_only=True)
        differences = {
            "onnx": difference(onnx.encode(texts)),
            "sentence-transformers": difference(opened.encode(texts, show_progress_bar=False)),
            "torch-export": difference(TorchModel(folder / "torch").encode(texts)),
        }
        queries = texts[:QUERIES]
        times = {}
        for name, exported in (("onnx", onnx), ("int8", quantized)):
            times[name, "all texts"] = alternated(
                lambda exported=exported: exported.encode(texts),
                lambda: model.encode(texts),
                arguments.rounds,
            )
            times[name, "one query"] = [
                value / QUERIES
                for value in alternated(
                    lambda exported=exported: [exported.encode(query) for query in queries],
                    lambda: [model.encode(query) for query in queries],
                    arguments.rounds,
                )
            ]
    rows: list[dict[str, object]] = [
        {
            "what": f"{name}, {what}",
            "exported, ms": ours * 1e3,
            "model.encode, ms": theirs * 1e3,
            "ratio": ours / theirs,
        }
        for (name, what), (ours, theirs) in times.items()
    ]
    report(
        "export",
        rows,
        ratios={
            f"{name}_{what}".replace(" ", "_"): ours / theirs
            for (name, what), (ours, theirs) in times.items()
        },
        figures={
            **{f"largest_difference_{name}": value for name, value in differences.items()},
            "precision_at_1_float32": int8.float32,
            "precision_at_1_int8": int8.int8,
        },
        packages=("torch", "sentence-transformers", "onnxruntime", "onnx"),
    )


if __name__ == "__main__":
    main()
