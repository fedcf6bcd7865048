"""Locations of the tables of a training run: memory, the device, or a folder on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import torch

from quaterion_core.train.cache.cache_config import CacheConfig, CacheType
from quaterion_core.train.cache.table_folder import (
    locked_folder,
    own_temporary_folder,
    remove_folder,
    shared_temporary_folder,
)


class TablePlaces:
    """Locations of tables; temporary ones are removed at the end.

    Args:
        config: The configuration of the cache.
        device: The device of the training run.
        processes: Number of processes of the training run.
    """

    def __init__(self, config: CacheConfig, device: torch.device, processes: int):
        self._config = config
        self._device = device
        self._processes = processes
        self._temporary: list[Path] = []

    def kind(self, key: str, numbers: int) -> CacheType:
        """Return where to keep the table of an encoder.

        Args:
            key: The encoder's key.
            numbers: Size of the table: rows times views times embedding size.
        """
        kind = self._config.type_for(key)
        if kind == CacheType.GPU and self._device.type != "cuda":
            return CacheType.CPU
        if kind != CacheType.AUTO:
            return kind
        size = numbers * self._config.dtype.itemsize
        if self._device.type == "cuda" and size < torch.cuda.mem_get_info(self._device)[0] / 4:
            return CacheType.GPU
        return CacheType.CPU if size < psutil.virtual_memory().available / 2 else CacheType.DISK

    @contextmanager
    def folder(self, kind: CacheType, name: Callable[[], str]) -> Iterator[Path | None]:
        """Yield the folder of a table, locked against other processes; ``None`` if it has none.

        Without a ``save_dir`` only tables on disk, and those that several processes share, have
        a folder.

        Args:
            kind: Where the table is kept.
            name: Returns the unique name of the table; called only if it is kept or shared.
        """
        is_kept, is_shared = self._config.save_dir is not None, self._processes > 1
        if not is_kept and not is_shared:
            own = own_temporary_folder() if kind == CacheType.DISK else None
            if own is not None:
                self._temporary.append(own)
            yield own
            return
        parent = self._config.save_dir if is_kept else shared_temporary_folder()
        assert parent is not None
        folder = Path(parent) / name()
        if not is_kept:
            self._temporary.append(folder)
        with locked_folder(folder):
            yield folder

    def close(self) -> None:
        """Remove the temporary folders of this training run."""
        for folder in self._temporary:
            remove_folder(folder)
