"""The folder of a saved model: what is in it, how it is written, and how it is checked.

::

    my_model/
      config.json             format, versions, component ids, checksums of all files
      encoders/<key>/ ...     each encoder's own files
      head/ ...               the head's own files
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from quaterion_core.encoders.encoder import Encoder
from quaterion_core.heads.encoder_head import EncoderHead
from quaterion_core.plugins import PluginError, is_id, registry
from quaterion_core.storage import (
    InvalidFolderError,
    NotSavableError,
    StorageError,
    UnsupportedFormatError,
    check_output_folder,
    folder_checksums,
    new_folder,
    read_json,
    verify_checksums,
    write_json,
)
from quaterion_core.utils.child_components import component_id
from quaterion_core.utils.options import KEY_PATTERN
from quaterion_core.version import __version__

CONFIG_FILE: Final = "config.json"
FORMAT: Final = "quaterion-model"
FORMAT_VERSION: Final = 1


def check_model_output(target: Path, *, overwrite: bool) -> None:
    """Refuse a target that holds anything, or with ``overwrite`` anything but a saved model.

    Raises:
        OutputExistsError: The target may not be written.
    """
    check_output_folder(target, may_replace=is_model_folder if overwrite else None)


def is_model_folder(folder: Path) -> bool:
    """Tell whether a folder holds a saved model, of any version."""
    try:
        return read_json(folder / CONFIG_FILE).get("format") == FORMAT
    except InvalidFolderError:
        return False


def save_parts(
    target: Path,
    encoders: Mapping[str, Encoder],
    head: EncoderHead,
    *,
    overwrite: bool,
    notes: Mapping[str, str],
) -> None:
    """Write encoders and head into a model folder that appears whole or not at all."""
    _check_local_names([*encoders.values(), head])
    with new_folder(target, may_replace=is_model_folder if overwrite else None) as folder:
        for key, encoder in encoders.items():
            path = folder / "encoders" / key
            path.mkdir(parents=True)
            encoder.save(str(path))
        (folder / "head").mkdir()
        head.save(str(folder / "head"))
        config: dict[str, Any] = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "core_version": __version__,
            "encoders": {key: _describe("encoder", encoder) for key, encoder in encoders.items()},
            "head": _describe("head", head),
            "files": folder_checksums(folder),
        }
        config["checksum"] = _digest(config)
        write_json(folder / CONFIG_FILE, config, owner="the model")
        for name, text in notes.items():
            (folder / name).write_text(text, encoding="utf-8")


def load_parts(
    folder: Path, components: Mapping[str, type]
) -> tuple[dict[str, Encoder], EncoderHead]:
    """Check a model folder and build what it holds.

    The version, the ids, the checksums and the paths are checked before anything is built.
    """
    config = read_json(folder / CONFIG_FILE)
    _check_config(folder, config)
    ids = {key: description["component"] for key, description in config["encoders"].items()}
    head_id = config["head"]["component"]
    with registry.given(components):
        registry.require(
            [*(("encoder", name) for name in ids.values()), ("head", head_id)],
            source=str(folder / CONFIG_FILE),
        )
        verify_checksums(folder, config["files"])
        encoders = {
            key: _load_part(registry.load("encoder", name), name, folder / "encoders" / key)
            for key, name in ids.items()
        }
        return encoders, _load_part(registry.load("head", head_id), head_id, folder / "head")


def _load_part(cls: type, name: str, path: Path) -> Any:
    try:
        return cls.load(str(path))  # type: ignore[attr-defined]
    except (StorageError, PluginError):
        raise
    except Exception as error:
        raise InvalidFolderError(
            f"{name} ({cls.__name__}) could not be restored from {path}: {error}"
        ) from error


def _check_local_names(parts: list[Encoder | EncoderHead]) -> None:
    """Refuse two classes that nobody registered and that would be saved under one id."""
    classes: dict[str, type] = {}
    for part in parts:
        kind = "head" if isinstance(part, EncoderHead) else "encoder"
        name = component_id(kind, type(part))
        if classes.setdefault(name, type(part)) is not type(part):
            raise NotSavableError(
                f"Two classes of this model would be saved as {name!r}: {classes[name]!r} and "
                f"{type(part)!r}. Rename one of them, or register it: @register_{kind}(...)."
            )


def _describe(kind: str, part: Encoder | EncoderHead) -> dict[str, Any]:
    """Say which component a part is, and which version of its distribution wrote it."""
    name = component_id(kind, type(part))
    registered = not name.startswith("local/")
    return {
        "component": name,
        "version": registry.find(kind, name).version if registered else None,
    }


def _check_config(folder: Path, config: dict[str, Any]) -> None:
    file = folder / CONFIG_FILE
    if config.get("format") != FORMAT:
        raise InvalidFolderError(
            f"{file} does not belong to a saved model (its format is {config.get('format')!r}, "
            f"expected {FORMAT!r}). Give the folder that SimilarityModel.save() wrote."
        )
    version = config.get("format_version")
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise UnsupportedFormatError(
            f"{folder} was saved by quaterion-core {config.get('core_version')} in format version "
            f"{version!r}, but quaterion-core {__version__} reads up to {FORMAT_VERSION}. Upgrade: "
            "pip install --upgrade quaterion-core"
        )
    claimed = config.pop("checksum", None)
    if claimed != _digest(config):
        raise InvalidFolderError(f"{file} was changed after saving. Save the model again.")
    encoders, head = config.get("encoders"), config.get("head")
    if not (isinstance(encoders, dict) and encoders and isinstance(config.get("files"), dict)):
        raise InvalidFolderError(f"{file} lists no encoders or no files.")
    for key in encoders:
        if not KEY_PATTERN.fullmatch(key):
            raise InvalidFolderError(f"{file} names an encoder {key!r}, which is no valid key.")
    for part in [*encoders.values(), head]:
        name = part.get("component") if isinstance(part, dict) else None
        if not isinstance(name, str) or not is_id(name):
            raise InvalidFolderError(
                f"{file} names the component {name!r}, which is no component id such as "
                "'quaterion-core/gated'."
            )


def _digest(config: dict[str, Any]) -> str:
    """Return a checksum of the configuration itself."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()
