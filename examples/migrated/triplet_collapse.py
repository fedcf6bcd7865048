"""Vector collapse: what hard triplets do to embeddings, and what keeps them from it.

Run it with ``python examples/migrated/triplet_collapse.py``. Where the hardest positive is farther
away than the hardest negative, and nothing separates them, a plain hard-triplet loss has one way
down: to move all objects into one point, where it stays at its margin. Data without any structure,
random vectors in random groups, show it at its clearest. ``TripletLoss`` divides the difference by
the mean distance of the hardest negatives, so that shrinking wins nothing.
"""

from __future__ import annotations

import json

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from quaterion_core import Quaterion, TrainableModel
from quaterion_core.dataset import GroupSimilarityDataLoader, SimilarityGroupSample
from quaterion_core.distances import Distance
from quaterion_core.encoders import Encoder
from quaterion_core.heads import EmptyHead
from quaterion_core.loss import GroupLoss, TripletLoss
from quaterion_core.utils import (
    get_anchor_negative_mask,
    get_anchor_positive_mask,
    get_masked_maximum,
    get_masked_minimum,
)


class PlainTripletLoss(GroupLoss):
    """Hard triplets as textbooks write them: ``relu(d(a, p) - d(a, n) + margin)``."""

    def __init__(self, margin: float):
        super().__init__(distance_metric_name=Distance.EUCLIDEAN)
        self.margin = margin

    def forward(self, embeddings: Tensor, groups: Tensor) -> Tensor:
        """Return the mean over the anchors."""
        distances = self.distance_metric.distance_matrix(embeddings)
        hardest_positive = get_masked_maximum(distances, get_anchor_positive_mask(groups))
        hardest_negative = get_masked_minimum(distances, get_anchor_negative_mask(groups))
        return torch.relu(hardest_positive - hardest_negative + self.margin).mean()


class VectorEncoder(Encoder):
    """Two layers over vectors of 32 numbers."""

    def __init__(self):
        super().__init__()
        self.network = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 16))

    @property
    def trainable(self) -> bool:
        """Trained."""
        return True

    @property
    def embedding_size(self) -> int:
        """Width of the last layer."""
        return 16

    def get_collate_fn(self):
        """Return the function that stacks vectors."""
        return torch.stack

    def forward(self, batch: Tensor) -> Tensor:
        """Embed vectors."""
        return self.network(batch)


class Model(TrainableModel):
    """A small encoder under one of the two losses."""

    def __init__(self, is_guarded: bool):
        self._is_guarded = is_guarded
        super().__init__()

    def configure_encoders(self):
        """Return one encoder without a name."""
        return VectorEncoder()

    def configure_head(self, input_embedding_size):
        """Return no head."""
        return EmptyHead(input_embedding_size)

    def configure_loss(self):
        """Return the plain loss or the guarded one."""
        if not self._is_guarded:
            return PlainTripletLoss(margin=0.5)
        return TripletLoss(margin=0.5, distance_metric_name=Distance.EUCLIDEAN, mining="hard")

    def configure_optimizers(self):
        """Return Adam over the model."""
        return torch.optim.Adam(self.model.parameters(), lr=0.003)


def spread(model: Model, vectors: list[Tensor]) -> float:
    """Return the mean distance between the embeddings of two objects."""
    embeddings = model.model.encode(vectors, to_numpy=False)
    return round(torch.pdist(embeddings).mean().item(), 4)


def train(name: str, is_guarded: bool, samples: list[SimilarityGroupSample]) -> None:
    """Train under a loss, and print how far apart embeddings are before and after."""
    pl.seed_everything(42, verbose=False)
    model = Model(is_guarded)
    vectors = [sample.obj for sample in samples]
    before = spread(model, vectors)
    trainer = pl.Trainer(
        max_epochs=30,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    Quaterion.fit(model, trainer, GroupSimilarityDataLoader(samples, batch_size=100, shuffle=True))
    print(f"spread under {name}:", json.dumps({"before": before, "after": spread(model, vectors)}))


def main() -> None:
    """Train with and without the guard, then look at embeddings that have collapsed."""
    pl.seed_everything(42, verbose=False)
    samples = [
        SimilarityGroupSample(torch.rand(32), group) for group in range(50) for _ in range(8)
    ]
    train("plain hard triplets", False, samples)
    train("TripletLoss", True, samples)

    embeddings = torch.ones(8, 16, requires_grad=True)
    groups = torch.arange(4).repeat(2)
    loss = TripletLoss(margin=0.5, mining="hard")(embeddings, groups)
    loss.backward()
    print(
        "collapsed embeddings:",
        json.dumps(
            {
                "loss": round(loss.item(), 4),
                "finite gradient": torch.isfinite(embeddings.grad).all().item(),
            }
        ),
    )


if __name__ == "__main__":
    main()
