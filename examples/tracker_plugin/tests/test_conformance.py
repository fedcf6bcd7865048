"""Conformance checks of Quaterion for the plugin."""

from quaterion_core.testing import conformance_tests

test_conformance = conformance_tests("quaterion-tensorboard")
