"""Tests that unidiomatic phrases do not return to pages, docstrings and messages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

BETTER = {
    r"\bwhoever\b": "anyone who, or the person",
    r"\bin place of\b": "instead of",
    r"\bto be found\b": "found, available",
    r"\btold (?:by|apart)\b": "given by, distinguished",
    r"\bexpected (?:was|were)\b": "expected X, got Y",
    r"\bmend(?:s|ed|ing)?\b": "fix",
    r"\bdata sets?\b": "dataset",
    r"\basks? for a gradient\b": "requires grad",
    r"\btrainings\b": "training runs",
    r"\b(?:a|each) training(?=[.,;:)]| (?:is|goes|in|with|that|of|on)\b)": "a training run",
    r"\b(?:goes|gone|went) on\b": "resumes, continues",
    r"\bneighbou?rs told\b": "k-NN accuracy was",
    r"\bthat there (?:is|are) not\b": "unknown, missing",
}
"""Phrases as regular expressions, with the better wording."""

FOLDERS = ["benchmarks", "docs", "examples", "plugins", "quaterion_core", "robustness", "tests"]
"""Folders with text; the files beside them are checked, too."""

EXCEPTIONS = {"CONTRIBUTING.md", "tests/docs/test_wording.py"}
"""Files that list the phrases."""

FILES = sorted(
    path
    for pattern in ("*", *(f"{folder}/**/*" for folder in FOLDERS))
    for path in ROOT.glob(pattern)
    if path.suffix in {".md", ".py"} and str(path.relative_to(ROOT)) not in EXCEPTIONS
)


def test_there_are_files_to_check():
    assert len(FILES) > 300


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_wording_is_idiomatic(path):
    text = " ".join(path.read_text(encoding="utf-8").split())
    found = [
        f"...{text[max(0, match.start() - 30) : match.end() + 20]}...: write {better!r}"
        for phrase, better in BETTER.items()
        for match in re.finditer(phrase, text, re.IGNORECASE)
    ]
    assert not found, "\n".join(found)
