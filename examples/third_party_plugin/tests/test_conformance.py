"""Conformance checks of Quaterion for the plugin and its components."""

from pathlib import Path

from quaterion_core.testing import Example, conformance_tests

test_conformance = conformance_tests(
    "quaterion-char-ngrams",
    examples={
        "char-ngrams": Example(
            arguments={"smallest": 1, "largest": 3, "rows": 500, "embedding_size": 8},
            objects=["AB-1204/7", "København"],
            odd_objects=["", "   ", "?"],
        ),
        "corrections": Example(
            arguments={"files": {"train": str(Path(__file__).parents[1] / "cities.txt")}}
        ),
        "lion": Example(arguments={"lr": 0.02, "betas": (0.5, 0.9), "weight_decay": 0.1}),
    },
    expected_failures={},
)
