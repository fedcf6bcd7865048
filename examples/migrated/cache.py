"""The cache: a frozen encoder sees each distinct object once, whatever the number of epochs.

Run it with ``python examples/migrated/cache.py``. ``--data`` reads JSON lines with ``question`` and
``answer`` instead of the built-in texts, and ``--model`` takes a folder of a sentence-transformers
model instead of counted letters.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytorch_lightning as pl
import torch

from quaterion_core import Quaterion, TrainableModel
from quaterion_core.dataset import PairsSimilarityDataLoader, SimilarityPairSample
from quaterion_core.encoders import Encoder
from quaterion_core.heads import SkipConnectionHead
from quaterion_core.loss import MultipleNegativesRankingLoss
from quaterion_core.train.cache import CacheConfig, CacheType

WORDS = [
    "amber", "birch", "cobalt", "dune", "ember", "fjord", "grove", "harbour", "island", "jade",
    "kelp", "lagoon", "meadow", "nectar", "opal", "prairie", "quartz", "reef", "summit", "tundra",
    "umber", "valley", "willow", "xenon", "yarrow", "zephyr",
]  # fmt: skip
EPOCHS = 5


class CountingEncoder(Encoder):
    """Counts letters, and how often it was asked for each text."""

    def __init__(self):
        super().__init__()
        self.seen: Counter[str] = Counter()

    @property
    def trainable(self) -> bool:
        """Never trained, so it can be cached."""
        return False

    @property
    def embedding_size(self) -> int:
        """One number for each letter."""
        return 26

    def get_collate_fn(self):
        """Return a function that leaves texts as they are."""
        return list

    def embed(self, texts: list[str]) -> torch.Tensor:
        """Return the share of each letter, (N, 26)."""
        counts = [[text.lower().count(chr(97 + letter)) for letter in range(26)] for text in texts]
        return torch.nn.functional.normalize(torch.tensor(counts, dtype=torch.float), dim=1)

    def forward(self, batch: list[str]) -> torch.Tensor:
        """Embed texts and remember them."""
        self.seen.update(batch)
        return self.embed(batch)


class CountingSentenceEncoder(CountingEncoder):
    """Counts the texts that a model of sentence-transformers is asked for."""

    def __init__(self, folder: str):
        from sentence_transformers import SentenceTransformer

        super().__init__()
        self.encoder = SentenceTransformer(folder, device="cpu")

    @property
    def embedding_size(self) -> int:
        """What the wrapped model says."""
        return self.encoder.get_embedding_dimension()

    def embed(self, texts: list[str]) -> torch.Tensor:
        """Return sentence embeddings."""
        return self.encoder(self.encoder.preprocess(texts))["sentence_embedding"]


class Model(TrainableModel):
    """Frozen encoder and skip-connection head, with or without a cache."""

    def __init__(self, folder: str | None, cache: CacheConfig | None):
        self._folder = folder
        self._cache = cache
        super().__init__()

    def configure_encoders(self):
        """Return one encoder by name."""
        folder = self._folder
        return {"text": CountingSentenceEncoder(folder) if folder else CountingEncoder()}

    def configure_head(self, input_embedding_size):
        """Return a head."""
        return SkipConnectionHead(input_embedding_size)

    def configure_loss(self):
        """Return a loss over pairs."""
        return MultipleNegativesRankingLoss()

    def configure_caches(self):
        """Return the cache that this run is to use."""
        return self._cache

    def configure_optimizers(self):
        """Return Adam over the model."""
        return torch.optim.Adam(self.model.parameters(), lr=0.01)


def built_in_pairs() -> list[SimilarityPairSample]:
    """Return neighbours in a list of words: every word but two is in two pairs."""
    return [SimilarityPairSample(a, b) for a, b in pairwise(WORDS)]


def read_pairs(path: Path) -> list[SimilarityPairSample]:
    """Read JSON lines with ``question`` and ``answer``."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [SimilarityPairSample(row["question"], row["answer"]) for row in rows]


def train(
    name: str, folder: str | None, cache: CacheConfig | None, pairs: list, texts: list
) -> torch.Tensor:
    """Train, print what the encoder had to do, and return embeddings of ``texts``."""
    pl.seed_everything(42, verbose=False)
    model = Model(folder, cache)
    trainer = pl.Trainer(
        max_epochs=EPOCHS,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    start = time.perf_counter()
    Quaterion.fit(model, trainer, PairsSimilarityDataLoader(pairs, batch_size=16, shuffle=True))
    seen = model.model.encoders["text"].seen
    counts = {
        "encoded": seen.total(),
        "most_often": max(seen.values(), default=0),
        "seconds": round(time.perf_counter() - start, 2),
    }
    print(f"{name}:", json.dumps(counts))
    return model.model.encode(texts, to_numpy=False)


def main() -> None:
    """Train without a cache, with one in memory, and twice with one on disk."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="JSON lines with question and answer")
    parser.add_argument("--model", help="folder of a sentence-transformers model")
    arguments = parser.parse_args()
    pairs = read_pairs(arguments.data) if arguments.data else built_in_pairs()
    texts = sorted({text for pair in pairs for text in (pair.obj_a, pair.obj_b)})
    print("data:", json.dumps({"pairs": len(pairs), "distinct": len(texts), "epochs": EPOCHS}))

    save_dir = tempfile.mkdtemp()
    caches = {
        "uncached": None,
        "cached": CacheConfig(CacheType.AUTO, batch_size=32),
        "kept": CacheConfig(mapping={"text": CacheType.CPU}, save_dir=save_dir),
        "kept again": CacheConfig(mapping={"text": CacheType.CPU}, save_dir=save_dir),
    }
    embeddings = {
        name: train(name, arguments.model, cache, pairs, texts) for name, cache in caches.items()
    }
    difference = (embeddings["uncached"] - embeddings["cached"]).abs().max().item()
    print("largest difference between the models:", difference)


if __name__ == "__main__":
    main()
