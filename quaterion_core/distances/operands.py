"""Operands of distances: checks of their shapes, and widening of half precision."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Protocol

import torch
from torch import Tensor

from quaterion_core.utils.precision import at_least_float32, without_autocast


class PairedForm(Protocol):
    """A function that compares paired rows."""

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        """Compare (B, D) with (B, D); returns (B,)."""


class MatrixForm(Protocol):
    """A function that compares all rows with all."""

    def __call__(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Compare (A, D) with (B, D), or with itself; returns (A, B)."""


def paired(function: Callable[[Tensor, Tensor], Tensor]) -> PairedForm:
    """Make a function of two (B, D) tensors in full precision a paired form."""

    @wraps(function)
    def checked(x: Tensor, y: Tensor) -> Tensor:
        if x.ndim != 2 or x.shape != y.shape:
            raise ValueError(
                "Expected paired embeddings of the same shape (B, D), got "
                f"{tuple(x.shape)} and {tuple(y.shape)}. To compare all rows with all, use the "
                "matrix form."
            )
        return _in_full_precision(function, x, y)

    return checked


def matrix(function: Callable[[Tensor, Tensor], Tensor]) -> MatrixForm:
    """Make a function of an (A, D) and a (B, D) tensor in full precision a matrix form.

    With a single operand, the function gets the same tensor twice.
    """

    @wraps(function)
    def checked(x: Tensor, y: Tensor | None = None) -> Tensor:
        y = x if y is None else y
        if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
            raise ValueError(
                "Expected embeddings of shapes (A, D) and (B, D), got "
                f"{tuple(x.shape)} and {tuple(y.shape)}."
            )
        return _in_full_precision(function, x, y)

    del checked.__wrapped__  # so that help() and inspect show that y may be left out
    return checked


def _in_full_precision(
    function: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor
) -> Tensor:
    dtype = torch.promote_types(x.dtype, y.dtype)
    wide_x = at_least_float32(x.to(dtype))
    wide_y = wide_x if y is x else at_least_float32(y.to(dtype))
    with without_autocast(x.device):
        return function(wide_x, wide_y).to(dtype if dtype.is_floating_point else wide_x.dtype)
