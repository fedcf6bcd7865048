"""A child process in which a case runs: watched, with limits on memory and time."""

from __future__ import annotations

import gc
import json
import os
import resource
import select
import signal
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

SECONDS: Final = 60
MEMORY: Final = 2 << 30
"""What a case may take beyond what the process has."""

_FORBIDDEN: Final = {
    "socket.connect": "network",
    "socket.getaddrinfo": "network",
    "socket.bind": "network",
    "socket.sendto": "network",
    "subprocess.Popen": "code executed",
    "os.system": "code executed",
    "os.exec": "code executed",
    "os.posix_spawn": "code executed",
    "os.spawn": "code executed",
    "pickle.find_class": "code executed",
}
_STANDARD: Final = frozenset(sys.stdlib_module_names)
_READABLE: Final = tuple(
    str(Path(place).resolve())
    for place in {
        sys.prefix,
        sys.base_prefix,
        *sysconfig.get_paths().values(),
        "/proc",
        "/sys",
        "/dev",
    }
)


@dataclass
class Outcome:
    """What became of a case.

    Args:
        kind: ``"same result"``, ``"our error"``, ``"as the file says"``, or a fault.
        detail: The error, or what is wrong.
    """

    kind: str
    detail: str = ""


@dataclass
class Watch:
    """Notes what a case does that it should not do.

    Args:
        readable: Folders that it may read, beside Python's own.
        packages: Top-level packages that it may import, beside the standard library.
    """

    readable: tuple[str, ...]
    packages: frozenset[str]
    found: list[str] = field(default_factory=list)

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Take note of an audit event."""
        if event == "open" and isinstance(arguments[0], (str, bytes)):
            self._check_path(os.fsdecode(arguments[0]), arguments[2])
        elif event == "import":
            package = arguments[0].partition(".")[0]
            if package not in _STANDARD and package not in self.packages:
                self.found.append(f"code executed: imports {arguments[0]}")
        elif event == "ctypes.dlopen" and arguments[0] is not None:
            if not str(arguments[0]).startswith(_READABLE) and "/" in str(arguments[0]):
                self.found.append(f"code executed: opens the library {arguments[0]}")
        elif event in _FORBIDDEN:
            self.found.append(f"{_FORBIDDEN[event]}: {event} {arguments!r:.200}")

    def _check_path(self, path: str, flags: int) -> None:
        if not path.startswith("/"):
            return  # relative to a folder that was opened, or to the working folder
        real = os.path.realpath(path)
        if not real.startswith((*self.readable, *_READABLE)):
            self.found.append(f"outside read: {real}")


def run_in_child(
    case: Callable[[], Outcome], readable: tuple[Path, ...], packages: frozenset[str]
) -> Outcome:
    """Run a case in a forked child.

    Args:
        case: What to do; its outcome is taken unless the child does something forbidden, takes too
            long, or dies.
        readable: Folders that it may read. Its temporary folder is in the first one.
        packages: Top-level packages that it may import.
    """
    receiver, sender = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.close(receiver)
        _run(case, sender, readable, packages)
    os.close(sender)
    message = _receive(receiver, child)
    os.close(receiver)
    _, status = os.waitpid(child, 0)
    if message:
        return Outcome(**json.loads(message))
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        is_ours = number == signal.SIGKILL
        return Outcome("hang" if is_ours else "crash", signal.Signals(number).name)
    return Outcome("crash", f"exit {os.waitstatus_to_exitcode(status)}")


def _receive(receiver: int, child: int) -> bytes:
    end = time.monotonic() + SECONDS
    message = b""
    while True:
        ready, _, _ = select.select([receiver], [], [], max(0.0, end - time.monotonic()))
        if not ready:
            os.kill(child, signal.SIGKILL)
            return message
        block = os.read(receiver, 65536)
        if not block:
            return message
        message += block


def _run(
    case: Callable[[], Outcome], sender: int, readable: tuple[Path, ...], packages: frozenset[str]
) -> None:
    """Run a case and end the process."""
    try:
        gc.freeze()
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        temporary = readable[0] / "tmp"
        temporary.mkdir(exist_ok=True)
        tempfile.tempdir = str(temporary)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
        watch = Watch(tuple(str(path.resolve()) for path in readable), packages)
        sys.addaudithook(watch)
        try:
            outcome = case()
        except MemoryError:
            outcome = Outcome("memory")
        except BaseException as error:
            place = error.__traceback__
            while place is not None and place.tb_next is not None:
                place = place.tb_next
            where = place and f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}"
            outcome = Outcome(
                "other exception", f"{type(error).__name__}: {str(error)[:200]} at {where}"
            )
        if watch.found:
            kind, _, detail = watch.found[0].partition(": ")
            outcome = Outcome(kind, detail)
        os.write(sender, json.dumps(vars(outcome)).encode())
    finally:
        os._exit(0)
