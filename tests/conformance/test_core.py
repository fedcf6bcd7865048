"""Core's own components pass the checks that plugin authors run."""

from __future__ import annotations

import atexit
import importlib.util
import json
import os
import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import openpyxl
import pyarrow
import torch
from pyarrow import parquet
from torch import nn

from quaterion_core.heads import (
    GatedHead,
    HubnessReductionHead,
    SequentialHead,
    SkipConnectionHead,
    SwitchHead,
)
from quaterion_core.testing import Example, conformance_tests

DATA = Path(__file__).with_name("data")
QUESTIONS = {
    "files": {"train": str(DATA / "questions.jsonl")},
    "obj_a": "question",
    "obj_b": "answer",
    "subgroup": "topic",
}
TEMPORARY = tempfile.TemporaryDirectory()
os.environ["HF_DATASETS_CACHE"] = TEMPORARY.name  # before datasets is imported
PARQUET = str(Path(TEMPORARY.name, "questions.parquet"))
WORKBOOK = str(Path(TEMPORARY.name, "questions.xlsx"))
VECTORS = str(Path(TEMPORARY.name, "vectors.npz"))
workbook = openpyxl.Workbook()
for row in (["question", "answer"], ["Is it free?", "Yes."], ["Where is it?", "In the attic."]):
    workbook.active.append(row)
workbook.save(WORKBOOK)
parquet.write_table(
    pyarrow.Table.from_pylist(
        [json.loads(line) for line in (DATA / "questions.jsonl").read_text().splitlines()]
    ),
    PARQUET,
)
np.savez(VECTORS, object=[*["one", "two", "three"], "", "3", str(Path("a/b"))], embedding=np.eye(6))

spec = importlib.util.spec_from_file_location(
    "embedding_service",
    Path(__file__).parents[1] / "core" / "encoders" / "embedding_service.py",
)
embedding_service = importlib.util.module_from_spec(spec)
spec.loader.exec_module(embedding_service)
RUNNING = ExitStack()
SERVICE = RUNNING.enter_context(embedding_service.serving())
atexit.register(RUNNING.close)

MISSING = [name for name in ("mlflow", "wandb") if importlib.util.find_spec(name) is None]

test_conformance = conformance_tests(
    "quaterion-core",
    examples={
        "openai-compatible": Example(
            arguments={"url": SERVICE.url, "model": "tiny", "prompts": {"query": "query: "}},
            objects=["one", "three", "an apple"],
            odd_objects=["", "Öffne ☃"],
        ),
        "precomputed": Example(
            arguments={"vectors": VECTORS},
            objects=["one", "two", "three"],
            odd_objects=["", 3, Path("a/b")],
        ),
        "text-and-image": Example(
            arguments={
                "text": {"name": "static", "embedding_size": 96, "vocab_size": 300},
                "image": {
                    "name": "timm", "model": "test_resnet", "pretrained": False, "image_size": 32,
                },
            },
            objects=["a seven", np.zeros((8, 8), dtype=np.uint8), "an eight", np.ones((9, 8))],
            odd_objects=["", np.zeros((1, 1), dtype=np.uint8)],
        ),
        "gated": Example(arguments={"dropout": 0.2}),
        "hubness-reduction": Example(
            build=lambda: HubnessReductionHead(
                GatedHead(8, dropout=0.2), torch.eye(8).repeat(3, 1), neighbors=5
            )
        ),
        "identity": Example(arguments={"dropout": 0.2}),
        "linear-projection": Example(arguments={"output_size": 5, "dropout": 0.2}),
        "query-and-document": Example(
            arguments={"query": {"name": "gated", "dropout": 0.2}},
            meta=[{"role": "query"}, {"role": "document"}],
        ),
        "sequential": Example(
            build=lambda: SequentialHead(nn.Linear(8, 6), nn.Tanh(), nn.Dropout(0.2), output_size=6)
        ),
        "softmax-embeddings": Example(arguments={"output_groups": 2, "output_size_per_group": 3}),
        "stacked-projection": Example(arguments={"output_sizes": [6, 5], "dropout": 0.2}),
        "switch": Example(
            build=lambda: SwitchHead(
                {"text": GatedHead(8), "image": SkipConnectionHead(8)}, input_embedding_size=8
            ),
            meta=[{"encoder": "text"}, {"encoder": "image"}],
        ),
        "matryoshka": [
            Example(arguments={"loss": "triplet", "dims": [8, 3], "weights": [1.0, 0.5]}),
            Example(arguments={"loss": "multiple-negatives-ranking", "dims": [8, 3]}),
        ],
        "knn-accuracy": [
            Example(arguments={"k": 1}),
            Example(arguments={"k": 3, "temperature": 0.07}),
        ],
        "beir": Example(arguments={"folder": str(DATA / "beir")}),
        "dataset:csv": Example(
            arguments={
                "files": {"train": str(DATA / "intents.csv")}, "obj": "text", "group": "intent",
            }
        ),
        "wandb": Example(arguments={"offline": True}),
        "excel": Example(
            arguments={
                "files": {"train": WORKBOOK}, "obj_a": "question", "obj_b": "answer",
            }
        ),
        "hugging-face": Example(
            arguments={
                "path": "parquet", "data_files": {"train": PARQUET},
                "splits": {"train": "train[:1]", "validation": "train[1:]"},
                "obj_a": "question", "obj_b": "answer",
            }
        ),
        "jsonl": Example(arguments=QUESTIONS),
        "parquet": Example(arguments={**QUESTIONS, "files": {"train": PARQUET}}),
        "queries-and-documents": Example(arguments={"data": {"name": "jsonl", **QUESTIONS}}),
    },
    expected_failures={
        **{name: {"construction": "its package is not installed"} for name in MISSING},
        "pair-average-precision": {
            "ranking": "pairs of one similarity are accepted together, which is not the worst order"
        },
        "triplet-accuracy": {"ranking": "no two pairs of the batches share an anchor"},
    },
)  # fmt: skip
