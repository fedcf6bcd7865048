"""Makes the conformance kit's parts known to pytest."""

pytest_plugins = ["quaterion_core.testing.pytest"]
