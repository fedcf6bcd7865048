"""Question answering: fine-tune a head over a frozen text encoder so that questions find answers.

Run it with ``python examples/migrated/question_answering.py``. It brings a small help centre of its
own. ``--data`` reads JSON lines with ``question`` and ``answer`` instead, and ``--model`` takes a
folder of a sentence-transformers model instead of counted words.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import zlib
from itertools import product
from pathlib import Path

import pytorch_lightning as pl
import torch

from quaterion_core import Quaterion, SimilarityModel, TrainableModel
from quaterion_core.dataset import PairsSimilarityDataLoader, SimilarityPairSample
from quaterion_core.encoders import Encoder
from quaterion_core.eval.attached_metric import AttachedMetric
from quaterion_core.eval.evaluator import Evaluator
from quaterion_core.eval.pair import RetrievalPrecision, RetrievalReciprocalRank
from quaterion_core.eval.samplers.pair_sampler import PairSampler
from quaterion_core.heads import SkipConnectionHead
from quaterion_core.loss import MultipleNegativesRankingLoss
from quaterion_core.train.cache import CacheConfig, CacheType

ACTIONS = {
    "delete": "removal", "rename": "new name", "share": "access for colleagues",
    "download": "local copy", "restore": "earlier version", "print": "paper",
    "encrypt": "secret key", "schedule": "calendar", "translate": "other language",
    "duplicate": "second copy",
}  # fmt: skip
THINGS = {
    "invoice": "billing page", "photo": "gallery", "report": "analytics tab",
    "message": "inbox", "contract": "legal folder", "video": "media player",
    "spreadsheet": "table editor", "backup": "storage panel", "profile": "account settings",
    "ticket": "support desk",
}  # fmt: skip


class WordEncoder(Encoder):
    """Counts the words of a text in 512 hashed columns. It stands for a pre-trained encoder."""

    @property
    def trainable(self) -> bool:
        """Never trained."""
        return False

    @property
    def embedding_size(self) -> int:
        """One number for each column."""
        return 512

    def get_collate_fn(self):
        """Return the function that counts words."""
        return self.count_words

    def count_words(self, texts: list[str]) -> torch.Tensor:
        """Return counts (N, 512)."""
        counts = torch.zeros(len(texts), self.embedding_size)
        for row, text in enumerate(texts):
            for word in text.lower().replace("?", "").replace(".", "").split():
                counts[row, zlib.crc32(word.encode()) % self.embedding_size] += 1
        return counts

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """Scale each row to length 1."""
        return torch.nn.functional.normalize(batch, dim=1)

    def save(self, output_path: str) -> None:
        """Save nothing: there are neither weights nor settings."""

    @classmethod
    def load(cls, input_path: str) -> WordEncoder:
        """Return a new one."""
        return cls()


class SentenceEncoder(Encoder):
    """Wraps a model of sentence-transformers, frozen."""

    def __init__(self, folder: str):
        from sentence_transformers import SentenceTransformer

        super().__init__()
        self.encoder = SentenceTransformer(folder, device="cpu")

    @property
    def trainable(self) -> bool:
        """Never trained."""
        return False

    @property
    def embedding_size(self) -> int:
        """What the wrapped model says."""
        return self.encoder.get_embedding_dimension()

    def get_collate_fn(self):
        """Return the model's own tokenization."""
        return self.encoder.preprocess

    def forward(self, batch: dict) -> torch.Tensor:
        """Embed tokens."""
        return self.encoder(batch)["sentence_embedding"]

    def save(self, output_path: str) -> None:
        """Save the wrapped model."""
        self.encoder.save(str(Path(output_path) / "model"))

    @classmethod
    def load(cls, input_path: str) -> SentenceEncoder:
        """Load what :meth:`save` wrote."""
        return cls(str(Path(input_path) / "model"))


class FAQModel(TrainableModel):
    """Frozen encoder, skip-connection head, in-batch negatives."""

    def __init__(self, folder: str | None, lr: float):
        self._folder = folder
        self.lr = lr
        super().__init__()

    def configure_encoders(self):
        """Return one encoder without a name."""
        return SentenceEncoder(self._folder) if self._folder else WordEncoder()

    def configure_head(self, input_embedding_size):
        """Return a head that changes little at first."""
        return SkipConnectionHead(input_embedding_size)

    def configure_loss(self):
        """Return a loss that takes the other answers of the batch as wrong ones."""
        return MultipleNegativesRankingLoss(symmetric=True)

    def configure_caches(self):
        """Encode each text once."""
        return CacheConfig(CacheType.AUTO, batch_size=256)

    def configure_metrics(self):
        """Log the reciprocal rank of each batch."""
        return AttachedMetric("reciprocal_rank", RetrievalReciprocalRank(), prog_bar=True)

    def configure_optimizers(self):
        """Return Adam over the model, as every old script does."""
        return torch.optim.Adam(self.model.parameters(), lr=self.lr)


def built_in_pairs() -> list[SimilarityPairSample]:
    """Return questions that share no telling word with their answers."""
    return [
        SimilarityPairSample(f"How can I {action} my {thing}?", f"See {place} and choose {button}.")
        for (action, button), (thing, place) in product(ACTIONS.items(), THINGS.items())
    ]


def read_pairs(path: Path) -> list[SimilarityPairSample]:
    """Read JSON lines with ``question`` and ``answer``."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [SimilarityPairSample(row["question"], row["answer"]) for row in rows]


def evaluate(model: SimilarityModel, pairs: list[SimilarityPairSample]) -> dict[str, float]:
    """Return P@1 and MRR, questions searching among answers."""
    evaluator = Evaluator(
        {"P@1": RetrievalPrecision(k=1), "MRR": RetrievalReciprocalRank()},
        PairSampler(distinguish=True, encode_batch_size=256, log_progress=False),
    )
    values = Quaterion.evaluate(evaluator, pairs, model)
    return {name: round(value.item(), 4) for name, value in values.items()}


def main() -> None:
    """Train, compare before and after, save, load, ask."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="JSON lines with question and answer")
    parser.add_argument("--model", help="folder of a sentence-transformers model")
    parser.add_argument("--epochs", type=int, default=30)
    arguments = parser.parse_args()

    pl.seed_everything(42, verbose=False)
    pairs = read_pairs(arguments.data) if arguments.data else built_in_pairs()
    random.Random(42).shuffle(pairs)
    held_out = len(pairs) // 4
    validation, train = pairs[:held_out], pairs[held_out:]

    model = FAQModel(arguments.model, lr=0.001 if arguments.model else 0.01)
    print("before:", json.dumps(evaluate(model.model, validation)))
    trainer = pl.Trainer(
        max_epochs=arguments.epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    Quaterion.fit(
        trainable_model=model,
        trainer=trainer,
        train_dataloader=PairsSimilarityDataLoader(train, batch_size=64, shuffle=True),
        val_dataloader=PairsSimilarityDataLoader(validation, batch_size=64),
    )
    print("after:", json.dumps(evaluate(model.model, validation)))

    folder = Path(tempfile.mkdtemp()) / "faq_model"
    model.save_servable(str(folder))
    served = SimilarityModel.load(
        str(folder),
        components={
            "local/word-encoder": WordEncoder,
            "local/sentence-encoder": SentenceEncoder,
        },
    )
    print("served:", json.dumps(evaluate(served, validation)))
    question, answers = validation[0].obj_a, [pair.obj_b for pair in validation]
    scores = served.encode(answers) @ served.encode(question)[0]
    print(f"{question} -> {answers[scores.argmax()]}")


if __name__ == "__main__":
    main()
