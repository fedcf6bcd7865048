"""Loads the pytest plugin of the conformance checks."""

pytest_plugins = ["quaterion_core.testing.pytest"]
