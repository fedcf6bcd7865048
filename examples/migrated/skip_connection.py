"""The skip connection: fine-tune for one kind of data without forgetting the others.

Run it with ``python examples/migrated/skip_connection.py``. An encoder that is good at all ten
handwritten digits gets a head, which is trained on a few images of the digits 0 to 4 only. What
happens to the digits 5 to 9, which the training never shows? A skip-connection head starts as the
identity and keeps what the encoder knows; a projection starts anew and keeps less.
"""

from __future__ import annotations

import json

import pytorch_lightning as pl
import torch
from sklearn.datasets import load_digits

from quaterion_core import Quaterion, TrainableModel
from quaterion_core.dataset import GroupSimilarityDataLoader, SimilarityGroupSample
from quaterion_core.encoders import Encoder
from quaterion_core.eval.evaluator import Evaluator
from quaterion_core.eval.group import RetrievalRPrecision
from quaterion_core.eval.samplers.group_sampler import GroupSampler
from quaterion_core.heads import EmptyHead, SkipConnectionHead, StackedProjectionHead
from quaterion_core.loss import TripletLoss
from quaterion_core.train.cache import CacheConfig


class PixelEncoder(Encoder):
    """Takes the 64 pixels of an image for its embedding. It stands for a pre-trained encoder."""

    @property
    def trainable(self) -> bool:
        """Never trained."""
        return False

    @property
    def embedding_size(self) -> int:
        """8 x 8 pixels."""
        return 64

    def get_collate_fn(self):
        """Return the function that stacks images."""
        return self.stack

    def stack(self, images: list) -> torch.Tensor:
        """Return values (N, 64), centred."""
        return torch.stack([torch.tensor(image).float().flatten() / 16 for image in images]) - 0.3

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """Return the pixels."""
        return batch


class Model(TrainableModel):
    """Frozen encoder, the head under test, triplet loss."""

    def __init__(self, head_name: str):
        self._head_name = head_name
        super().__init__()

    def configure_encoders(self):
        """Return one encoder without a name."""
        return PixelEncoder()

    def configure_head(self, input_embedding_size):
        """Return the head under test."""
        if self._head_name == "projection":
            return StackedProjectionHead(input_embedding_size, output_sizes=[64, 64])
        if self._head_name == "skip connection":
            return SkipConnectionHead(input_embedding_size)
        return EmptyHead(input_embedding_size)

    def configure_loss(self):
        """Return a loss over groups."""
        return TripletLoss(margin=0.3, mining="hard")

    def configure_caches(self):
        """Encode each image once."""
        return CacheConfig()

    def configure_optimizers(self):
        """Return Adam over the model."""
        return torch.optim.Adam(self.model.parameters(), lr=0.01)


def evaluate(model: Model, seen: list, unseen: list) -> str:
    """Return R-precision over the trained kinds of images and over the others."""
    evaluator = Evaluator(
        {"r_precision": RetrievalRPrecision()},
        GroupSampler(encode_batch_size=256, log_progress=False),
    )
    values = {
        name: round(Quaterion.evaluate(evaluator, samples, model.model)["r_precision"].item(), 4)
        for name, samples in (("digits 0-4", seen), ("digits 5-9", unseen))
    }
    return json.dumps(values)


def main() -> None:
    """Train both heads on the digits 0 to 4 and evaluate them on all."""
    digits = load_digits()
    samples = [
        SimilarityGroupSample(image, int(label))
        for image, label in zip(digits.images, digits.target, strict=True)
    ]
    train = [sample for sample in samples[:400] if sample.group <= 4]
    seen = [sample for sample in samples[400:] if sample.group <= 4]
    unseen = [sample for sample in samples[400:] if sample.group > 4]

    print("encoder alone:", evaluate(Model("none"), seen, unseen))
    for head_name in ("skip connection", "projection"):
        pl.seed_everything(42, verbose=False)
        model = Model(head_name)
        print(f"{head_name}, untrained:", evaluate(model, seen, unseen))
        trainer = pl.Trainer(
            max_epochs=20,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        Quaterion.fit(
            trainable_model=model,
            trainer=trainer,
            train_dataloader=GroupSimilarityDataLoader(train, batch_size=50, shuffle=True),
        )
        print(f"{head_name}, trained:", evaluate(model, seen, unseen))


if __name__ == "__main__":
    main()
