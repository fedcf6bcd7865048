"""Fixtures of the tests of reports: small models with their data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from quaterion_core import fit_recipe


@pytest.fixture(scope="session")
def examples(load_module):
    """Return the module with data of pages."""
    return load_module(Path(__file__).with_name("examples.py"))


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
