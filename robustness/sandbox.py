"""Processes in which hostile cases run: watched, with limits on memory and time."""

from __future__ import annotations

import faulthandler
import gc
import json
import os
import resource
import select
import shutil
import signal
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn, TypeAlias

SECONDS: Final = 60
"""How long a case may take."""

MEMORY: Final = 2 << 30
"""How many bytes a case may take beyond what the process has."""

_FINISHED: Final = 77
"""The exit code of a worker that was not ended by a case."""

_TEMPORARY: Final = tempfile.gettempdir()
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
_OWN: Final = ("quaterion_core", "quaterion_nlp", "quaterion_cv")
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
    """The outcome of a case.

    Args:
        kind: ``"same result"``, ``"our error"``, ``"as the file says"``, or a fault.
        detail: The error, or what is wrong.
    """

    kind: str
    detail: str = ""

    @property
    def is_right(self) -> bool:
        """Whether this is what loading or reading should do."""
        return self.kind in ("same result", "our error", "as the file says")


@dataclass
class Watch:
    """Records forbidden operations of a case: an audit hook that is active on request.

    Args:
        packages: Top-level packages that a case may import, beside the standard library.
    """

    packages: frozenset[str]
    readable: tuple[str, ...] = ()
    is_active: bool = False
    found: list[str] = field(default_factory=list)

    @contextmanager
    def allowing(self, *readable: Path) -> Iterator[None]:
        """Watch a block, which may read certain folders beside Python's own."""
        self.readable = tuple(str(path.resolve()) for path in readable)
        self.is_active = True
        try:
            yield
        finally:
            self.is_active = False

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Check an audit event."""
        if not self.is_active:
            return
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
        if flags & os.O_NOFOLLOW:  # a link itself is not opened
            real = str(Path(path).parent.resolve() / Path(path).name)
        else:
            real = os.path.realpath(path)
        if not real.startswith((*self.readable, *_READABLE)):
            self.found.append(f"outside read: {real}")


Case: TypeAlias = Callable[[Path, Watch], Outcome]
"""Tries something in an empty folder of its own, with ``watch.allowing(...)`` around what counts.

Temporary files go to the subfolder ``tmp``.
"""


def is_explained(error: BaseException) -> bool:
    """Whether an error was raised by a package of this project, rather than passed through."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    module = trace.tb_frame.f_globals.get("__name__", "") if trace is not None else ""
    return str(module).partition(".")[0] in _OWN


def run_cases(
    cases: Sequence[Case],
    packages: frozenset[str],
    *,
    jobs: int = 1,
    report: Callable[[int, int], None] = lambda *_: None,
) -> list[Outcome]:
    """Run cases in forked worker processes.

    A worker runs one case after the other, so that a case costs milliseconds. A worker whose case
    is a fault, takes too long or ends the process is replaced.

    Args:
        cases: The cases.
        packages: Top-level packages that they may import.
        jobs: Number of workers.
        report: Called with the number of cases that are done, and of all.

    Returns:
        The outcome of each case.
    """
    gc.collect()
    gc.freeze()  # so that workers share the memory of this process
    outcomes: dict[int, Outcome] = {}
    try:
        workers = [_Worker(cases, packages, first, jobs) for first in range(min(jobs, len(cases)))]
        while workers:
            end = min(worker.deadline for worker in workers)
            pipes = [worker.receiver for worker in workers]
            ready, _, _ = select.select(pipes, [], [], max(0.0, end - time.monotonic()))
            for worker in list(workers):
                found = worker.receive() if worker.receiver in ready else worker.time_out()
                outcomes.update(found)
                if worker.is_done:
                    workers.remove(worker)
            report(len(outcomes), len(cases))
    finally:
        gc.unfreeze()
    return [outcomes[number] for number in range(len(cases))]


class _Worker:
    """A forked process that runs every ``step``-th case."""

    def __init__(
        self, cases: Sequence[Case], packages: frozenset[str], first: int, step: int
    ) -> None:
        self._cases = cases
        self._packages = packages
        self._next = first
        self._step = step
        self.is_done = False
        self._start()

    def receive(self) -> dict[int, Outcome]:
        """Read the outcomes that the process sent; start another one if it has ended."""
        block = os.read(self.receiver, 65536)
        found: dict[int, Outcome] = {}
        self._rest += block
        *lines, self._rest = self._rest.split(b"\n")
        for line in lines:
            found[self._next] = Outcome(**json.loads(line))
            self._next += self._step
            self.deadline = time.monotonic() + SECONDS
        if not block:
            found.update(self._ended(is_killed=False))
        return found

    def time_out(self) -> dict[int, Outcome]:
        """Kill the process if its case takes too long, and go on with the next case."""
        if time.monotonic() < self.deadline:
            return {}
        os.kill(self._process, signal.SIGKILL)
        return self._ended(is_killed=True)

    def _start(self) -> None:
        self.receiver, sender = os.pipe()
        self._rest = b""
        self.deadline = time.monotonic() + SECONDS
        sys.stdout.flush()
        sys.stderr.flush()
        self._process = os.fork()
        if self._process == 0:
            os.close(self.receiver)
            _work(self._cases[self._next :: self._step], sender, self._packages)
        os.close(sender)

    def _ended(self, *, is_killed: bool) -> dict[int, Outcome]:
        os.close(self.receiver)
        _, status = os.waitpid(self._process, 0)
        found = {}
        code = os.waitstatus_to_exitcode(status)
        if is_killed:
            found[self._next] = Outcome("hang", f"more than {SECONDS} s")
        elif code < 0:
            found[self._next] = Outcome("crash", signal.Signals(-code).name)
        elif code != _FINISHED:
            found[self._next] = Outcome("crash", f"exit {code}")
        self._next += self._step * len(found)
        self.is_done = self._next >= len(self._cases)
        if not self.is_done:
            self._start()
        return found


def _work(cases: Sequence[Case], sender: int, packages: frozenset[str]) -> NoReturn:
    """Run cases until one is a fault, and end the process."""
    code = 1
    try:
        faulthandler.disable()  # a crash is an outcome, and no message
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
        watch = Watch(packages)
        sys.addaudithook(watch)
        for case in cases:
            outcome = _outcome(case, watch)
            os.write(sender, json.dumps(vars(outcome)).encode() + b"\n")
            if not outcome.is_right:  # what follows may not be as in a new process
                break
        code = _FINISHED
    finally:
        os._exit(code)


def _outcome(case: Case, watch: Watch) -> Outcome:
    place = Path(tempfile.mkdtemp(prefix="robustness-", dir=_TEMPORARY))
    watch.found.clear()
    try:
        (place / "tmp").mkdir()
        tempfile.tempdir = str(place / "tmp")
        outcome = case(place, watch)
    except MemoryError:
        outcome = Outcome("memory", f"more than {MEMORY >> 30} GiB")
    except BaseException as error:
        last = error.__traceback__
        while last is not None and last.tb_next is not None:
            last = last.tb_next
        where = last and f"{last.tb_frame.f_code.co_filename}:{last.tb_lineno}"
        outcome = Outcome(
            "other exception", f"{type(error).__name__}: {str(error)[:200]} at {where}"
        )
    finally:
        shutil.rmtree(place, ignore_errors=True)
    if watch.found:
        kind, _, detail = watch.found[0].partition(": ")
        return Outcome(kind, detail)
    return outcome
