"""Two processes of one process group, started once, that run what they are sent."""

from __future__ import annotations

import atexit
import functools
import io
import json
import os
import pickle
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from quaterion_core.plugins.loading import describe
from quaterion_core.testing.checks import CheckError, NotApplicableError

WORLD_SIZE: Final = 2
_SECONDS: Final = 120
_PROGRAM: Final = """
import json, sys
rank, rendezvous, path = json.loads(sys.argv[1])
sys.path[:] = path
from quaterion_core.testing.processes import serve
serve(rank, rendezvous)
"""


class ProcessPair:
    """Two processes in a process group of gloo, which live until this one ends.

    They differ in how Python hashes strings, as processes do.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="quaterion-testing-")
        rendezvous = Path(self._folder.name, "rendezvous").as_uri()
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, json.dumps([rank, rendezvous, sys.path])],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONHASHSEED": str(rank + 1), "OMP_NUM_THREADS": "1"},
            )
            for rank in range(WORLD_SIZE)
        ]

    def call(self, function: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Call a function in both processes at once.

        Args:
            function: A function of a module.
            arguments: Its arguments in each process.

        Returns:
            What it returns in each process.

        Raises:
            CheckError: The arguments cannot be sent, or a call raised, or did not return.
        """
        messages = [_pickled((function, values)) for values in arguments]
        stop = threading.Timer(_SECONDS, self.close)
        stop.start()
        try:
            for process, message in zip(self._processes, messages, strict=True):
                assert process.stdin is not None
                pickle.dump((sys.path, message), process.stdin)
                process.stdin.flush()
            answers = [pickle.load(p.stdout) for p in self._processes if p.stdout is not None]
        except (EOFError, OSError) as error:
            self.close()
            raise CheckError(
                f"one of two processes ended, or did not answer in {_SECONDS} s"
            ) from error
        finally:
            stop.cancel()
        failures = [value for succeeded, value in answers if not succeeded]
        if failures:
            self.close()  # The others may still wait for the one that failed.
            raise CheckError(f"one of two processes raised {failures[0]}")
        return [value for _, value in answers]

    def close(self) -> None:
        """End both processes."""
        process_pair.cache_clear()
        for process in self._processes:
            process.kill()
            process.wait()
        self._folder.cleanup()


@functools.cache
def process_pair() -> ProcessPair:
    """Return the two processes, which are started the first time."""
    pair = ProcessPair()
    atexit.register(pair.close)
    return pair


def serve(rank: int, rendezvous: str) -> None:
    """Answer what a :class:`ProcessPair` sends until it sends no more."""
    import torch.distributed as dist

    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # What is printed is no answer.
    dist.init_process_group(
        "gloo",
        init_method=rendezvous,
        rank=rank,
        world_size=WORLD_SIZE,
        timeout=timedelta(seconds=_SECONDS // 2),
    )
    while True:
        try:
            path, message = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        sys.path[:] = path
        try:
            function, arguments = pickle.loads(message)
            answer = (True, function(*arguments))
        except Exception as error:
            answer = (False, describe(error))
        pickle.dump(answer, answers)
        answers.flush()


def require_importable(component: object) -> None:
    """Refuse to send what another process cannot import.

    Raises:
        NotApplicableError: The class was defined in a script or a notebook.
    """
    if type(component).__module__ == "__main__":
        raise NotApplicableError(
            "its class is defined in the script or notebook that runs, which another process does "
            "not import: define it in a module"
        )


def _pickled(message: object) -> bytes:
    stream = io.BytesIO()
    try:
        pickle.dump(message, stream)
    except Exception as error:  # pickle raises all kinds
        raise CheckError(f"it cannot be sent to another process: {describe(error)}") from error
    return stream.getvalue()
