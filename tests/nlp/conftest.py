"""Small sentence-transformers models, and losses called with embeddings instead of texts."""

from __future__ import annotations

import pytest
import torch
import transformers
from huggingface_hub import constants
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import (
    Dense,
    Normalize,
    Pooling,
    Transformer,
)
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
def vectors():
    """Return random float64 vectors."""

    def draw(count, size=6, seed=0):
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(count, size, dtype=torch.float64, generator=generator)

    return draw


@pytest.fixture
def without_network(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


@pytest.fixture(scope="session")
def tiny_folder(save_bert, tmp_path_factory):
    """A sentence-transformers model of two small BERT layers, mean pooling and a dense layer."""
    folder = tmp_path_factory.mktemp("tiny")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "red", "green", "house", "very",
             "long", "query", ":"]  # fmt: skip
    save_bert(folder, words)
    transformer = Transformer(str(folder), max_seq_length=32)
    modules = [transformer, Pooling(8, "mean"), Dense(8, 6), Normalize()]
    model = SentenceTransformer(modules=modules, device="cpu")
    model.save(str(folder / "saved"), create_model_card=False)
    return folder / "saved"


@pytest.fixture
def build(tiny_folder, tmp_path):
    """Return a function that makes a model of a transformer by its configuration."""

    def build(config):
        torch.manual_seed(0)
        transformers.AutoModel.from_config(config).save_pretrained(tmp_path)
        tokenizer = transformers.AutoTokenizer.from_pretrained(str(tiny_folder))
        tokenizer.save_pretrained(tmp_path)
        transformer = Transformer(str(tmp_path), max_seq_length=16)
        return SentenceTransformer(modules=[transformer, Pooling(8, "mean")], device="cpu")

    return build
