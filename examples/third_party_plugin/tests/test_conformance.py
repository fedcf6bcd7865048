"""What Quaterion asks of every plugin and of every component."""

from quaterion_core.testing import Example, conformance_tests

test_conformance = conformance_tests(
    "quaterion-char-ngrams",
    examples={
        "char-ngrams": Example(
            arguments={"smallest": 1, "largest": 3, "rows": 500, "embedding_size": 8},
            objects=["AB-1204/7", "København"],
            odd_objects=["", "   ", "?"],
        ),
    },
    expected_failures={},
)
