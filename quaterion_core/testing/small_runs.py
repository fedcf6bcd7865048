"""A small training run, in which callbacks and loggers are checked."""

from __future__ import annotations

import tempfile
import warnings
from typing import Any

import pytorch_lightning as pl

from quaterion_core.dataset import GroupSimilarityDataLoader, SimilarityGroupSample
from quaterion_core.main import Quaterion
from quaterion_core.recipe.trainer import quiet_lightning
from quaterion_core.testing.folders import IdentityEncoder
from quaterion_core.train.trainable_model import TrainableModel

_EPOCHS = 2


def small_run(**arguments: Any) -> tuple[pl.Trainer, TrainableModel]:
    """Train a head on eight samples of four groups, with validation, for two epochs on the CPU.

    Args:
        **arguments: Further arguments of the trainer.

    Returns:
        The trainer and the trained model.
    """
    samples = [SimilarityGroupSample([float(n), 1.0, float(n % 3)], n % 4) for n in range(8)]
    model = Quaterion.build(encoder=IdentityEncoder(3), head="gated", loss="triplet")
    with tempfile.TemporaryDirectory() as folder, quiet_lightning():
        trainer = pl.Trainer(
            **{
                "logger": False,
                "max_epochs": _EPOCHS,
                "accelerator": "cpu",
                "devices": 1,
                "enable_checkpointing": False,
                "enable_progress_bar": False,
                "enable_model_summary": False,
                "log_every_n_steps": 1,
                "default_root_dir": folder,
                **arguments,
            }
        )
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="pytorch_lightning")
            Quaterion.fit(
                model,
                trainer,
                GroupSimilarityDataLoader(samples, batch_size=8),
                GroupSimilarityDataLoader(samples, batch_size=8),
            )
    return trainer, model
