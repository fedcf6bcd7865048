"""An untrusted folder, opened to be read as data."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from quaterion_core.storage.errors import InvalidFolderError, NotWritableError
from quaterion_core.storage.json_files import JSON_LIMIT, json_text, parse_json_object
from quaterion_core.storage.regular_files import (
    kind_of_file,
    not_regular,
    open_regular_file,
    read_all,
)

if TYPE_CHECKING:
    from quaterion_core.storage.tensor_files import TensorFile

Translation: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]
"""A function from the content of a JSON file to its present form."""

_CODE_OR_PICKLE: Final = {
    ".bin", ".ckpt", ".joblib", ".npy", ".npz", ".pickle", ".pkl", ".pt", ".pth", ".py", ".pyc",
    ".so", ".zip",
}  # fmt: skip
_MOST_FILES: Final = 2000
_MOST_FOLDERS: Final = 200
_DEEPEST: Final = 12
_BLOCK: Final = 1 << 20
_USES_DESCRIPTORS: Final = os.open in os.supports_dir_fd and os.scandir in os.supports_fd


class SavedFolder:
    """The files of an untrusted folder, each read once and checked as it is read.

    The folder is listed when it is opened: regular files and folders only, no links, a limited
    number. Files are opened relative to the folders that were listed, so that neither a folder
    that is replaced nor a link that appears later leads elsewhere. What was checked is what is
    parsed: libraries that insist on paths get a private copy of the checked bytes
    (:meth:`private_copy`).

    Open one with :func:`open_saved_folder`.

    Attributes:
        path: Where the folder is, for messages.
        files: The size of each file in bytes, by its path below the folder with forward slashes.
    """

    def __init__(
        self,
        path: Path,
        files: Mapping[str, int],
        directories: Mapping[str, int | Path],
        checksums: Mapping[str, str] | None,
        translations: Mapping[str, Translation] | None = None,
    ):
        self.path = path
        self.files = files
        self._directories = directories
        self._checksums = checksums
        self._translations = translations or {}

    def subfolder(self, name: str) -> SavedFolder:
        """Return a folder below this one; an empty one if it does not exist.

        Args:
            name: Its path with forward slashes.
        """
        start = f"{name}/"

        def below(entries: Mapping[str, Any] | None) -> dict[str, Any]:
            return {
                key.removeprefix(start): value
                for key, value in (entries or {}).items()
                if key.startswith(start)
            }

        directories = below(self._directories)
        if name in self._directories:
            directories[""] = self._directories[name]
        checksums = None if self._checksums is None else below(self._checksums)
        return SavedFolder(self.path / name, below(self.files), directories, checksums)

    def select(self, names: Collection[str]) -> SavedFolder:
        """Return the folder as if it held some of its files only."""
        files = {name: size for name, size in self.files.items() if name in names}
        return SavedFolder(self.path, files, self._directories, self._checksums, self._translations)

    def with_translation(self, name: str, translate: Translation) -> SavedFolder:
        """Return the folder with a JSON file that was written by an earlier version.

        Readers of the file, :meth:`private_copy` included, get the translated content, which has
        passed the same checks as the original.

        Args:
            name: The file; nothing happens if there is none.
            translate: Returns the present form of the file's content.
        """
        if name not in self.files:
            return self
        return SavedFolder(
            self.path, self.files, self._directories, self._checksums, {name: translate}
        )

    def with_checksums(self, checksums: Mapping[str, str]) -> SavedFolder:
        """Return the folder with the SHA-256 that each file has to have, by name.

        Raises:
            InvalidFolderError: A file is missing, or there is one that is not listed. Files that
                lie directly in the folder, such as a README, need not be listed.
        """
        for name in checksums:
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
                raise InvalidFolderError(
                    f"{self.path} lists the path {name!r:.200}, which leads out of it."
                )
            if name not in self.files:
                raise InvalidFolderError(f"{self.path} is incomplete: the file {name} is missing.")
        for name in self.files:
            if "/" in name and name not in checksums:
                raise InvalidFolderError(
                    f"{self.path / name} was added after saving. Remove it to load {self.path}."
                )
        return SavedFolder(self.path, self.files, self._directories, checksums)

    def verify(self) -> None:
        """Read all files that have a checksum, and compare it.

        Raises:
            InvalidFolderError: A checksum differs.
        """
        for name in self._checksums or ():
            digest = hashlib.sha256()
            with self._opened(name) as descriptor:
                while block := os.read(descriptor, _BLOCK):
                    digest.update(block)
            self._verify(name, digest.hexdigest())

    def require(self, names: Collection[str], *, optional: Collection[str] = ()) -> None:
        """Check that the folder holds certain files, and no others.

        Args:
            names: What it has to hold.
            optional: What it may hold.

        Raises:
            InvalidFolderError: A file is missing, or there is one too many.
        """
        for name in names:
            if name not in self.files:
                raise InvalidFolderError(f"{self.path} is incomplete: {name} is missing.")
        for name in self.files:
            if name not in names and name not in optional:
                danger = " and could run code when it is loaded" if is_code_or_pickle(name) else ""
                raise InvalidFolderError(
                    f"{self.path / name} is no file that saving writes there{danger}. Remove it, "
                    "or save the model again from where it comes from."
                )

    def read(self, name: str, *, limit: int = JSON_LIMIT) -> bytes:
        """Read a file.

        Args:
            name: Its path below the folder, with forward slashes.
            limit: Its largest size in bytes.

        Raises:
            InvalidFolderError: The file is missing, no regular file, too large, or its checksum
                differs.
        """
        with self._opened(name) as descriptor:
            data = read_all(descriptor, str(self.path / name), limit)
        self._verify(name, hashlib.sha256(data).hexdigest())
        return data

    def read_json(self, name: str, *, limit: int = JSON_LIMIT) -> dict[str, Any]:
        """Read a JSON file that holds a dictionary; see :meth:`read`."""
        source = str(self.path / name)
        content = parse_json_object(self.read(name, limit=limit), source)
        if name not in self._translations:
            return content
        try:
            translated = json_text(self._translations[name](content)).encode()
        except (TypeError, ValueError) as error:
            if isinstance(error, InvalidFolderError):
                raise
            raise InvalidFolderError(f"{source} was translated to no JSON: {error}.") from error
        if len(translated) > limit:
            raise InvalidFolderError(
                f"{source} was translated to {len(translated):,} bytes, more than {limit:,}."
            )
        return parse_json_object(translated, source)

    @contextmanager
    def open_tensors(self, name: str) -> Iterator[TensorFile]:
        """Open a safetensors file; its checksum is compared when the block ends without an error.

        All tensors must have been read by then.

        Raises:
            InvalidFolderError: The file is missing or broken, or its checksum differs.
        """
        from quaterion_core.storage.tensor_files import TensorFile

        digest = hashlib.sha256()
        with self._opened(name) as descriptor:
            yield TensorFile(descriptor, str(self.path / name), digest)
        self._verify(name, digest.hexdigest())

    @contextmanager
    def private_copy(self, names: Collection[str] | None = None) -> Iterator[Path]:
        """Copy files, checked as they are read, into a temporary folder of this user alone.

        Args:
            names: Which files; all by default.

        Yields:
            The temporary folder, which is removed when the block ends.

        Raises:
            InvalidFolderError: A checksum differs.
            NotWritableError: The system's folder for temporary files has no room.
        """
        folder = Path(tempfile.mkdtemp(prefix="quaterion-"))
        try:
            for name in self.files if names is None else names:
                self._copy(name, folder / name)
                if name in self._translations:
                    text = json_text(self.read_json(name))
                    (folder / name).write_text(text, encoding="utf-8")
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _copy(self, name: str, target: Path) -> None:
        digest = hashlib.sha256()
        with self._opened(name) as descriptor:
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("xb") as copy:
                    while block := os.read(descriptor, _BLOCK):
                        digest.update(block)
                        copy.write(block)
                        if copy.tell() > self.files[name]:
                            raise InvalidFolderError(f"{self.path / name} changes while it is read")
            except OSError as error:
                raise NotWritableError(
                    f"{self.path / name} cannot be copied to {tempfile.gettempdir()}, the folder "
                    f"for temporary files: {error.strerror}. Make room there, or set the "
                    "environment variable TMPDIR to another folder."
                ) from error
        self._verify(name, digest.hexdigest())

    @contextmanager
    def _opened(self, name: str) -> Iterator[int]:
        directory, _, file = name.rpartition("/")
        if name not in self.files:
            raise self._missing(name)
        parent = self._directories[directory]
        try:
            if isinstance(parent, int):
                descriptor = open_regular_file(file, directory=parent)
            else:
                descriptor = open_regular_file(parent / file)
        except FileNotFoundError:
            raise self._missing(name) from None
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _missing(self, name: str) -> InvalidFolderError:
        return InvalidFolderError(
            f"{self.path} has no {name}: it is not a saved folder, or is incomplete."
        )

    def _verify(self, name: str, digest: str) -> None:
        if self._checksums is not None and self._checksums.get(name) != digest:
            raise InvalidFolderError(
                f"{self.path / name} is not what was saved: its checksum differs. It was cut off "
                "or changed. Copy the folder again, or save the model again."
            )


@contextmanager
def open_saved_folder(path: str | Path) -> Iterator[SavedFolder]:
    """Open an untrusted folder to read it as data.

    Args:
        path: The folder. It may be a link itself, since the caller chose it.

    Yields:
        The folder, usable within the block.

    Raises:
        InvalidFolderError: There is no such folder, or below it is something else than regular
            files and folders, or too much of it.

    Example:
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "config.json").write_text('{"size": 3}')
        >>> with open_saved_folder(folder) as opened:
        ...     opened.read_json("config.json")
        {'size': 3}
    """
    path = Path(path)
    directories: dict[str, int | Path] = {}
    files: dict[str, int] = {}
    try:
        try:
            directories[""] = _open_directory(path, None) if _USES_DESCRIPTORS else path
            _list(path, "", files, directories)
        except FileNotFoundError as error:
            raise InvalidFolderError(f"There is no folder {path}.") from error
        except (OSError, ValueError) as error:
            if isinstance(error, InvalidFolderError):
                raise
            reason = getattr(error, "strerror", None) or error
            raise InvalidFolderError(f"{path} cannot be opened as a folder: {reason}.") from error
        yield SavedFolder(path, dict(sorted(files.items())), directories, None)
    finally:
        for descriptor in directories.values():
            if isinstance(descriptor, int):
                os.close(descriptor)


def is_code_or_pickle(name: str) -> bool:
    """Whether a file has the name of one that can run code when a library loads it.

    Example:
        >>> is_code_or_pickle("pytorch_model.bin"), is_code_or_pickle("model.safetensors")
        (True, False)
    """
    return PurePosixPath(name).suffix.lower() in _CODE_OR_PICKLE


def _open_directory(path: str | Path, parent: int | None) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    if parent is not None:  # the path that the user gave may be a link
        flags |= os.O_NOFOLLOW
    return os.open(path, flags, dir_fd=parent)


def _list(
    root: Path, prefix: str, files: dict[str, int], directories: dict[str, int | Path]
) -> None:
    here = directories[prefix]
    with os.scandir(here) as entries:
        for entry in entries:
            name = f"{prefix}/{entry.name}" if prefix else entry.name
            if len(files) >= _MOST_FILES or len(directories) >= _MOST_FOLDERS:
                raise InvalidFolderError(
                    f"{root} holds more than {_MOST_FILES:,} files or {_MOST_FOLDERS} folders."
                )
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISREG(status.st_mode):
                files[name] = status.st_size
            elif not stat.S_ISDIR(status.st_mode):
                raise not_regular(root / name, kind_of_file(status.st_mode))
            elif name.count("/") >= _DEEPEST:
                raise InvalidFolderError(f"{root} has folders more than {_DEEPEST} levels deep.")
            else:
                directories[name] = (
                    _open_directory(entry.name, here)
                    if isinstance(here, int)
                    else here / entry.name
                )
                _list(root, name, files, directories)
