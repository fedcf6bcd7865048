"""Tests of the shape of embeddings, against NumPy and scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from quaterion_report.geometry import (
    alignment,
    effective_rank,
    principal_axes,
    spectrum,
    uniformity,
)


def cloud(rows, columns, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, columns, generator=generator) * torch.arange(1.0, columns + 1)


@pytest.mark.parametrize("shape", [(50, 7), (5, 12), (1, 3)])
def test_the_spectrum_is_that_of_numpy(shape):
    embeddings = cloud(*shape).numpy()
    expected = np.linalg.svd(embeddings - embeddings.mean(axis=0), compute_uv=False)
    torch.testing.assert_close(
        spectrum(torch.from_numpy(embeddings)), torch.from_numpy(expected).double(),
        atol=1e-5, rtol=1e-5,
    )  # fmt: skip


def test_effective_rank_counts_the_dimensions_in_use():
    corners = torch.cat([torch.eye(4), -torch.eye(4)])  # spread evenly over four of six dimensions
    embeddings = torch.nn.functional.pad(corners, (0, 2))
    assert effective_rank(spectrum(embeddings)) == pytest.approx(4)
    line = torch.arange(5.0).unsqueeze(1) * torch.ones(6)
    assert effective_rank(spectrum(line)) == pytest.approx(1, abs=1e-4)
    assert effective_rank(spectrum(torch.ones(5, 6))) == pytest.approx(0, abs=1e-4)


def test_uniformity_in_blocks_is_that_of_all_pairs(monkeypatch):
    embeddings = cloud(40, 5)
    unit = torch.nn.functional.normalize(embeddings, dim=1)
    expected = torch.pdist(unit).square().mul(-2).exp().mean().log()
    monkeypatch.setattr("quaterion_report.geometry._BLOCK", 16)
    assert uniformity(embeddings) == pytest.approx(float(expected), abs=1e-5)
    assert np.isnan(uniformity(embeddings[:1]))


def test_alignment_ignores_lengths():
    first = cloud(10, 4)
    assert alignment(first, 3 * first) == pytest.approx(0, abs=1e-6)
    assert alignment(first, -first) == pytest.approx(4)


def test_principal_axes_are_those_of_scikit_learn():
    embeddings = cloud(60, 5)
    center, axes = principal_axes(embeddings)
    expected = PCA(2).fit(embeddings.double().numpy())
    torch.testing.assert_close(center, torch.from_numpy(expected.mean_))
    components = torch.from_numpy(expected.components_.T)
    torch.testing.assert_close(axes.abs(), components.abs())
    assert (axes.gather(0, axes.abs().argmax(dim=0, keepdim=True)) > 0).all()


def test_a_single_dimension_gives_a_flat_map():
    _, axes = principal_axes(torch.tensor([[1.0], [2.0], [3.0]]))
    assert axes.tolist() == [[1.0, 0.0]]
