"""Building modules from untrusted configurations in bounded memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)

from quaterion_core.storage.errors import InvalidFolderError
from quaterion_core.storage.tensor_files import TensorInfo

_LARGEST_INTEGER: Final = 10_000_000
_SPARE_MODULES: Final = 500
_MODULES_A_TENSOR: Final = 30
_SPARE_TENSORS: Final = 50
_TENSORS_A_TENSOR: Final = 4
_SPARE_ELEMENTS: Final = 4_000_000
_ELEMENTS_AN_ELEMENT: Final = 4


@contextmanager
def bounded_construction(tensors: Mapping[str, TensorInfo], source: str) -> Iterator[None]:
    """Stop a constructor in this thread if it builds much more than a file has weights for.

    A configuration that claims a billion layers is refused after some layers, not after all of
    them. Torch calls the limits when a tensor or a module is registered; memory that was only
    reserved has not been touched by then.

    Args:
        tensors: The header of the file.
        source: The configuration, for the error.

    Raises:
        InvalidFolderError: The constructor exceeded the limits.
    """
    limits = {
        "modules": _SPARE_MODULES + _MODULES_A_TENSOR * len(tensors),
        "tensors": _SPARE_TENSORS + _TENSORS_A_TENSOR * len(tensors),
        "values": _SPARE_ELEMENTS
        + _ELEMENTS_AN_ELEMENT * sum(info.elements for info in tensors.values()),
    }
    built = dict.fromkeys(limits, 0)
    thread = threading.get_ident()

    def count(what: str, number: int) -> None:
        built[what] += number
        if built[what] > limits[what]:
            raise InvalidFolderError(
                f"{source} describes more than its weights are for: over {limits[what]:,} {what}, "
                f"where the file holds {len(tensors):,} tensors. It was changed after saving."
            )

    def on_tensor(_: nn.Module, __: str, tensor: Tensor | None) -> None:
        if tensor is not None and threading.get_ident() == thread:
            count("tensors", 1)
            count("values", tensor.numel())

    def on_module(_: nn.Module, __: str, module: nn.Module | None) -> None:
        if module is not None and threading.get_ident() == thread:
            count("modules", 1)

    hooks = [
        register_module_parameter_registration_hook(on_tensor),
        register_module_buffer_registration_hook(on_tensor),
        register_module_module_registration_hook(on_module),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def check_integers(value: Any, source: str, *, largest: int = _LARGEST_INTEGER) -> None:
    """Refuse a configuration with an integer that no size or count of a model has.

    Raises:
        InvalidFolderError: An integer is larger than ten million, or smaller than its negative.

    Example:
        >>> check_integers({"n_layers": 10**9}, "config.json")
        Traceback (most recent call last):
        quaterion_core.storage.errors.InvalidFolderError: config.json holds the integer
        1000000000, larger than any size of a model.
    """
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            check_integers(item, source, largest=largest)
    elif type(value) is int and abs(value) > largest:
        raise InvalidFolderError(
            f"{source} holds the integer {value}, larger than any size of a model."
        )


def check_fit(module: nn.Module, tensors: Mapping[str, TensorInfo], source: str) -> None:
    """Compare names, shapes and types of a module's weights with a file's header.

    All floating-point tensors of the file may be of one other type than the module's: a model in
    half precision may be saved and read as float32.

    Args:
        module: The module; it may be on the meta device.
        tensors: The header of the file.
        source: The file, for the error.

    Raises:
        InvalidFolderError: A tensor is missing, surplus, or of another shape or type.
    """
    expected = {
        name: TensorInfo(value.dtype, tuple(value.shape))
        for name, value in module.state_dict().items()
    }
    converted = uniform_dtype(tensors)
    faults = [
        *(f"{name} is missing" for name in expected if name not in tensors),
        *(f"{name!r:.80} is too many" for name in tensors if name not in expected),
    ]
    for name, info in expected.items():
        found = tensors.get(name, info)
        is_converted = info.dtype.is_floating_point and found.dtype is converted
        if found.shape != info.shape or (found.dtype is not info.dtype and not is_converted):
            faults.append(f"expected {name} to be {info}, got {found}")
    if faults:
        more = f", and {len(faults) - 3} more" if len(faults) > 3 else ""
        raise InvalidFolderError(
            f"{source} does not fit {type(module).__name__}: {'; '.join(faults[:3])}{more}."
        )


def uniform_dtype(tensors: Mapping[str, TensorInfo]) -> Any:
    """Return the type of all floating-point tensors if it is the same, or else ``None``."""
    types = {info.dtype for info in tensors.values() if info.dtype.is_floating_point}
    return types.pop() if len(types) == 1 else None
