"""Early termination of a training run: by a signal, or by an error that is explained."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.exceptions import SIGTERMException

from quaterion_core.train.callbacks.interruption_callback import InterruptionCallback, StopRequested
from quaterion_core.train.errors import (
    OutOfMemoryError,
    TrainingInterrupted,
    TrainingTerminated,
    WorkerDiedError,
)

_log = logging.getLogger(__name__)


@contextmanager
def interruptible(trainer: pl.Trainer, interruption: InterruptionCallback) -> Iterator[None]:
    """Stop a training run after the current step at Ctrl-C or SIGTERM, and report what is kept.

    A second Ctrl-C stops it at once.

    Raises:
        TrainingInterrupted: It was stopped by Ctrl-C.
        TrainingTerminated: It was stopped by SIGTERM; the exit code is 143.
        OutOfMemoryError: A step did not fit into memory.
        WorkerDiedError: A process that reads data was killed.
    """
    with _waiting_for_the_step(trainer, interruption):
        try:
            yield
        except (StopRequested, SIGTERMException):
            is_terminated = trainer.received_sigterm
            message = f"The training run was stopped after step {trainer.global_step}. " + _kept(
                interruption
            )
            _log.warning(message)
            if is_terminated:
                raise TrainingTerminated(interruption.kept) from None
            raise TrainingInterrupted(message, interruption.kept) from None
        except SystemExit as error:
            if isinstance(error.__context__, KeyboardInterrupt):  # Lightning's answer to it
                message = f"The training run was stopped in step {trainer.global_step}. " + _kept(
                    interruption
                )
                raise TrainingInterrupted(message, interruption.kept) from None
            raise
        except (MemoryError, RuntimeError, ConnectionError, EOFError) as error:
            explained = _explained(error)
            if explained is None:
                raise
            raise explained from error


@contextmanager
def _waiting_for_the_step(
    trainer: pl.Trainer, interruption: InterruptionCallback
) -> Iterator[None]:
    """Defer the first Ctrl-C to the end of the step, unless it has another handler."""
    before = signal.getsignal(signal.SIGINT)
    is_default = before is signal.default_int_handler
    if (
        threading.current_thread() is not threading.main_thread()
        or not is_default
        or trainer.world_size > 1
    ):
        yield
        return

    def ask(number: int, frame: FrameType | None) -> None:
        if interruption.stop:
            raise KeyboardInterrupt
        interruption.stop = True
        _log.warning("Stopping after this step; press Ctrl-C again to stop at once.")

    signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _kept(interruption: InterruptionCallback) -> str:
    if interruption.kept is None:
        return (
            "Nothing of it is kept on disk: make the trainer write checkpoints with "
            "enable_checkpointing=True."
        )
    return f"Its state is kept: resume with ckpt_path={str(interruption.kept)!r}."


def _explained(error: BaseException) -> Exception | None:
    """Return an error with the remedy if memory ran out or a worker died."""
    text = str(error)
    memory = (
        "out of memory",
        "not enough memory",
        "can't allocate memory",
        "Cannot allocate memory",
    )
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)) or any(
        phrase in text for phrase in memory
    ):
        return OutOfMemoryError(
            f"A step did not fit into memory ({text.splitlines()[0] if text else 'MemoryError'}). "
            "Use a smaller batch_size, embed batches in chunks with grad_cache_chunk=32, or train "
            "with precision='bf16-mixed'."
        )
    is_worker = "DataLoader worker" in text and ("exited unexpectedly" in text or "killed" in text)
    if is_worker or _is_of_a_pipe(error):
        reason = text.splitlines()[0] if text else type(error).__name__
        return WorkerDiedError(
            f"A process that reads the data died ({reason}). Most often the system killed it for "
            "lack of memory: use fewer num_workers, or num_workers=0 to see an error of the "
            "dataset itself."
        )
    return None


def _is_of_a_pipe(error: BaseException) -> bool:
    """Whether reading from another process failed, and not the dataset itself."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    module = "" if trace is None else str(trace.tb_frame.f_globals.get("__name__"))
    return isinstance(error, (ConnectionError, EOFError)) and module.startswith("multiprocessing.")
