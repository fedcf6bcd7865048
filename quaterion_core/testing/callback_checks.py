"""Conformance checks for callbacks of the trainer."""

from __future__ import annotations

import io
import pickle
import tempfile
from typing import Any, Final

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint, ProgressBar
from pytorch_lightning.loggers import CSVLogger

from quaterion_core.testing.checks import CheckError, Checks
from quaterion_core.testing.comparing import require_interface
from quaterion_core.testing.small_runs import small_run
from quaterion_core.testing.subject import Subject


class CallbackSubject(Subject[pl.Callback]):
    """A callback under test, with a small training run for it."""

    def trained(self) -> pl.Callback:
        """Return a callback after a training run."""
        callback = self.fresh()
        with tempfile.TemporaryDirectory() as folder:
            small_run(
                callbacks=[callback],
                logger=CSVLogger(folder),
                enable_checkpointing=isinstance(callback, Checkpoint),
                enable_progress_bar=isinstance(callback, ProgressBar),
                default_root_dir=folder,
            )
        return callback


CALLBACK_CHECKS: Final[Checks[CallbackSubject]] = Checks("callback")


@CALLBACK_CHECKS.add
def construction(subject: CallbackSubject) -> None:
    """The callback cannot be built from the arguments given, or cannot be copied.

    Pass the arguments that its constructor requires: `Example(arguments={...})` under the
    callback's name in `examples`; or fix the constructor.
    """
    subject.built()


@CALLBACK_CHECKS.add
def interface(subject: CallbackSubject) -> None:
    """The class is not derived from Lightning's `Callback`.

    Derive from `pytorch_lightning.Callback`.
    """
    require_interface(subject.fresh(), pl.Callback)


@CALLBACK_CHECKS.add
def training(subject: CallbackSubject) -> None:
    """A training run with the callback fails.

    Keep to the hooks and signatures of `pytorch_lightning.Callback`; `pl_module` is a
    `TrainableModel`, and the trainer may have no validation data.
    """
    subject.trained()


@CALLBACK_CHECKS.add
def resumption(subject: CallbackSubject) -> None:
    """The state of the callback after training cannot be saved in a checkpoint and restored.

    Return plain values and tensors from `state_dict`, and accept them in `load_state_dict`.
    """
    state = subject.trained().state_dict()
    restored = subject.fresh()
    restored.load_state_dict(_through_a_checkpoint(state))
    again = restored.state_dict()
    if again.keys() != state.keys():
        raise CheckError(
            f"expected the state {sorted(state)} after restoring it, got {sorted(again)}"
        )


@CALLBACK_CHECKS.add
def is_picklable(subject: CallbackSubject) -> None:
    """The callback cannot be pickled, which training in several processes requires.

    Keep plain values in attributes, and no lambdas or open files.
    """
    callback = pickle.loads(pickle.dumps(subject.fresh()))
    if callback.state_key != subject.fresh().state_key:
        raise CheckError("expected the same state_key of the pickled callback, got another")


def _through_a_checkpoint(state: dict[str, Any]) -> Any:
    """Return a state as a checkpoint restores it."""
    file = io.BytesIO()
    torch.save(state, file)
    return torch.load(io.BytesIO(file.getvalue()), weights_only=True)
