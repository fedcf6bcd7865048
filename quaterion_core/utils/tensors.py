"""Tensors in nested containers."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping, MutableMapping
from typing import Any

import torch


def move_to_device(obj: Any, device: torch.device | str) -> Any:
    """Move all tensors of a nested container to a device.

    Args:
        obj: A tensor; anything that moves itself with ``.to(device)``, such as a Hugging Face
            ``BatchEncoding`` or a module; or mappings, lists, tuples, named tuples and
            dataclasses of these. Anything else is returned unchanged.
        device: Target device.

    Returns:
        Containers of the same types that hold the moved tensors. The containers given are not
        changed, but what has a ``.to`` may change itself, as ``BatchEncoding`` does.

    Example:
        >>> move_to_device({"ids": [torch.tensor([1, 2])], "text": "two"}, "cpu")
        {'ids': [tensor([1, 2])], 'text': 'two'}
    """
    if isinstance(obj, type):
        return obj
    if callable(getattr(obj, "to", None)):
        return obj.to(device)
    if isinstance(obj, MutableMapping):
        return _with_items(obj, {key: move_to_device(obj[key], device) for key in obj})
    if isinstance(obj, Mapping):
        return {key: move_to_device(obj[key], device) for key in obj}
    if isinstance(obj, (list, tuple)):
        moved = [move_to_device(item, device) for item in obj]
        return type(obj)(*moved) if hasattr(obj, "_fields") else type(obj)(moved)
    if dataclasses.is_dataclass(obj):
        return _with_fields(obj, device)
    return obj


def _with_items(mapping: MutableMapping[Any, Any], items: dict[Any, Any]) -> Any:
    """Copy a mapping with other values; its type may not be built from a dictionary."""
    moved = copy.copy(mapping)
    moved.update(items)
    return moved


def _with_fields(obj: Any, device: torch.device | str) -> Any:
    """Copy a dataclass, a frozen one too, with its fields moved; its constructor is not run."""
    moved = copy.copy(obj)
    for field in dataclasses.fields(obj):
        object.__setattr__(moved, field.name, move_to_device(getattr(obj, field.name), device))
    return moved
