"""Stores: vectors with payloads by id, searched for the nearest ones."""

from quaterion_core.serving.stores.exact_store import ExactStore
from quaterion_core.serving.stores.filters import (
    And,
    Condition,
    Equals,
    InRange,
    Not,
    Or,
    all_of,
    parse_condition,
)
from quaterion_core.serving.stores.folder_store import FolderState, FolderStore, Found
from quaterion_core.serving.stores.scan import scanned
from quaterion_core.serving.stores.store import (
    Hit,
    Payload,
    Record,
    Store,
    Vectors,
    check_objects,
    check_vectors,
)

__all__ = [
    "And",
    "Condition",
    "Equals",
    "ExactStore",
    "FolderState",
    "FolderStore",
    "Found",
    "Hit",
    "InRange",
    "Not",
    "Or",
    "Payload",
    "Record",
    "Store",
    "Vectors",
    "all_of",
    "check_objects",
    "check_vectors",
    "parse_condition",
    "scanned",
]
