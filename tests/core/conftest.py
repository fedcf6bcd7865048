"""Small encoders over lists of numbers, from which tests build models."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from quaterion_core.encoders import Encoder


class VectorEncoder(Encoder):
    """A linear layer over objects that are lists of numbers."""

    def __init__(self, size: int, embedding_size: int, trainable: bool = True):
        super().__init__()
        self.size, self._embedding_size, self._trainable = size, embedding_size, trainable
        self.layer = nn.Linear(size, embedding_size)
        self.dropout = nn.Dropout(0.5)

    @property
    def trainable(self):
        return self._trainable

    @property
    def embedding_size(self):
        return self._embedding_size

    def get_collate_fn(self):
        return torch.tensor

    def forward(self, batch):
        return self.layer(self.dropout(batch))

    def get_config_dict(self):
        return {"size": self.size, "embedding_size": self._embedding_size,
                "trainable": self._trainable}  # fmt: skip


@pytest.fixture
def vector_encoder():
    return VectorEncoder
