"""What Quaterion asks of every plugin."""

from quaterion_core.testing import conformance_tests

test_conformance = conformance_tests("quaterion-tensorboard")
