"""The package quaterion-nlp: light to find, everything registered by name."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import quaterion_nlp
from quaterion_core.plugins import registry


def modules_after(program):
    code = f"import sys\n{program}\nprint(*sys.modules)"
    return set(
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.split()
    )


@pytest.mark.parametrize(
    "module", ["quaterion_nlp.plugin", "quaterion_nlp.encoders", "quaterion_nlp.datasets"]
)
def test_importing_a_package_imports_nothing_heavy(module):
    heavy = {"torch", "transformers", "sentence_transformers", "tokenizers", "gensim", "numpy"}
    assert not heavy & modules_after(f"import {module}")


@pytest.mark.parametrize("package", ["quaterion_nlp", "quaterion_nlp.encoders",
                                     "quaterion_nlp.datasets"])  # fmt: skip
def test_public_names_are_sorted_and_all_there(package):
    module = importlib.import_module(package)
    assert list(module.__all__) == sorted(module.__all__)
    assert {getattr(module, name).__name__ for name in module.__all__} == set(module.__all__)
    assert set(module.__all__) <= set(dir(module))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="quaterion_nlp attribute StaticEncoders"):
        _ = quaterion_nlp.StaticEncoders


@pytest.mark.parametrize(
    ("kind", "name", "class_name"),
    [
        ("encoder", "quaterion-nlp/static", "StaticEncoder"),
        ("encoder", "quaterion-nlp/sentence-transformer", "SentenceTransformerEncoder"),
        ("encoder", "quaterion-nlp/fasttext", "FasttextEncoder"),
        ("dataset", "quaterion-nlp/python-docs", "PythonDocs"),
    ],
)
def test_components_are_found_by_name(kind, name, class_name):
    assert registry.load(kind, name) is getattr(quaterion_nlp, class_name)
    assert registry.load(kind, name.partition("/")[2]) is getattr(quaterion_nlp, class_name)


@pytest.mark.parametrize("name", ["FasttextEncoder", "load_fasttext_model"])
def test_the_old_path_of_the_fasttext_encoder_leads_here(name):
    old = importlib.import_module("quaterion_core.encoders.extras.fasttext_encoder")
    new = importlib.import_module("quaterion_nlp.encoders.fasttext_encoder")
    assert getattr(old, name) is getattr(new, name)
