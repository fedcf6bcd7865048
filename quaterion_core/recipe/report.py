"""Provenance of a run for its report: data, versions, seed, device and command."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import torch

from quaterion_core.dataset.object_digest import object_digest
from quaterion_core.plugins import registry
from quaterion_core.recipe.settings import Recipe

REPORT_FILE: Final = "report.json"
"""Name of the report in the folder of a model that was fitted from a recipe."""

_PACKAGES: Final = ("torch", "pytorch-lightning", "numpy", "transformers", "sentence-transformers")


def data_facts(splits: Mapping[str, Sequence[Any]]) -> dict[str, dict[str, Any]]:
    """Return the number of samples and an ordered digest of each split.

    The digest depends on the content: it is the same in every process, and changes with any
    object, group, score or subgroup. For an image file, only the path is included.

    Example:
        >>> from quaterion_core.dataset import SimilarityGroupSample
        >>> facts = data_facts({"train": [SimilarityGroupSample("lost card", "card")]})
        >>> facts["train"]["samples"], len(facts["train"]["digest"])
        (1, 32)
    """
    return {
        name: {"samples": len(samples), "digest": _digest(samples)}
        for name, samples in splits.items()
    }


def environment(recipe: Recipe, device: torch.device, processes: int) -> dict[str, Any]:
    """Return versions, seed and device, which also determine the result, and the command."""
    distributions = {report.provenance.distribution for report in registry.plugins()}
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return {
        "seed": recipe.seed,
        "device": {"type": device.type, "name": name, "processes": processes},
        "versions": {
            "python": platform.python_version(),
            **{n: v for n in (*sorted(distributions), *_PACKAGES) if (v := _version(n))},
        },
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
    }


def changed_splits(recipe: Recipe, facts: Mapping[str, Any]) -> list[str]:
    """Return the splits that have changed since the run that a recipe repeats.

    A recipe repeats a run if it is in the folder of the run's model.

    Args:
        recipe: The recipe.
        facts: Result of :func:`data_facts` for its current splits.
    """
    try:
        report = json.loads((recipe.folder / REPORT_FILE).read_text(encoding="utf-8"))
        before = {name: split["digest"] for name, split in report["data"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
    return [name for name, now in facts.items() if before.get(name, now["digest"]) != now["digest"]]


def _digest(samples: Sequence[Any]) -> str | None:
    """Return the digest of samples; ``None`` if their objects cannot be read as data."""
    digest = hashlib.blake2b(digest_size=16)
    for sample in samples:
        fields = dataclasses.fields(sample)
        try:
            digest.update(object_digest([getattr(sample, field.name) for field in fields]))
        except TypeError:
            return None
    return digest.hexdigest()


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
