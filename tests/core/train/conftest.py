"""Small data with something to learn, and trainers that write nothing."""

from __future__ import annotations

import pytest
import pytorch_lightning as pl
import torch

from quaterion_core import Quaterion
from quaterion_core.dataset import SimilarityGroupSample, SimilarityPairSample


def _noisy_centres(groups: int, each: int) -> list[tuple[list[float], int]]:
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(groups, 6, generator=generator)
    points = centres.repeat(each, 1) + 0.3 * torch.randn(groups * each, 6, generator=generator)
    return [(point.tolist(), number % groups) for number, point in enumerate(points)]


@pytest.fixture
def groups():
    return [SimilarityGroupSample(obj, f"group {group}") for obj, group in _noisy_centres(4, 8)]


@pytest.fixture
def pairs():
    points = _noisy_centres(16, 2)
    return [
        SimilarityPairSample(points[n][0], points[n + 16][0], subgroup=f"pair {n}")
        for n in range(16)
    ]


@pytest.fixture
def make_trainer(tmp_path):
    def make(**arguments):
        defaults = Quaterion.trainer_defaults()
        defaults["callbacks"] = []
        defaults.update(
            max_epochs=2,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=tmp_path,
            log_every_n_steps=1,
        )
        return pl.Trainer(**{**defaults, **arguments})

    return make
