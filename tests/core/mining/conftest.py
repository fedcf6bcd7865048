"""Models that look vectors up, so that every similarity is known."""

from __future__ import annotations

import pytest
import torch

from quaterion_core import SimilarityModel
from quaterion_core.encoders import Encoder
from quaterion_core.heads import EmptyHead


class LookUp(Encoder):
    """Gives every object the vector that it has in a dictionary."""

    def __init__(self, vectors):
        super().__init__()
        self.vectors = {key: torch.tensor(vector).float() for key, vector in vectors.items()}

    @property
    def trainable(self):
        return False

    @property
    def embedding_size(self):
        return len(next(iter(self.vectors.values())))

    def get_collate_fn(self):
        return lambda objects: torch.stack([self.vectors[obj] for obj in objects])

    def forward(self, batch):
        return batch


@pytest.fixture
def look_up():
    def make(vectors):
        encoder = LookUp(vectors)
        return SimilarityModel(encoder, EmptyHead(encoder.embedding_size))

    return make
