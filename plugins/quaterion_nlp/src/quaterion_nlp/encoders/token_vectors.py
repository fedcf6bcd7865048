"""Initial embeddings of tokens: distilled from a model, reduced and weighted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import torch
from tokenizers import Tokenizer
from torch import Tensor

from quaterion_nlp.encoders.pretrained import fast_tokenizer

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_BATCH: Final = 1024
_SMOOTHING: Final = 1e-3
"""The parameter a of the source of :func:`sif_weights`, as used throughout its experiments."""


def model_tokenizer(model: SentenceTransformer, name: str) -> Tokenizer:
    """Return the tokenizer of a model whose tokens can be embedded one by one.

    Raises:
        ValueError: The model has no transformer, or no tokenizer of the library ``tokenizers``.
    """
    if model.transformers_model is None:
        raise ValueError(
            f"Expected a model with a transformer, whose tokens can be embedded one by one, got "
            f"{name!r}. Use tokenizer=... to take only a tokenizer."
        )
    return fast_tokenizer(model.tokenizer, name)


def token_vectors(model: SentenceTransformer, count: int) -> Tensor:
    """Embed each token of a model's vocabulary as a separate text.

    Each token is surrounded by the special tokens that the tokenizer adds to a text.

    Args:
        model: A model that :func:`model_tokenizer` accepts.
        count: Number of ids V.

    Returns:
        Embeddings of shape (V, D), float32, on the CPU.
    """
    with_special = model.tokenizer("a")["input_ids"]
    alone = model.tokenizer("a", add_special_tokens=False)["input_ids"]
    starts = range(len(with_special) - len(alone) + 1)
    start = next(at for at in starts if with_special[at : at + len(alone)] == alone)
    pattern = torch.tensor([*with_special[:start], 0, *with_special[start + len(alone) :]])
    vectors = []
    model.eval()
    with torch.no_grad():
        for ids in torch.split(torch.arange(count), _BATCH):
            texts = pattern.repeat(len(ids), 1)
            texts[:, start] = ids
            texts = texts.to(model.device)
            features = {"input_ids": texts, "attention_mask": torch.ones_like(texts)}
            vectors.append(model(features)["sentence_embedding"].float().cpu())
    return torch.cat(vectors)


def principal_components(vectors: Tensor, count: int) -> Tensor:
    """Project centred vectors onto their first principal components.

    Args:
        vectors: Shape (V, D).
        count: Number of components.

    Returns:
        Shape (V, ``count``), in descending order of variance.

    Raises:
        ValueError: There are not that many components.

    Example:
        >>> principal_components(torch.tensor([[1.0, 5.0], [3.0, 5.0]]), 1).abs()
        tensor([[1.],
                [1.]])
    """
    largest = min(vectors.shape)
    if type(count) is not int or not 1 <= count <= largest:
        raise ValueError(f"Expected pca to be between 1 and {largest}, got {count!r}.")
    centred = vectors.double() - vectors.double().mean(dim=0)
    directions = torch.linalg.eigh(centred.T @ centred).eigenvectors  # the largest variance last
    components: Tensor = centred @ directions[:, -count:].flip(1)
    return components.to(vectors.dtype)


def sif_weights(tokenizer: Tokenizer, texts: Iterable[str], count: int) -> Tensor:
    """Smooth inverse frequency of tokens, a / (a + p), with a = 0.001.

    p is the relative frequency of a token among all tokens of the texts.

    Source: Arora et al., A Simple but Tough-to-Beat Baseline for Sentence Embeddings, ICLR 2017,
    algorithm 1.

    Args:
        tokenizer: Splits a text into tokens.
        texts: The training texts.
        count: Number of ids V.

    Returns:
        Weights between 0 and 1, shape (V,); 1 for a token that does not occur.

    Raises:
        ValueError: The texts contain no tokens.
    """
    counts = torch.zeros(count, dtype=torch.float64)
    for text in texts:
        ids = torch.tensor(tokenizer.encode(text, add_special_tokens=False).ids, dtype=torch.int64)
        counts += torch.bincount(ids, minlength=count)
    total = counts.sum()
    if not total:
        raise ValueError(
            "Expected training texts with tokens, which weighting='sif' counts, got none. Pass "
            "data=... to Quaterion.build, or use weighting=None."
        )
    return (_SMOOTHING / (_SMOOTHING + counts / total)).float()
