"""A model that looks up embeddings, and reference implementations that count one by one."""

from __future__ import annotations

import pytest
import torch


class TableModel:
    """A stand-in for SimilarityModel: objects are row numbers of a table of embeddings."""

    def __init__(self, table):
        self.table = torch.as_tensor(table, dtype=torch.float32)
        self.encoded = []

    def encode(self, inputs, batch_size=32, to_numpy=True):
        self.encoded.extend(inputs)
        return self.table[torch.tensor(inputs)]


@pytest.fixture
def table_model():
    return TableModel


@pytest.fixture
def ranked():
    """Return the relevance of all results of one query, best first, irrelevant ones before ties."""

    def relevance_by_rank(distances, relevance):
        results = sorted(zip(distances.tolist(), relevance.tolist(), strict=True))
        return [bool(is_relevant) for distance, is_relevant in results if distance < float("inf")]

    return relevance_by_rank


@pytest.fixture
def random_matrices():
    """Return distances without ties, each object hidden from itself, and some relevance."""

    def matrices(seed, queries=12, objects=12, share=0.3):
        generator = torch.Generator().manual_seed(seed)
        distances = torch.rand(queries, objects, generator=generator)
        labels = (torch.rand(queries, objects, generator=generator) < share).float()
        distances.fill_diagonal_(torch.inf)
        labels.fill_diagonal_(0)
        return distances, labels

    return matrices


@pytest.fixture
def pair_targets(pair_targets):
    """Return a function that creates the targets of similar pairs, each in its own subgroup."""

    def targets(count, labels=None):
        return pair_targets(torch.ones(count) if labels is None else labels, range(count))

    return targets
