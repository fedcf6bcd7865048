"""Masks of positives and negatives, extremes under a mask, limits of data types, batches."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

import torch
from torch import Tensor

from quaterion_core.utils.items import items_of

_SHORTEST_NORM = 1e-12
"""Vectors shorter than this have neither a reliable direction nor a bounded gradient."""

_SQUARED_SAFELY: Final = (1e-15, 1e18)
"""Lengths between these lose nothing when their squares are summed in float32."""


def info_value_of_dtype(dtype: torch.dtype) -> torch.finfo | torch.iinfo:
    """Return the numeric limits of a data type.

    Raises:
        TypeError: The data type is ``torch.bool``, which has none.

    Example:
        >>> info_value_of_dtype(torch.int8).max
        127
    """
    if dtype == torch.bool:
        raise TypeError("torch.bool has no numeric limits. Convert to a numeric data type first.")
    return torch.finfo(dtype) if dtype.is_floating_point else torch.iinfo(dtype)


def min_value_of_dtype(dtype: torch.dtype) -> int | float:
    """Return the smallest finite value of a data type.

    Raises:
        TypeError: The data type is ``torch.bool``.

    Example:
        >>> min_value_of_dtype(torch.int8)
        -128
    """
    return info_value_of_dtype(dtype).min


def max_value_of_dtype(dtype: torch.dtype) -> int | float:
    """Return the largest finite value of a data type.

    Raises:
        TypeError: The data type is ``torch.bool``.

    Example:
        >>> max_value_of_dtype(torch.float16)
        65504.0
    """
    return info_value_of_dtype(dtype).max


def get_triplet_mask(labels: Tensor) -> Tensor:
    """Mark the valid triplets of a batch. Takes N³ bytes; no loss of this package needs it.

    Args:
        labels: Group of each object, shape (N,).

    Returns:
        Shape (N, N, N), bool: ``mask[a, p, n]`` says that p is another object of the group of a,
        and n is of a different group.

    Example:
        >>> get_triplet_mask(torch.tensor([7, 7, 8])).nonzero()
        tensor([[0, 1, 2],
                [1, 0, 2]])
    """
    positive, negative = get_anchor_positive_mask(labels), get_anchor_negative_mask(labels)
    return positive.unsqueeze(2) & negative.unsqueeze(1)


def get_anchor_positive_mask(labels_a: Tensor, labels_b: Tensor | None = None) -> Tensor:
    """Mark the pairs of one group.

    Args:
        labels_a: Group of each anchor, shape (A,).
        labels_b: Group of each other object, shape (B,). By default the anchors are compared with
            each other, and none is its own positive.

    Returns:
        Shape (A, B), bool.

    Example:
        >>> get_anchor_positive_mask(torch.tensor([7, 7, 8])).int()
        tensor([[0, 1, 0],
                [1, 0, 0],
                [0, 0, 0]], dtype=torch.int32)
    """
    if labels_b is None:
        return (labels_a.unsqueeze(1) == labels_a).fill_diagonal_(False)
    return labels_a.unsqueeze(1) == labels_b


def get_anchor_negative_mask(labels_a: Tensor, labels_b: Tensor | None = None) -> Tensor:
    """Mark the pairs of different groups.

    Args:
        labels_a: Group of each anchor, shape (A,).
        labels_b: Group of each other object, shape (B,); by default the anchors.

    Returns:
        Shape (A, B), bool.

    Example:
        >>> get_anchor_negative_mask(torch.tensor([7, 8]), torch.tensor([8, 9])).tolist()
        [[True, True], [False, True]]
    """
    return labels_a.unsqueeze(1) != (labels_a if labels_b is None else labels_b)


def get_masked_maximum(dists: Tensor, mask: Tensor, dim: int = 1) -> Tensor:
    """Return the largest marked value along a dimension, which is kept with the size 1.

    Args:
        dists: Any shape.
        mask: Same shape, bool or 0 and 1.
        dim: The dimension that is reduced.

    Returns:
        The maxima; where nothing is marked, the smallest value instead.

    Example:
        >>> values = torch.tensor([[1.0, 5.0, 3.0], [1.0, 5.0, 3.0]])
        >>> get_masked_maximum(values, torch.tensor([[1, 0, 1], [0, 0, 0]]))
        tensor([[3.],
                [1.]])
    """
    smallest = dists.amin(dim, keepdim=True)
    return torch.where(mask.bool(), dists, smallest).amax(dim, keepdim=True)


def get_masked_minimum(dists: Tensor, mask: Tensor, dim: int = 1) -> Tensor:
    """Return the smallest marked value along a dimension, which is kept with the size 1.

    Args:
        dists: Any shape.
        mask: Same shape, bool or 0 and 1.
        dim: The dimension that is reduced.

    Returns:
        The minima; where nothing is marked, the largest value instead.

    Example:
        >>> values = torch.tensor([[1.0, 5.0, 3.0], [1.0, 5.0, 3.0]])
        >>> get_masked_minimum(values, torch.tensor([[0, 1, 1], [0, 0, 0]]))
        tensor([[3.],
                [5.]])
    """
    largest = dists.amax(dim, keepdim=True)
    return torch.where(mask.bool(), dists, largest).amin(dim, keepdim=True)


def l2_norm(inputs: Tensor, dim: int = 0) -> Tensor:
    """Scale vectors to the length 1.

    A vector shorter than 1e-12 has no direction: it becomes zero, and so does its gradient.

    Args:
        inputs: Any shape, floating point.
        dim: The dimension along which a vector lies.

    Returns:
        Same shape and data type.

    Example:
        >>> l2_norm(torch.tensor([[3.0, 4.0], [0.0, 0.0]]), dim=1)
        tensor([[0.6000, 0.8000],
                [0.0000, 0.0000]])
    """
    norm: Tensor = torch.linalg.vector_norm(inputs, dim=dim, keepdim=True)
    return inputs / _divisible(norm)


def unit_vectors(inputs: Tensor, dim: int = 1) -> Tensor:
    """Scale vectors of any length that the data type holds to the length 1.

    The same as :func:`l2_norm` but for vectors whose squares overflow or underflow, and for the
    last bits, since the lengths are those of :func:`vector_norm`.

    Args:
        inputs: Any shape, floating point.
        dim: The dimension along which a vector lies.

    Returns:
        Same shape and data type.

    Example:
        >>> unit_vectors(torch.tensor([[3e25, 4e25]]))
        tensor([[0.6000, 0.8000]])
    """
    return inputs / _divisible(vector_norm(inputs, dim=dim, keepdim=True))


def _divisible(norm: Tensor) -> Tensor:
    """Return lengths with infinity for those below 1e-12.

    What is divided by them has the length 1, or is zero and has no gradient.
    """
    return norm.masked_fill(norm < _SHORTEST_NORM, math.inf)


def vector_norm(inputs: Tensor, dim: int, keepdim: bool = False) -> Tensor:
    """Return the Euclidean lengths of vectors, of the same data type.

    The sum of squares neither overflows nor underflows, even for numbers above 1e19 or below 1e-19,
    whose squares float32 cannot represent. The exception are Apple's GPUs, which lack float64.

    Args:
        inputs: Any shape, floating point.
        dim: The dimension along which a vector lies.
        keepdim: Keep that dimension with the size 1.

    Example:
        >>> vector_norm(torch.tensor([[3e25, 4e25]]), dim=1)
        tensor([5.0000e+25])
    """
    norm: Tensor = _VectorNorm.apply(inputs, dim)
    return norm if keepdim else norm.squeeze(dim)


class _VectorNorm(torch.autograd.Function):
    """Euclidean lengths with their dimension kept; the gradient is in the type of the vectors.

    PyTorch's own gradient of lengths that are summed in float64 is in float64 as well, which makes
    a step with a small head several percent slower.
    """

    @staticmethod
    def forward(inputs: Tensor, dim: int) -> Tensor:
        norm: Tensor
        if inputs.device.type in ("cpu", "mps"):
            dtype = torch.promote_types(inputs.dtype, torch.float32)
            norm = torch.linalg.vector_norm(inputs, dim=dim, keepdim=True, dtype=dtype)
            low, high = _SQUARED_SAFELY
            if inputs.device.type == "mps" or bool(((norm > low) & (norm < high)).all()):
                return norm.to(inputs.dtype)
        # On a GPU, checking the lengths would force a synchronisation.
        norm = torch.linalg.vector_norm(inputs, dim=dim, keepdim=True, dtype=torch.float64)
        return norm.to(inputs.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int], output: Tensor) -> None:
        ctx.save_for_backward(inputs[0], output)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        inputs, norm = ctx.saved_tensors
        return inputs / norm.masked_fill(norm == 0, math.inf) * gradients[0], None


def iter_by_batch(sequence: Any, batch_size: int, log_progress: bool = True) -> Iterator[list[Any]]:
    """Split a sequence, an iterable or a PyTorch dataset into batches.

    Whether it is iterated or indexed is decided once, by the methods that it has, so an error in
    the user's ``__getitem__`` reaches the user.

    Args:
        sequence: Has ``__iter__``, or else ``__len__`` and ``__getitem__``.
        batch_size: Length of the lists; the last one may be shorter.
        log_progress: Show a progress bar.

    Returns:
        An iterator over lists of items.

    Raises:
        TypeError: The argument has none of these methods.
        ValueError: ``batch_size`` is not positive.

    Example:
        >>> list(iter_by_batch("abcde", batch_size=2, log_progress=False))
        [['a', 'b'], ['c', 'd'], ['e']]
    """
    if batch_size < 1:
        raise ValueError(f"Expected batch_size to be positive, got {batch_size}.")
    return _batches(items_of(sequence), _length(sequence), batch_size, log_progress)


def _length(sequence: Any) -> int | None:
    """Return the number of items, or None where it is not known before the end."""
    try:
        return len(sequence)
    except (TypeError, NotImplementedError):
        return None


def _batches(
    items: Iterable[Any], length: int | None, batch_size: int, log_progress: bool
) -> Iterator[list[Any]]:
    if log_progress:
        # A progress bar is rarely wanted, and its import is not free.
        from rich.progress import track

        items = track(items, total=length)
    iterator = iter(items)
    while batch := list(islice(iterator, batch_size)):
        yield batch
