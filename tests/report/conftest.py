"""Fixtures of the tests of reports: a browser, and small models with their data."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from quaterion_core import fit_recipe


def load(name):
    """Import a module of this folder, which is no package."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def examples():
    """Return the module with data of pages."""
    return load("examples")


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """Return a headless Chromium."""
    chromium = load("chromium")
    program = chromium.find_chromium()
    if program is None:
        pytest.skip("there is no Chromium: apt-get install chromium, or set CHROMIUM to its path")
    browser = chromium.Chromium(program, tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()


QUESTIONS = [
    ("How do I reset my password?", "Open Settings and choose Reset."),
    ("I forgot my password", "Open Settings and choose Reset."),
    ("Can I pay by invoice?", "Invoices are offered from ten seats on."),
    ("Where are my backups?", "Backups are stored in your region."),
    ("How do I invite a colleague?", "Open Members and choose Invite."),
    ("Is there a student discount?", "Students pay half of the price."),
    ("<script>alert(1)</script> in a text", "</script><b>Bold</b> & \"quoted\""),
    ("Which regions are there?", "There are regions on four continents."),
]  # fmt: skip


@pytest.fixture(scope="session")
def faq(tmp_path_factory):
    """Return a function that fits a model on questions and answers, and returns its folder."""
    folder = tmp_path_factory.mktemp("faq")
    rows = [{"question": question, "answer": answer} for question, answer in QUESTIONS]
    (folder / "faq.jsonl").write_text("\n".join(map(json.dumps, rows)))
    recipe = {
        "data": {"name": "jsonl", "files": {"train": "faq.jsonl", "validation": "faq.jsonl"},
                 "obj_a": "question", "obj_b": "answer"},
        "encoder": {"name": "static", "embedding_size": 8, "vocab_size": 300},
        "loss": "multiple-negatives-ranking",
        "metrics": [{"name": "retrieval-precision", "k": 1}, "retrieval-reciprocal-rank"],
        "optimizer": {"name": "adam", "lr": 0.01},
        "epochs": 2, "batch_size": 4,
    }  # fmt: skip
    written = folder / "recipe.yaml"

    def fit(name, **changes):
        target = folder / name
        if not target.exists():
            written.write_text(json.dumps({**recipe, **changes}))
            fit_recipe(written, target, write=lambda line: None)
        return target

    return fit
