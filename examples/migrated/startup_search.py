"""Search for startups: a gated head on top of frozen sentence embeddings, by industry.

Run it with ``python examples/migrated/startup_search.py``. It follows the published script for the
startups of Web Summit. The startups are made up on the spot, and so is the sentence-transformers
model; ``--model NAME`` takes another one, ``--dataset FILE`` reads records with a ``description``
and an ``industry``, one JSON object in a line.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import warnings
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from torch.utils.data import Dataset

from quaterion_core import Quaterion, SimilarityModel, TrainableModel
from quaterion_core.dataset.similarity_data_loader import GroupSimilarityDataLoader
from quaterion_core.dataset.similarity_samples import SimilarityGroupSample
from quaterion_core.encoders import Encoder
from quaterion_core.eval.evaluator import Evaluator
from quaterion_core.eval.group import RetrievalRPrecision
from quaterion_core.eval.samplers.group_sampler import GroupSampler
from quaterion_core.heads import GatedHead
from quaterion_core.loss import SoftmaxLoss

WORDS = {
    "health": "clinic doctors patients therapy diagnosis nurses hospital medicine",
    "finance": "payments banks loans invoices insurance investors accounting credit",
    "food": "restaurants recipes farmers meals kitchens groceries delivery vegetables",
    "travel": "flights hotels tourists trains luggage tickets airports routes",
}
OTHERS = "we help build a platform with new data for people who want better faster simple"


def write_startups(file: Path) -> None:
    """Make up startups, each described by some words of its industry and many others."""
    generator = random.Random(42)
    with file.open("w", encoding="utf-8") as lines:
        for number in range(320):
            industry = list(WORDS)[number % len(WORDS)]
            words = generator.choices(OTHERS.split(), k=5)
            words += generator.choices(WORDS[industry].split(), k=4)
            generator.shuffle(words)
            record = {"name": f"startup {number}", "description": " ".join(words)}
            lines.write(json.dumps({**record, "industry": industry}) + "\n")


def save_sentence_transformer(file: Path, folder: Path) -> None:
    """Make a model of random word embeddings, for the words of the records."""
    records = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.WordLevelTrainer(special_tokens=["[UNK]"], show_progress=False)
    tokenizer.train_from_iterator([record["description"] for record in records], trainer)
    model = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=128)])
    model.save(str(folder), create_model_card=False)


class StartupsDataset(Dataset):
    """Records with the number of their industry as the group."""

    def __init__(self, path: Path, max_samples: int):
        lines = path.read_text(encoding="utf-8").splitlines()[:max_samples]
        random.Random(42).shuffle(lines)
        self.data = [json.loads(line) for line in lines]
        industries = sorted({item["industry"] for item in self.data})
        self._label2idx = {label: number for number, label in enumerate(industries)}

    def __getitem__(self, index: int) -> SimilarityGroupSample:
        item = self.data[index]
        return SimilarityGroupSample(obj=item, group=self._label2idx[item["industry"]])

    def __len__(self) -> int:
        return len(self.data)

    def get_num_industries(self) -> int:
        """Return the number of industries."""
        return len(self._label2idx)


class StartupEncoder(Encoder):
    """A frozen sentence-transformers model, by its own ``encode``: in inference mode."""

    def __init__(self, encoder_path: str):
        super().__init__()
        self.encoder = SentenceTransformer(encoder_path, device="cpu")

    @property
    def trainable(self) -> bool:
        """Not trained: ``encode`` passes no gradient on."""
        return False

    @property
    def embedding_size(self) -> int:
        """Size of the model's embeddings."""
        return self.encoder.get_embedding_dimension()

    def get_collate_fn(self):
        """Return the function that reads texts off records."""
        return self.extract_texts

    def extract_texts(self, batch: list[str | dict[str, Any]]) -> list[str]:
        """Return the description of each record; a query is a text itself."""
        return [item if isinstance(item, str) else item["description"] for item in batch]

    def forward(self, inputs: list[str]):
        """Embed texts."""
        return self.encoder.encode(inputs, convert_to_tensor=True, show_progress_bar=False)

    def save(self, output_path: str):
        """Save the model in its own format."""
        self.encoder.save(output_path, create_model_card=False)

    @classmethod
    def load(cls, input_path: str):
        """Load the model."""
        return cls(input_path)


class Model(TrainableModel):
    """The encoder, a gated head and a softmax over industries."""

    def __init__(self, pretrained_name: str, num_groups: int, lr: float):
        self._pretrained_name, self._num_groups, self._lr = pretrained_name, num_groups, lr
        super().__init__()

    def configure_encoders(self):
        """Return the encoder."""
        return StartupEncoder(self._pretrained_name)

    def configure_head(self, input_embedding_size):
        """Return a gated head."""
        return GatedHead(input_embedding_size)

    def configure_loss(self):
        """Return a loss that owns a centre for each industry."""
        return SoftmaxLoss(self.model.head.output_size, self._num_groups)

    def configure_optimizers(self):
        """Return Adam, with a learning rate of its own for the loss."""
        return torch.optim.Adam(
            [
                {"params": self.model.parameters(), "lr": self._lr},
                {"params": self.loss.parameters(), "lr": self._lr * 10.0},
            ]
        )


def main(arguments: list[str] | None = None) -> None:
    """Train, compare before and after, save, load and search."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", "-d", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--epochs", type=int, default=30)
    options = parser.parse_args(arguments)
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    pl.seed_everything(42, verbose=False)
    folder = Path(tempfile.mkdtemp())
    if options.dataset is None:
        options.dataset = folder / "startups.jsonl"
        write_startups(options.dataset)
    if options.model is None:
        options.model = str(folder / "sentence_transformer")
        save_sentence_transformer(options.dataset, Path(options.model))

    dataset = StartupsDataset(options.dataset, max_samples=640)
    model = Model(options.model, num_groups=dataset.get_num_industries(), lr=0.1)
    evaluator = Evaluator(
        {"r_precision": RetrievalRPrecision()},
        GroupSampler(encode_batch_size=64, log_progress=False),
    )
    before = Quaterion.evaluate(evaluator, dataset, model.model)["r_precision"].item()
    trainer = pl.Trainer(
        max_epochs=options.epochs, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, log_every_n_steps=1,
    )  # fmt: skip
    loader = GroupSimilarityDataLoader(dataset, batch_size=64, shuffle=True)
    Quaterion.fit(trainable_model=model, trainer=trainer, train_dataloader=loader)
    after = Quaterion.evaluate(evaluator, dataset, model.model)["r_precision"].item()
    print("before:", json.dumps({"r_precision": round(before, 4)}))
    print("after:", json.dumps({"r_precision": round(after, 4)}))

    model.save_servable(str(folder / "startups"))
    components = {"local/startup-encoder": StartupEncoder}
    served = SimilarityModel.load(str(folder / "startups"), components=components)
    found = served.encode(dataset.data) @ served.encode("doctors and nurses for patients")[0]
    nearest = dataset.data[int(found.argmax())]
    print("found:", json.dumps({"industry": nearest["industry"]}))


if __name__ == "__main__":
    main()
