from .atomic_folder import check_output_folder, new_folder, restore_folder
from .checksums import folder_checksums, verify_checksums
from .errors import (
    InvalidFolderError,
    NotSavableError,
    NotWritableError,
    OutputExistsError,
    StorageError,
    UnsupportedFormatError,
    is_panic,
)
from .json_files import json_text, parse_json, read_json, same_json, write_json
from .modules import check_finite, load_module, load_weights, save_module, save_weights
from .saved_component import load_component
from .saved_folder import SavedFolder, open_saved_folder
from .whole_files import whole_file

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
    "whole_file",
    "write_json",
]
