"""A pair of worker processes in one process group, started once and reused by all checks."""

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
    """Two processes in a gloo process group, which run until this process exits.

    Each has its own ``PYTHONHASHSEED``, as independently started processes do.
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
            function: A module-level function.
            arguments: Its positional arguments, one tuple per process.

        Returns:
            The return values, one per process.

        Raises:
            CheckError: If the arguments cannot be pickled, or a call raises or times out.
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
                f"one of the two processes exited, or did not respond within {_SECONDS} s"
            ) from error
        finally:
            stop.cancel()
        failures = [value for succeeded, value in answers if not succeeded]
        if failures:
            self.close()  # the other process may still wait for the one that failed
            raise CheckError(f"one of the two processes raised {failures[0]}")
        return [value for _, value in answers]

    def close(self) -> None:
        """Terminate both processes."""
        process_pair.cache_clear()
        for process in self._processes:
            process.kill()
            process.wait()
        self._folder.cleanup()


@functools.cache
def process_pair() -> ProcessPair:
    """Return the shared pair of processes, starting it on the first call."""
    pair = ProcessPair()
    atexit.register(pair.close)
    return pair


def serve(rank: int, rendezvous: str) -> None:
    """Run the calls that a :class:`ProcessPair` sends until its pipe is closed."""
    import torch.distributed as dist

    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # keep printed text out of the answers
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
    """Require that another process can import the class of a component.

    Raises:
        NotApplicableError: If the class is defined in a script or a notebook.
    """
    if type(component).__module__ == "__main__":
        raise NotApplicableError(
            "the class is defined in a script or notebook, which other processes cannot import: "
            "define it in a module"
        )


def _pickled(message: object) -> bytes:
    stream = io.BytesIO()
    try:
        pickle.dump(message, stream)
    except Exception as error:  # pickle raises many types
        raise CheckError(f"cannot be sent to another process: {describe(error)}") from error
    return stream.getvalue()
