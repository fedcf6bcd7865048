"""Losses of sentence-transformers, called with embeddings in place of texts."""

from __future__ import annotations

import pytest
import torch
from torch import nn


class Passing(nn.Module):
    """Stands in for an encoder of sentence-transformers: its features are the embeddings."""

    def forward(self, features, **kwargs):
        return {"sentence_embedding": features["embeddings"]}


@pytest.fixture
def peer_value():
    """Return the value of a sentence-transformers loss for columns of embeddings."""

    def value(loss, columns, labels=None):
        return loss([{"embeddings": column} for column in columns], labels)

    return value


@pytest.fixture
def passing():
    return Passing


@pytest.fixture
def pair_targets():
    """Return targets of pairs as a loader makes them: all obj_a, then all obj_b."""

    def targets(labels, subgroups):
        first = torch.arange(len(labels))
        return {
            "pairs": torch.stack([first, first + len(labels)], dim=1),
            "labels": torch.as_tensor(labels),
            "subgroups": torch.tensor(subgroups).repeat(2),
        }

    return targets


@pytest.fixture
def vectors():
    """Return random float64 vectors."""

    def draw(count, size=6, seed=0):
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(count, size, dtype=torch.float64, generator=generator)

    return draw
