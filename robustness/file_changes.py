"""Changes of the files of a folder, whatever they hold."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

Change: TypeAlias = Callable[[Path, random.Random], object]
"""Changes a folder."""


@dataclass(frozen=True)
class FileChanges:
    """Changes of some files of a folder.

    Args:
        files: The files, of which one is changed; the first one is made if all are gone.
        replaceable: The files that something else may take the place of.
        outside: Returns a file outside of the folder, which links lead to.
    """

    files: Sequence[str]
    replaceable: Sequence[str]
    outside: Callable[[Path], Path]

    def by_name(self) -> dict[str, Change]:
        """Return the changes by name."""
        return {
            "cut off": self._cut,
            "append bytes": self._grow,
            "remove a file": self._remove,
            "a link instead of a file": self._special(lambda file, out: file.symlink_to(out)),
            "a link to nothing": self._special(lambda file, out: file.symlink_to(out / "nothing")),
            "a pipe instead of a file": self._special(lambda file, _: os.mkfifo(file)),
            "a folder instead of a file": self._special(lambda file, _: file.mkdir()),
        }

    def one_of(self, folder: Path, rng: random.Random) -> Path:
        """Return one of the files that are there still."""
        files = [folder / name for name in self.files]
        there = [file for file in files if file.is_file() and not file.is_symlink()]
        if not there:
            files[0].unlink(missing_ok=True)
            files[0].write_bytes(b"x")
            there = files[:1]
        return rng.choice(there)

    def _cut(self, folder: Path, rng: random.Random) -> None:
        file = self.one_of(folder, rng)
        os.truncate(file, rng.randrange(file.stat().st_size + 1))

    def _grow(self, folder: Path, rng: random.Random) -> None:
        with self.one_of(folder, rng).open("ab") as stream:
            stream.write(rng.randbytes(rng.randrange(1, 5000)))

    def _remove(self, folder: Path, rng: random.Random) -> None:
        self.one_of(folder, rng).unlink()

    def _special(self, make: Callable[[Path, Path], object]) -> Change:
        def change(folder: Path, rng: random.Random) -> None:
            file = folder / rng.choice(self.replaceable)
            if file.is_dir() and not file.is_symlink():
                file.rmdir()
            file.unlink(missing_ok=True)
            make(file, self.outside(folder))

        return change
