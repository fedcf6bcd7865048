"""Core's own components pass the checks that plugin authors run."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from quaterion_core.heads import GatedHead, SequentialHead, SkipConnectionHead, SwitchHead
from quaterion_core.testing import Example, conformance_tests

DATA = Path(__file__).with_name("data")

test_conformance = conformance_tests(
    "quaterion-core",
    examples={
        "gated": Example(arguments={"dropout": 0.2}),
        "identity": Example(arguments={"dropout": 0.2}),
        "linear-projection": Example(arguments={"output_size": 5, "dropout": 0.2}),
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
        "csv": Example(
            arguments={
                "files": {"train": str(DATA / "intents.csv")}, "obj": "text", "group": "intent",
            }
        ),
        "jsonl": Example(
            arguments={
                "files": {"train": str(DATA / "questions.jsonl")},
                "obj_a": "question", "obj_b": "answer", "subgroup": "topic",
            }
        ),
    },
)  # fmt: skip
