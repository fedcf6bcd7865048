"""Indexes that are kept in the user's cache folder, for corpora that are searched again."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from quaterion_core.dataset.object_digest import object_digest
from quaterion_core.dataset.object_files import FileObject
from quaterion_core.model_folder import folder_fingerprint
from quaterion_core.serving.index import Index, is_index
from quaterion_core.storage import StorageError
from quaterion_core.utils.cache_folder import cache_folder

MOST_INDEXES: Final = 20
"""Number of indexes that are kept; the ones that were not used for longest are removed."""

_FOLDER: Final = "indexes"


@contextmanager
def cached_index(model: Path, rows: Iterable[FileObject]) -> Iterator[Index]:
    """Open the index of a corpus and a saved model in the cache, a new and empty one if needed.

    Args:
        model: The folder of the model.
        rows: The objects of the corpus, which the caller adds.
    """
    digest = hashlib.sha256(folder_fingerprint(model).encode())
    for row in rows:
        digest.update(object_digest((row.object, row.id, row.fields)))
    folder = cache_folder() / _FOLDER
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    target = folder / digest.hexdigest()[:32]
    with _opened(target, model) as index:
        os.utime(target)
        _remove_oldest(folder)
        yield index


def _opened(target: Path, model: Path) -> Index:
    if is_index(target):
        with suppress(StorageError):  # damaged, such as by a process that was killed
            return Index.open(target, model, read_only=False)
    shutil.rmtree(target, ignore_errors=True)
    return Index.create(target, model)


def _remove_oldest(folder: Path) -> None:
    found = sorted(
        (path for path in folder.iterdir() if path.is_dir()),
        key=lambda path: path.stat().st_mtime,
        reverse=True,
    )
    for path in found[MOST_INDEXES:]:
        shutil.rmtree(path, ignore_errors=True)
