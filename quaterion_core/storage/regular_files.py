"""Files of an untrusted folder: opened without following links, read up to a limit."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Final

from quaterion_core.storage.errors import InvalidFolderError

_FLAGS: Final = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)  # opening a FIFO would wait for a writer
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
_BLOCK: Final = 1 << 20


def open_regular_file(path: str | Path, *, directory: int | None = None) -> int:
    """Open a regular file for reading; a link, FIFO, socket or device is refused.

    Args:
        path: The path, relative to ``directory`` if that is given.
        directory: The descriptor of a folder.

    Returns:
        The descriptor.

    Raises:
        FileNotFoundError: There is no such file.
        InvalidFolderError: It is something else than a regular file, or cannot be opened.
    """
    try:
        descriptor = os.open(path, _FLAGS, dir_fd=directory)
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise not_regular(path, "a link") from error
        raise InvalidFolderError(f"{path} cannot be opened: {error.strerror}.") from error
    except ValueError as error:  # a null character in the path
        raise InvalidFolderError(f"{path} cannot be opened: {error}.") from error
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise not_regular(path, kind_of_file(mode))
    return descriptor


def read_all(descriptor: int, source: str, limit: int) -> bytes:
    """Read a file from where it stands to its end.

    Raises:
        InvalidFolderError: It is larger than the limit, or cannot be read.
    """
    blocks: list[bytes] = []
    size = 0
    try:
        while block := os.read(descriptor, min(_BLOCK, limit + 1 - size)):
            blocks.append(block)
            size += len(block)
            if size > limit:
                raise InvalidFolderError(
                    f"{source} has more than {limit:,} bytes, the most that is read of such a file."
                )
    except OSError as error:
        raise InvalidFolderError(f"{source} cannot be read: {error.strerror}.") from error
    return b"".join(blocks)


def kind_of_file(mode: int) -> str:
    """Name the kind of a file that is neither a regular file nor a folder."""
    kinds = {
        stat.S_IFLNK: "a link",
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a named pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return kinds.get(stat.S_IFMT(mode), "no regular file")


def not_regular(path: str | Path, kind: str) -> InvalidFolderError:
    """Return the error for something that is no regular file."""
    return InvalidFolderError(
        f"{path} is {kind}. A saved folder holds regular files and folders only: replace it by a "
        "copy of the file it stands for, or save again."
    )
