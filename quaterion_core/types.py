"""The types that travel between datasets, encoders, heads and losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from torch import Tensor

__all__ = ["CollateFnType", "MetaExtractorFnType", "Targets", "TensorInterchange", "TensorTree"]

TensorTree: TypeAlias = Any
"""Tensors, nested in dictionaries, lists and tuples: whatever an encoder's ``forward`` takes."""

TensorInterchange: TypeAlias = TensorTree
"""The name that Quaterion 0.1 has for :data:`TensorTree`."""

CollateFnType: TypeAlias = Callable[[list[Any]], TensorTree]
"""Turns a list of raw objects into what an encoder's ``forward`` takes."""

MetaExtractorFnType: TypeAlias = Callable[[list[Any]], list[dict[str, Any]]]
"""Reads one dictionary of facts off each raw object, for heads that look at them."""

Targets: TypeAlias = dict[str, Tensor]
"""What a loss needs beside embeddings: ``groups``, or ``pairs``, ``labels`` and ``subgroups``.

Loaders add ``objects``, the ids of the objects: objects of equal content have equal ids.
"""
