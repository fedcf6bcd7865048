"""Torch modules as a JSON configuration and a safetensors file."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from quaterion_core.storage.construction import (
    bounded_construction,
    check_fit,
    check_integers,
    uniform_dtype,
)
from quaterion_core.storage.errors import InvalidFolderError, NotSavableError, NotWritableError
from quaterion_core.storage.json_files import json_text, parse_json, same_json, write_json
from quaterion_core.storage.saved_folder import SavedFolder, open_saved_folder
from quaterion_core.storage.tensor_files import TensorFile, TensorInfo, is_finite

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIG_FILE: Final = "config.json"
WEIGHTS_FILE: Final = "weights.safetensors"
_NUMBERS: Final[Mapping[str, tuple[type, ...]]] = {
    "int": (int,),
    "int | None": (int, type(None)),
    "float": (int, float),
    "float | None": (int, float, type(None)),
}
"""Types of JSON values for annotations of numbers."""


class _Configurable(Protocol):
    def get_config_dict(self) -> dict[str, Any]: ...

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any: ...


ModuleT = TypeVar("ModuleT", bound=_Configurable)


def save_module(module: _Configurable, folder: Path) -> None:
    """Write a module's configuration and weights into an existing folder.

    Args:
        module: A torch module with ``get_config_dict()``.
        folder: Gets ``config.json``, and ``weights.safetensors`` if there are any weights.

    Raises:
        NotSavableError: The configuration has values that are not JSON, or a weight is NaN or
            infinite.
    """
    write_json(folder / CONFIG_FILE, module.get_config_dict(), owner=type(module).__name__)
    if isinstance(module, nn.Module):
        save_weights(module, folder / WEIGHTS_FILE)


def load_module(cls: type[ModuleT], folder: SavedFolder | str | Path) -> ModuleT:
    """Build a module from a folder that :func:`save_module` filled.

    The folder is untrusted. The module is first built without memory (on the meta device) and
    compared with the header of the weights: names, shapes and types. Its configuration must equal
    the one that the built module returns, so that no entry of the file is ignored.

    Args:
        cls: The class of the module.
        folder: The folder, opened or by its path.

    Raises:
        InvalidFolderError: A file is missing, surplus or broken, or they do not belong together.
    """
    with _opened(folder) as saved:
        saved.require({CONFIG_FILE}, optional={WEIGHTS_FILE})
        config = saved.read_json(CONFIG_FILE)
        source = str(saved.path / CONFIG_FILE)
        check_integers(config, source)
        if WEIGHTS_FILE not in saved.files:
            module = build_checked(cls, config, {}, source)
            _require_no_weights(module, saved.path / WEIGHTS_FILE)
            return module
        with saved.open_tensors(WEIGHTS_FILE) as weights:
            module = build_checked(cls, config, weights.tensors, source)
            assign_weights(module, weights, str(saved.path / WEIGHTS_FILE))
        return module


def build_checked(
    cls: type[ModuleT], config: dict[str, Any], tensors: Mapping[str, TensorInfo], source: str
) -> ModuleT:
    """Build a module from its configuration, once it is known to fit its weights.

    Args:
        cls: The class of the module.
        config: Its configuration, from an untrusted file.
        tensors: The header of its weights.
        source: The file with the configuration, for errors.

    Returns:
        The module, with new weights of the shapes in the header.

    Raises:
        InvalidFolderError: The configuration does not describe such a module.
    """
    try:
        with bounded_construction(tensors, source), torch.device("meta"):
            skeleton: Any = cls.from_config(_copied(config))
    except InvalidFolderError:
        raise
    except Exception:  # not every class can be built without memory; if another one, it comes again
        skeleton = None
    if tensors and isinstance(skeleton, nn.Module):
        check_fit(skeleton, tensors, source)
    try:
        with bounded_construction(tensors, source):
            module: ModuleT = cls.from_config(_copied(config))
        _check_configuration(module, config)
        _check_numbers(cls, config)
    except (TypeError, ValueError, KeyError, AttributeError, IndexError, RuntimeError) as error:
        raise _not_described(cls, source, error) from error
    return module


def assign_weights(module: Any, weights: TensorFile, source: str) -> None:
    """Read weights into a module, after names, shapes and types are compared.

    A module whose weights were all saved as float64 becomes float64.

    Raises:
        InvalidFolderError: The weights do not fit the module, or are not finite.
    """
    if not isinstance(module, nn.Module):
        raise InvalidFolderError(f"{source} holds weights, but {type(module).__name__} has none.")
    check_fit(module, weights.tensors, source)
    if uniform_dtype(weights.tensors) is torch.float64:
        module.double()
    try:
        module.load_state_dict(dict(weights.read()))
    except RuntimeError as error:
        raise InvalidFolderError(
            f"{source} does not fit {type(module).__name__}: {error}"
        ) from error


def save_weights(module: nn.Module, file: Path) -> None:
    """Write parameters and buffers as safetensors; a module without any writes no file.

    Raises:
        NotSavableError: A value is NaN or infinite.
        NotWritableError: The file cannot be written.
    """
    state = _cloned(module.state_dict())
    check_finite(state, type(module).__name__)
    if not state:
        return
    try:
        save_file(state, file)
    except SafetensorError as error:  # what it raises for a full disk
        raise NotWritableError(f"{file} cannot be written: {error}.") from error


def load_weights(
    module: nn.Module, folder: SavedFolder | str | Path, name: str = WEIGHTS_FILE
) -> None:
    """Read parameters and buffers that :func:`save_weights` wrote.

    Args:
        module: The module, built already.
        folder: The folder, opened or by its path.
        name: The name of the file.

    Raises:
        InvalidFolderError: The file is missing or broken, or does not fit the module in names,
            shapes or types, or a value is NaN or infinite.
    """
    with _opened(folder) as saved:
        if name not in saved.files:
            _require_no_weights(module, saved.path / name)
            return
        with saved.open_tensors(name) as weights:
            assign_weights(module, weights, str(saved.path / name))


def check_finite(state: Mapping[str, Tensor], owner: str) -> None:
    """Refuse to save weights that are not finite.

    Raises:
        NotSavableError: A tensor holds NaN or infinity; the message names it.
    """
    broken = [name for name, value in state.items() if not is_finite(value)]
    if broken:
        more = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
        raise NotSavableError(
            f"{owner} cannot be saved: its weights {broken[0]!r}{more} hold NaN or infinity, most "
            "likely since the training run diverged. Nothing was written. Train again with a "
            "lower learning rate, or go back to an earlier checkpoint."
        )


@contextmanager
def _opened(folder: SavedFolder | str | Path) -> Iterator[SavedFolder]:
    context = nullcontext(folder) if isinstance(folder, SavedFolder) else open_saved_folder(folder)
    with context as saved:
        yield saved


def _require_no_weights(module: object, file: Path) -> None:
    if isinstance(module, nn.Module) and module.state_dict():
        raise InvalidFolderError(f"{file.parent} is incomplete: {file.name} is missing.")


def _check_configuration(module: _Configurable, config: dict[str, Any]) -> None:
    """Check that a module returns the configuration that it was built from."""
    told = parse_json(json_text(module.get_config_dict()).encode(), "get_config_dict()")
    unknown = [name for name in config if name not in told]
    if unknown:
        raise ValueError(f"it has no {', '.join(map(repr, unknown[:5]))}")
    for name, value in config.items():
        if not same_json(value, told[name]):
            raise ValueError(
                f"{name} cannot be {value!r:.80}; built with it, it is {told[name]!r:.80}"
            )


def _check_numbers(cls: type, config: dict[str, Any]) -> None:
    """Check that arguments annotated as numbers have numbers as values."""
    for name, parameter in inspect.signature(cls).parameters.items():
        annotation = getattr(parameter.annotation, "__name__", str(parameter.annotation))
        allowed = _NUMBERS.get(annotation)
        if name in config and allowed and type(config[name]) not in allowed:
            raise ValueError(f"expected {annotation} for {name}, got {config[name]!r:.80}")


def _not_described(cls: type, source: str, error: Exception) -> InvalidFolderError:
    if isinstance(error, InvalidFolderError):
        return error
    reason = f"the key {error} is missing" if isinstance(error, KeyError) else str(error)
    return InvalidFolderError(f"{source} does not describe a {cls.__name__}: {reason}")


def _copied(config: dict[str, Any]) -> dict[str, Any]:
    """Copy a configuration, which a constructor may change."""
    copied: dict[str, Any] = parse_json(json_text(config).encode(), "the configuration")
    return copied


def _cloned(state: dict[str, Any]) -> dict[str, Tensor]:
    """Clone tensors, since safetensors does not store tensors that share memory."""
    return {name: value.detach().cpu().clone().contiguous() for name, value in state.items()}
