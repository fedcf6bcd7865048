"""Hostile folders: what loading does with changed folders of saved models."""

from __future__ import annotations

import json
import shutil
import struct
import tempfile
import unicodedata
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from quaterion_core.model import SimilarityModel
from quaterion_core.plugins import PluginError
from quaterion_core.storage import StorageError, same_json
from robustness.hostile_folders import Change, changes, read_tensors, sign
from robustness.sandbox import Case, Outcome, Watch, is_explained, run_cases
from robustness.subjects import Subject, load, make_subjects

PACKAGES: Final = frozenset(
    {
        "PIL", "accelerate", "charset_normalizer", "einops", "filelock", "hf_xet", "httpx",
        "huggingface_hub", "jinja2", "joblib", "mpmath", "networkx", "numpy", "packaging", "peft",
        "psutil", "pyarrow", "pandas", "pydantic", "pydantic_core", "quaterion_core",
        "quaterion_cv", "quaterion_nlp", "regex", "requests", "ruamel", "safetensors", "scipy",
        "robustness", "sentence_transformers", "sentencepiece", "sklearn", "sympy", "tiktoken",
        "timm",
        "tokenizers", "torch", "torchvision", "tqdm", "transformers", "triton", "typing_extensions",
        "yaml", "google", "blobfile", "mistral_common", "datasets", "hypothesis", "threadpoolctl",
        "defusedxml", "et_xmlfile", "lxml", "olefile", "openpyxl",
    }
)  # fmt: skip
"""What loading imports of installed packages; nothing that a file could name."""


@dataclass
class Tried:
    """A case and its outcome.

    Args:
        subject: What was changed.
        changes: How it was changed.
        outcome: What came of it.
    """

    subject: str
    changes: str
    outcome: Outcome

    def __str__(self) -> str:
        return f"{self.subject}: {self.changes}: {self.outcome.kind}: {self.outcome.detail}"


def try_folders(
    count: int,
    *,
    first_seed: int = 0,
    jobs: int = 1,
    report: Callable[[int, int], None] = lambda *_: None,
) -> list[Tried]:
    """Change folders of saved models and load them.

    Args:
        count: The number of cases, over all models.
        first_seed: Seed of the changes.
        jobs: Number of processes.
        report: Called with the number of cases that are done, and of all.
    """
    with tempfile.TemporaryDirectory(prefix="robustness-") as name:
        subjects = make_subjects(Path(name))
        share = -(-count // len(subjects))
        drawn: list[tuple[Subject, str]] = []
        cases: list[Case] = []
        for subject in subjects:
            drawn.append((subject, "nothing"))
            cases.append(_case(subject, [], is_signed=False))
            for listed, chance in _draw(subject, share, first_seed):
                drawn.append((subject, ", ".join(change.name for change in listed)))
                # Nine times in ten, checksums are computed again, as an attacker does.
                cases.append(_case(subject, listed, is_signed=chance > 0))
        outcomes = run_cases(cases, PACKAGES, jobs=jobs, report=report)
    return [
        Tried(subject.name, changed, outcome)
        for (subject, changed), outcome in zip(drawn, outcomes, strict=True)
    ]


def _draw(subject: Subject, count: int, first_seed: int) -> list[tuple[list[Change], int]]:
    drawn: list[tuple[list[Change], int]] = []

    @seed(first_seed + zlib.crc32(subject.name.encode()))
    @settings(
        max_examples=count,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(changes(subject.folder), st.integers(0, 9))
    def one(listed: list[Change], chance: int) -> None:
        drawn.append((listed, chance))

    one()
    return drawn


def _case(subject: Subject, drawn: list[Change], *, is_signed: bool) -> Case:
    def case(place: Path, watch: Watch) -> Outcome:
        folder = place / "model"
        shutil.copytree(subject.folder, folder)
        changed = [change.apply(folder) for change in drawn]
        if is_signed:
            sign(folder)
        is_unchanged = _same_files(folder, subject.folder)
        with watch.allowing(folder, place / "tmp"):
            outcome = _load(subject, folder, drawn, changed, is_unchanged)
        if (place / "executed").exists():
            return Outcome("code executed", "a pickle was opened")
        return outcome

    return case


def embed(folder: Path, objects: list[Any]) -> tuple[SimilarityModel, Any] | Outcome:
    """Load a model and embed objects; return the outcome of an error, unless it is a raw one."""
    try:
        model = load(folder)
        try:
            return model, model.encode(objects)
        except (ValueError, TypeError) as error:
            if not is_explained(error):
                raise
            return refused(error)
    except (StorageError, PluginError) as error:
        return refused(error)


def refused(error: Exception) -> Outcome:
    """Return the outcome of one of our errors, which must not hold control characters."""
    text = str(error)
    if any(unicodedata.category(c) in ("Cc", "Cf", "Cs") and c != "\n" for c in text):
        return Outcome("control characters", repr(text)[:200])
    return Outcome("our error", text[:300])


def _load(
    subject: Subject, folder: Path, drawn: list[Change], changed: list[Any], is_unchanged: bool
) -> Outcome:
    found = embed(folder, subject.objects)
    if isinstance(found, Outcome):
        return found
    model, embeddings = found
    same = np.array_equal(embeddings, subject.expected)
    if is_unchanged:
        return Outcome("same result") if same else Outcome("other result", "of the same files")
    if any(change.must_be_refused for change in drawn):
        return Outcome("change ignored" if same else "other result", "of a change to be refused")
    ignored = [
        place for place in changed if place is not None and not _is_kept(model, folder, place)
    ]
    if ignored:
        return Outcome("change ignored", f"{ignored[0]!r:.300}")
    return Outcome("same result" if same else "as the file says")


def _is_kept(model: Any, folder: Path, place: tuple[str, tuple[Any, ...], Any]) -> bool:
    """Whether a changed value is in what the loaded model saves."""
    name, keys, value = place
    if name == "config.json" and keys[:1] in (("files",), ("checksum",)):
        return True  # they were computed again
    if name == "config.json":
        return (keys[:1] != ("unknown",) and keys[-1:] == ("version",)) or keys == ("core_version",)
    target = Path(tempfile.mkdtemp()) / "again"
    model.save(target)
    original: Any = json.loads((folder / name).read_text())
    saved: Any = json.loads((target / name).read_text())
    try:
        for key in keys:
            original = original[key]
    except (KeyError, IndexError, TypeError):
        return True  # another change has removed it
    try:
        for key in keys:
            saved = saved[key]
    except (KeyError, IndexError, TypeError):
        return value is None or keys[-1:] == ("transformers_version",)
    is_version = any("version" in str(key) for key in keys)
    return is_version or same_json(saved, original)


def _same_files(folder: Path, other: Path) -> bool:
    def parsed(path: Path) -> Any:
        if path.suffix == ".json":
            return json.loads(path.read_text())
        if path.suffix == ".safetensors":
            header, data = read_tensors(path)
            header.setdefault("__metadata__", {"format": "pt"})
            return header, data
        return path.read_bytes()

    def content(root: Path) -> dict[str, Any]:
        return {
            str(path.relative_to(root)): parsed(path)
            for path in root.rglob("*")
            if path.is_file() and not path.is_symlink()
        }

    try:
        first, second = content(folder), content(other)
    except (ValueError, OSError, RecursionError, struct.error):
        return False
    for files in (first, second):
        if isinstance(files.get("config.json"), dict):
            for checksums in ("checksum", "files"):  # files that say the same may differ in bytes
                files["config.json"].pop(checksums, None)
    return first == second and sum(1 for _ in folder.rglob("*")) == sum(1 for _ in other.rglob("*"))
