"""Embedding confidence: how sure is a model of the embedding that it gives?

Run it with ``python examples/migrated/confidence.py``. A softmax-embeddings head divides the
embedding into groups of numbers, each a distribution. Where the model is sure, each group has one
number near 1. The mean over the groups of the largest number is the confidence of an embedding: it
is low for images unlike those of the training, and higher for queries that find what they should.
"""

from __future__ import annotations

import json
from itertools import pairwise

import pytorch_lightning as pl
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from quaterion_core import Quaterion, TrainableModel
from quaterion_core.dataset import GroupSimilarityDataLoader, SimilarityGroupSample
from quaterion_core.encoders import Encoder
from quaterion_core.heads import SequentialHead, SoftmaxEmbeddingsHead
from quaterion_core.loss import TripletLoss

OUTPUT_GROUPS = 8
OUTPUT_SIZE_PER_GROUP = 8


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

    def stack(self, images: list) -> Tensor:
        """Return values (N, 64) in [0, 1]."""
        return torch.stack([torch.as_tensor(image).float().flatten() / 16 for image in images])

    def forward(self, batch: Tensor) -> Tensor:
        """Return the pixels."""
        return batch


class Model(TrainableModel):
    """Frozen encoder and softmax embeddings."""

    def configure_encoders(self):
        """Return one encoder without a name."""
        return PixelEncoder()

    def configure_head(self, input_embedding_size):
        """Return a layer and the softmax embeddings, one after another."""
        return SequentialHead(
            torch.nn.Linear(input_embedding_size, 128),
            torch.nn.ReLU(),
            SoftmaxEmbeddingsHead(
                output_groups=OUTPUT_GROUPS,
                output_size_per_group=OUTPUT_SIZE_PER_GROUP,
                input_embedding_size=128,
            ),
            output_size=OUTPUT_GROUPS * OUTPUT_SIZE_PER_GROUP,
        )

    def configure_loss(self):
        """Return a loss over groups."""
        return TripletLoss(margin=0.5, mining="all")

    def configure_optimizers(self):
        """Return Adam over the model."""
        return torch.optim.Adam(self.model.parameters(), lr=0.01)


def confidence(embeddings: Tensor) -> Tensor:
    """Return the mean over the groups of the largest share, (N,), between 1/size and 1."""
    shares = embeddings.view(len(embeddings), OUTPUT_GROUPS, OUTPUT_SIZE_PER_GROUP)
    return shares.max(dim=2).values.mean(dim=1)


def main() -> None:
    """Train, then compare confident embeddings with doubtful ones."""
    pl.seed_everything(42, verbose=False)
    digits = load_digits()
    samples = [
        SimilarityGroupSample(image, int(label))
        for image, label in zip(digits.images, digits.target, strict=True)
    ]
    train, test = samples[:1000], samples[1000:]
    model = Model()
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
        train_dataloader=GroupSimilarityDataLoader(train, batch_size=100, shuffle=True),
    )

    known = model.model.encode([sample.obj for sample in train], to_numpy=False)
    queries = model.model.encode([sample.obj for sample in test], to_numpy=False)
    noise = model.model.encode(list(torch.rand(len(test), 8, 8) * 16), to_numpy=False)
    blends = model.model.encode(
        [(a.obj + b.obj) / 2 for a, b in pairwise(test) if a.group != b.group], to_numpy=False
    )
    print("confidence of digits:", round(confidence(queries).mean().item(), 4))
    print("confidence of two digits in one image:", round(confidence(blends).mean().item(), 4))
    print("confidence of noise:", round(confidence(noise).mean().item(), 4))

    nearest = torch.cdist(queries, known).argmin(dim=1)
    known_groups = torch.tensor([sample.group for sample in train])
    is_right = known_groups[nearest] == torch.tensor([sample.group for sample in test])
    order = confidence(queries).argsort(descending=True)
    confident, doubtful = is_right[order].float().tensor_split(2)
    print(
        "share of right answers:",
        json.dumps(
            {
                "confident half": round(confident.mean().item(), 4),
                "doubtful half": round(doubtful.mean().item(), 4),
            }
        ),
    )


if __name__ == "__main__":
    main()
