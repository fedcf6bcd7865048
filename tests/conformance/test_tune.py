"""The components of quaterion-tune pass the checks that plugin authors run."""

from quaterion_core.testing import conformance_tests

test_conformance = conformance_tests("quaterion-tune")
