"""How anything is written to disk and read back: whole or not at all, checked, never pickled.

Torch is imported where modules are saved or loaded, so that a command which writes a folder of
text need not wait for it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from quaterion_core.storage.atomic_folder import check_output_folder, new_folder, restore_folder
from quaterion_core.storage.checksums import folder_checksums, verify_checksums
from quaterion_core.storage.errors import (
    InvalidFolderError,
    NotSavableError,
    NotWritableError,
    OutputExistsError,
    StorageError,
    UnsupportedFormatError,
    is_panic,
)
from quaterion_core.storage.json_files import (
    json_text,
    parse_json,
    read_json,
    same_json,
    write_json,
)
from quaterion_core.storage.saved_component import load_component
from quaterion_core.storage.saved_folder import SavedFolder, open_saved_folder

if TYPE_CHECKING:
    from quaterion_core.storage.modules import (
        check_finite,
        load_module,
        load_weights,
        save_module,
        save_weights,
    )

__all__ = [
    "InvalidFolderError",
    "NotSavableError",
    "NotWritableError",
    "OutputExistsError",
    "SavedFolder",
    "StorageError",
    "UnsupportedFormatError",
    "check_finite",
    "check_output_folder",
    "folder_checksums",
    "is_panic",
    "json_text",
    "load_component",
    "load_module",
    "load_weights",
    "new_folder",
    "open_saved_folder",
    "parse_json",
    "read_json",
    "restore_folder",
    "same_json",
    "save_module",
    "save_weights",
    "verify_checksums",
    "write_json",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("quaterion_core.storage.modules"), name)
