"""Torch modules as a JSON configuration and a safetensors file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from quaterion_core.storage.errors import InvalidFolderError
from quaterion_core.storage.json_files import read_json, write_json

CONFIG_FILE: Final = "config.json"
WEIGHTS_FILE: Final = "weights.safetensors"


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
        NotSavableError: The configuration has values that are not JSON.
    """
    write_json(folder / CONFIG_FILE, module.get_config_dict(), owner=type(module).__name__)
    if isinstance(module, nn.Module):
        save_weights(module, folder / WEIGHTS_FILE)


def load_module(cls: type[ModuleT], folder: Path) -> ModuleT:
    """Build a module from a folder that :func:`save_module` filled.

    Raises:
        InvalidFolderError: A file is missing or broken, or the weights do not fit the module.
    """
    config = read_json(folder / CONFIG_FILE)
    try:
        module: ModuleT = cls.from_config(config)
    except (TypeError, ValueError, KeyError) as error:
        raise InvalidFolderError(
            f"{folder / CONFIG_FILE} does not describe a {cls.__name__}: {error}"
        ) from error
    if isinstance(module, nn.Module):
        load_weights(module, folder / WEIGHTS_FILE)
    return module


def save_weights(module: nn.Module, file: Path) -> None:
    """Write parameters and buffers as safetensors; a module without any writes no file."""
    state = _cloned(module.state_dict())
    if state:
        save_file(state, file)


def load_weights(module: nn.Module, file: Path) -> None:
    """Read parameters and buffers that :func:`save_weights` wrote, names and shapes checked.

    Raises:
        InvalidFolderError: The file is missing or broken, or does not fit the module.
    """
    if not module.state_dict() and not file.exists():
        return
    try:
        module.load_state_dict(load_file(file))
    except FileNotFoundError:
        raise InvalidFolderError(f"{file.parent} is incomplete: {file.name} is missing.") from None
    except SafetensorError as error:
        raise InvalidFolderError(f"{file} is cut off or broken: {error}.") from error
    except RuntimeError as error:
        raise InvalidFolderError(f"{file} does not fit {type(module).__name__}: {error}") from error


def _cloned(state: dict[str, Any]) -> dict[str, Tensor]:
    """Copy tensors apart, since safetensors stores no two names for one memory."""
    return {name: value.detach().cpu().clone().contiguous() for name, value in state.items()}
