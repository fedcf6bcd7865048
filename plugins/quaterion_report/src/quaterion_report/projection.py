"""Maps of embeddings by UMAP, which needs the extra ``umap``."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor


def umap_places(embeddings: Tensor) -> Tensor:
    """Return places on a map on which near embeddings, by the cosine, stay near.

    The map is the same each time.

    Source: McInnes, Healy and Melville, UMAP: Uniform Manifold Approximation and Projection for
    Dimension Reduction, 2018.

    Args:
        embeddings: Shape (N, D), with N of at least 3.

    Returns:
        Shape (N, 2), float64.

    Raises:
        ImportError: umap-learn is not installed.
    """
    check_umap()
    from umap import UMAP

    neighbors = min(15, len(embeddings) - 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a fixed seed takes one thread, of which it warns
        places = UMAP(
            n_neighbors=neighbors, metric="cosine", random_state=0, n_jobs=1,
            init="random" if len(embeddings) < 20 else "spectral",
        ).fit_transform(embeddings.cpu().numpy())  # fmt: skip
    return torch.from_numpy(places).double()


def check_umap() -> None:
    """Check that UMAP is installed, which takes no time.

    Raises:
        ImportError: It is not.
    """
    from importlib.util import find_spec

    if find_spec("umap") is None:
        raise ImportError(
            "A map by UMAP needs the package umap-learn: pip install 'quaterion-report[umap]'. "
            "Or leave --map at pca."
        )
