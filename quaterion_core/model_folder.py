"""The folder of a saved model: its content, writing and checking.

::

    my_model/
      config.json             format, versions, component ids, checksums of all files
      encoders/<key>/ ...     each encoder's own files
      head/ ...               the head's own files
      calibration/ ...        the ranges of int8 embeddings, if they are calibrated
      matches/ ...            probabilities of matches, if they are calibrated
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from quaterion_core.encoders.encoder import Encoder
from quaterion_core.encoding.calibration import Int8Calibration
from quaterion_core.heads.encoder_head import EncoderHead
from quaterion_core.matches import MatchCalibration
from quaterion_core.plugins import PluginError, is_id, registry
from quaterion_core.storage import (
    InvalidFolderError,
    OutputExistsError,
    SavedFolder,
    StorageError,
    UnsupportedFormatError,
    check_output_folder,
    folder_checksums,
    is_panic,
    load_component,
    new_folder,
    open_saved_folder,
    read_json,
    restore_folder,
    write_json,
)
from quaterion_core.utils.child_components import (
    component_id,
    remembered_classes,
    remembering_classes,
)
from quaterion_core.utils.config_migration import VERSION_KEY, migrated, version_entry
from quaterion_core.utils.faults import checked_content
from quaterion_core.utils.options import KEY_PATTERN
from quaterion_core.version import __version__

CONFIG_FILE: Final = "config.json"
FORMAT: Final = "quaterion-model"
FORMAT_VERSION: Final = 1

_ATTEMPTS: Final = 10
_QUERY_AND_DOCUMENT: Final = "quaterion-core/query-and-document"
_NOTES: Final = (".md", ".txt", ".yaml", ".yml", ".json", ".csv", ".html", ".png")
"""Endings of files that may lie beside ``config.json``. They are never opened."""
_MOST_ENCODERS: Final = 64
_DIGEST: Final = re.compile("[0-9a-f]{64}")

Calibration = Int8Calibration | MatchCalibration
_FOLDERS_OF_CALIBRATIONS: Final = (f"{Int8Calibration.FOLDER}/", f"{MatchCalibration.FOLDER}/")


class ModelParts(NamedTuple):
    """What a model folder holds."""

    encoders: dict[str, Encoder]
    head: EncoderHead
    calibration: Int8Calibration | None
    matches: MatchCalibration | None


def check_model_output(target: Path, *, overwrite: bool) -> None:
    """Check that a target is new or empty, or with ``overwrite`` a saved model.

    Raises:
        OutputExistsError: The target may not be written.
    """
    if not overwrite and target.is_dir() and is_model_folder(target):
        raise OutputExistsError(
            f"{target} already exists and is not empty: it holds a saved model. Choose another "
            "folder, or replace the model with overwrite=True, on the command line --overwrite."
        )
    check_output_folder(target, may_replace=is_model_folder if overwrite else None)


def is_model_folder(folder: Path) -> bool:
    """Whether a folder contains a saved model, of any version."""
    try:
        return read_json(folder / CONFIG_FILE).get("format") == FORMAT
    except InvalidFolderError:
        return False


def folder_fingerprint(path: Path) -> str:
    """Return a digest of the components and files of a saved model, which decide its embeddings.

    Raises:
        InvalidFolderError: The folder holds no model.
        UnsupportedFormatError: It was saved by a later version.
    """
    with open_saved_folder(restore_folder(path)) as folder:
        config = folder.read_json(CONFIG_FILE)
        _check_config(folder.path, config)
    return _embedding_digest(config)


def _embedding_digest(config: Mapping[str, Any]) -> str:
    parts = {**config["encoders"], "": config["head"]}
    components = {key: part["component"] for key, part in parts.items()}
    # Calibrations do not change the embeddings themselves.
    files = {
        name: digest
        for name, digest in config["files"].items()
        if not name.startswith(_FOLDERS_OF_CALIBRATIONS)
    }
    return _digest({"components": components, "files": files})


def document_fingerprint(path: Path) -> str:
    """Return a digest of what decides the embeddings of documents in a saved model.

    It is that of the folder, as :func:`folder_fingerprint` returns it. A model whose head treats
    queries and documents differently has that of a model with its head for documents alone. If
    documents stay as they are, that is the model of the untouched encoders.

    Raises:
        InvalidFolderError: The folder holds no model.
        UnsupportedFormatError: It was saved by a later version.
    """
    with open_saved_folder(restore_folder(path)) as folder:
        config = folder.read_json(CONFIG_FILE)
        _check_config(folder.path, config)
        if config["head"]["component"] != _QUERY_AND_DOCUMENT:
            return folder_fingerprint(path)
        saved = folder.with_checksums(config["files"]).subfolder("head")
        head = _load_part("head", config["head"], saved)
    with tempfile.TemporaryDirectory() as temporary:
        parts = Path(temporary, "head")
        parts.mkdir()
        head.document.save(parts)
        of_head = folder_checksums(Path(temporary))
    document = {"component": component_id("head", type(head.document))}
    of_encoders = {n: text for n, text in config["files"].items() if not n.startswith("head/")}
    return _embedding_digest({**config, "head": document, "files": {**of_encoders, **of_head}})


def save_parts(
    target: Path,
    encoders: Mapping[str, Encoder],
    head: EncoderHead,
    calibrations: Sequence[Calibration] = (),
    *,
    overwrite: bool,
    notes: Mapping[str, str],
) -> None:
    """Write encoders, head and calibrations to a model folder atomically."""
    with (
        remembering_classes(target),
        new_folder(target, may_replace=is_model_folder if overwrite else None) as folder,
    ):
        for key, encoder in encoders.items():
            path = folder / "encoders" / key
            path.mkdir(parents=True)
            encoder.save(str(path))
        (folder / "head").mkdir()
        head.save(str(folder / "head"))
        for calibration in calibrations:
            (folder / calibration.FOLDER).mkdir()
            calibration.save(folder / calibration.FOLDER)
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


def save_calibration(path: Path, calibration: Calibration) -> None:
    """Replace a calibration of a saved model atomically; all other files stay as they are.

    Raises:
        InvalidFolderError: The folder holds no model, or not what was saved.
    """
    with open_saved_folder(restore_folder(path)) as folder:
        config = folder.read_json(CONFIG_FILE)
        _check_config(folder.path, config)
        folder.with_checksums(config["files"]).verify()
        with folder.private_copy() as copied, new_folder(path, may_replace=is_model_folder) as new:
            shutil.copytree(copied, new, dirs_exist_ok=True)
            (new / calibration.FOLDER).mkdir(exist_ok=True)
            calibration.save(new / calibration.FOLDER)
            (new / CONFIG_FILE).unlink()
            kept = {name: text for name, text in folder_checksums(new).items() if "/" in name}
            config["files"] = kept
            config["checksum"] = _digest(config)
            write_json(new / CONFIG_FILE, config, owner="the model")


def load_parts(path: Path, components: Mapping[str, type]) -> ModelParts:
    """Check a model folder, and build its parts.

    The version, the ids, the names of the files and the paths are checked before anything is
    built; each file is checked as it is read. All files are those of one saved model, even while
    another one is saved to the path: if it was replaced in the middle, reading begins again.
    Unregistered classes are those that are given, or that this process saved to the same path.

    Raises:
        InvalidFolderError: The folder holds no model, or not what was saved.
        PluginError: Components are missing.
    """
    components = {**remembered_classes(path), **components}
    for attempt in range(_ATTEMPTS):
        found = restore_folder(path)
        before = _identity(found)
        try:
            with open_saved_folder(found) as folder:
                return _load_parts(folder, components)
        except PluginError:
            raise
        except StorageError:
            if attempt == _ATTEMPTS - 1 or _identity(restore_folder(path)) == before:
                raise
        except BaseException as error:
            if not isinstance(error, Exception) and not is_panic(error):
                raise
            raise InvalidFolderError(f"{path} could not be loaded: {_reason(error)}") from error
    raise AssertionError("unreachable")


def _load_parts(folder: SavedFolder, components: Mapping[str, type]) -> ModelParts:
    config = folder.read_json(CONFIG_FILE)
    _check_config(folder.path, config)
    ids = {key: description["component"] for key, description in config["encoders"].items()}
    head_id = config["head"]["component"]
    with registry.given(components):
        registry.require(
            [*(("encoder", name) for name in ids.values()), ("head", head_id)],
            source=str(folder.path / CONFIG_FILE),
        )
        folder = folder.with_checksums(config["files"])
        _check_places(folder, ids)
        encoders = {
            key: _load_part("encoder", part, folder.subfolder(f"encoders/{key}"))
            for key, part in config["encoders"].items()
        }
        head = _load_part("head", config["head"], folder.subfolder("head"))
        int8 = folder.subfolder(Int8Calibration.FOLDER)
        matches = folder.subfolder(MatchCalibration.FOLDER)
        return ModelParts(
            encoders,
            head,
            Int8Calibration.load(int8) if int8.files else None,
            MatchCalibration.load(matches) if matches.files else None,
        )


def _load_part(kind: str, part: Mapping[str, Any], folder: SavedFolder) -> Any:
    name, version = part["component"], part.get(VERSION_KEY, 1)
    cls = registry.load(kind, name)
    source = str(folder.path / CONFIG_FILE)
    folder = folder.with_translation(
        CONFIG_FILE, lambda config: migrated(kind, name, config, version, source)
    )
    try:
        return load_component(cls, folder)
    except (StorageError, PluginError):
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and not is_panic(error):
            raise
        raise InvalidFolderError(
            f"{name} ({cls.__name__}) could not be restored from {folder.path}: {_reason(error)}"
        ) from error


def _reason(error: BaseException) -> str:
    """Describe an error of another library, which may have no message of its own."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _identity(folder: Path) -> tuple[int, int, int] | None:
    """Return what tells a folder from one that replaced it, which may get the same inode."""
    try:
        status = folder.stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino, status.st_ctime_ns


def _check_places(folder: SavedFolder, encoders: Mapping[str, str]) -> None:
    """Refuse files that belong to no part of the model, except notes next to ``config.json``."""
    for name in folder.files:
        parts = name.split("/")
        is_of_encoder = parts[0] == "encoders" and len(parts) > 2 and parts[1] in encoders
        is_note = len(parts) == 1 and (name == CONFIG_FILE or name.endswith(_NOTES))
        is_of_other = name.startswith(("head/", *_FOLDERS_OF_CALIBRATIONS))
        if not (is_of_encoder or is_note or is_of_other):
            raise InvalidFolderError(
                f"{folder.path / name} belongs to no part of the model. Remove it to load the "
                "model."
            )


def _describe(kind: str, part: Encoder | EncoderHead) -> dict[str, Any]:
    """Return the component id of a part, and the versions of its distribution and its config."""
    name = component_id(kind, type(part))
    registered = not name.startswith("local/")
    return {
        "component": name,
        "version": registry.find(kind, name).version if registered else None,
        **version_entry(type(part)),
    }


def _check_config(folder: Path, config: dict[str, Any]) -> None:
    file = folder / CONFIG_FILE
    if config.get("format") != FORMAT:
        raise InvalidFolderError(
            f"{file} does not belong to a saved model (its format is {config.get('format')!r}, "
            f"expected {FORMAT!r}). Give the folder that SimilarityModel.save() wrote."
        )
    version = config.get("format_version")
    if type(version) is not int or version != FORMAT_VERSION:
        raise UnsupportedFormatError(
            f"{folder} was saved by quaterion-core {config.get('core_version')} in format version "
            f"{version!r}, but quaterion-core {__version__} reads up to {FORMAT_VERSION}. Upgrade: "
            "pip install --upgrade quaterion-core"
        )
    claimed = config.pop("checksum", None)
    if claimed != _digest(config):
        raise InvalidFolderError(f"{file} was changed after saving. Save the model again.")
    checked_content(_ModelConfig, config, f"{file} does not describe a model")
    for key in config["encoders"]:
        if not KEY_PATTERN.fullmatch(key):
            raise InvalidFolderError(f"{file} names an encoder {key!r}, which is no valid key.")
    for part in [*config["encoders"].values(), config["head"]]:
        if not is_id(part["component"]):
            raise InvalidFolderError(
                f"{file} names the component {part['component']!r}, which is no component id such "
                "as 'quaterion-core/gated'."
            )


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    component: str = Field(max_length=200)
    version: str | None = Field(max_length=100)
    config_version: int = Field(default=1, ge=1)


class _ModelConfig(BaseModel):
    """Content of ``config.json``, without its checksum."""

    model_config = ConfigDict(extra="forbid", strict=True)

    format: Literal["quaterion-model"]
    format_version: Literal[1]
    core_version: str = Field(max_length=100)
    encoders: dict[str, _Part] = Field(min_length=1, max_length=_MOST_ENCODERS)
    head: _Part
    files: dict[str, Annotated[str, Field(pattern=_DIGEST)]]


def _digest(config: dict[str, Any]) -> str:
    """Return a checksum of the configuration itself."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()
