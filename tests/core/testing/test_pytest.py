"""Tests of the checks as pytest tests, as plugin authors run them."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

import quaterion_core.testing
from quaterion_core.testing import Example, Status, conformance_cases, conformance_tests

PLUGIN = """
    from quaterion_core.plugins import hookimpl

    quaterion_api = 1

    @hookimpl
    def quaterion_heads():
        return {"halving": "acme.heads:Halving", "sized": "acme.heads:Sized"}
"""
HEADS = '''
    from quaterion_core.heads import EncoderHead

    class Halving(EncoderHead):
        """Keeps the first half."""

        @property
        def output_size(self):
            return self.input_embedding_size // 2

        def transform(self, input_vectors):
            return input_vectors[:, : self.output_size].float()

    class Sized(EncoderHead):
        """Keeps the first few."""

        def __init__(self, input_embedding_size, size, dropout=0.0):
            super().__init__(input_embedding_size, dropout=dropout)
            self.output_size_ = size

        @property
        def output_size(self):
            return self.output_size_

        def transform(self, input_vectors):
            return input_vectors[:, : self.output_size]

        def get_config_dict(self):
            return {**super().get_config_dict(), "size": self.output_size}
'''
TESTS = """
    from quaterion_core.testing import Example, conformance_tests

    test_conformance = conformance_tests(
        "acme-similarity",
        examples={examples},
        expected_failures={expected_failures},
    )
"""
METADATA = """\
Metadata-Version: 2.1
Name: acme-similarity
Version: 1.0
Requires-Dist: quaterion-core>=0.2,<0.3

"""


@pytest.fixture
def run(tmp_path):
    """Return a function that runs the tests of a plugin and returns what pytest prints."""
    info = "acme_similarity-1.0.dist-info"
    files = {
        "acme/__init__.py": "", "acme/plugin.py": PLUGIN, "acme/heads.py": HEADS,
        f"{info}/METADATA": METADATA,
        f"{info}/entry_points.txt": "[quaterion.plugins]\nacme = acme.plugin\n",
        "tests/conftest.py": 'pytest_plugins = ["quaterion_core.testing.pytest"]\n',
    }  # fmt: skip

    def run(examples="{}", expected_failures="{}", arguments=()):
        test = TESTS.format(examples=examples, expected_failures=expected_failures)
        for path, content in {**files, "tests/test_conformance.py": test}.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(textwrap.dedent(content))
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rA", "tests", *arguments],
            cwd=tmp_path, capture_output=True, text=True,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]),
                "QUATERION_PLUGINS": "acme-similarity",
            },
        )  # fmt: skip

    return run


SIZED = "{'sized': Example(arguments={'size': 3, 'dropout': 0.1})}"


@pytest.mark.parametrize("arguments", [(), ("-n", "1")], ids=["one process", "xdist"])
def test_each_check_is_a_test_and_all_are_counted(run, arguments):
    reason = "'it gives single precision on purpose'"
    result = run(SIZED, f"{{'halving': {{'precision': {reason}}}}}", arguments)
    assert result.returncode == 0, result.stdout
    assert "PASSED tests/test_conformance.py::test_conformance[sized-order_invariance]" in (
        result.stdout
    )
    assert "conformance of acme-similarity" in result.stdout
    assert "40 checks ran: 39 passed, 1 expected failure" in result.stdout
    assert (
        "expected failure: halving: precision: it gives single precision on purpose (the output "
        "for torch.float64: expected torch.float64, got torch.float32)"
    ) in result.stdout


def test_a_failure_says_what_to_do(run):
    result = run(SIZED, arguments=("-k", "halving"))
    assert result.returncode == 1
    assert (
        "the output for torch.float64: expected torch.float64, got torch.float32" in result.stdout
    )
    assert "Create tensors with the `dtype` of the input" in result.stdout
    assert "15 checks ran: 14 passed, 1 failed" in result.stdout


def test_an_example_that_is_missing_is_a_failure_that_says_how_to_give_it(run):
    result = run(arguments=("-k", "sized"))
    assert result.returncode == 1
    assert "The head 'acme-similarity/sized' needs 'size'" in result.stdout
    assert "examples={'sized': Example(arguments={...})}" in result.stdout
    assert "1 check ran: 1 failed, 14 not applicable" in result.stdout
    assert "the component cannot be built: see the check 'construction'" in result.stdout


def test_of_a_distribution_that_is_not_found_only_the_discovery_fails():
    results = [case.run() for case in conformance_cases("no-such-package")]
    assert [r.check for r in results if r.status is Status.FAILED] == ["discovery"]
    assert {r.status for r in results[1:]} == {Status.NOT_APPLICABLE}


def test_misspelt_names_are_refused():
    with pytest.raises(ValueError, match=r"in examples, got 'gatet': did you mean 'gated'"):
        conformance_tests("quaterion-core", examples={"gatet": Example()})
    with pytest.raises(ValueError, match=r"in expected_failures, got 'gatet'"):
        conformance_tests("quaterion-core", expected_failures={"gatet": {}})
    with pytest.raises(ValueError, match=r"Expected names of head checks .* got 'presision'"):
        conformance_tests("quaterion-core", expected_failures={"gated": {"presision": "no"}})


def test_several_examples_are_tested_in_turn():
    cases = conformance_cases("quaterion-core", {"gated": [Example(), Example()]})
    assert {"gated-1-output", "gated-2-output"} <= {str(case) for case in cases}


def imported_by(module):
    program = f"import sys, {module}; print(*sys.modules)"
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def test_only_the_plugin_of_pytest_needs_pytest():
    assert "pytest" not in imported_by("quaterion_core.testing.conformance")


def test_the_plugin_of_pytest_imports_nothing_heavy():
    assert "torch" not in imported_by("quaterion_core.testing.pytest")


def test_public_names_are_sorted_and_all_there():
    names = quaterion_core.testing.__all__
    assert set(names) <= set(dir(quaterion_core.testing))
    assert all(getattr(quaterion_core.testing, name) is not None for name in names)
    with pytest.raises(AttributeError, match="attribute check_optimizer"):
        _ = quaterion_core.testing.check_optimizer
