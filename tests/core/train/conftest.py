"""Small data with something to learn, and trainers that write nothing."""

from __future__ import annotations

import pytest
import torch

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
def make_trainer(quiet_trainer):
    def make(**arguments):
        return quiet_trainer(**{"max_epochs": 2, **arguments})

    return make
