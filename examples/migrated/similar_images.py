"""Similar images: fine-tune an image encoder so that images of one kind lie close together.

Run it with ``python examples/migrated/similar_images.py``. The cars of the published tutorial are
scikit-learn's handwritten digits here: 1,797 images of 8 x 8 pixels that need no download.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytorch_lightning as pl
import torch
from sklearn.datasets import load_digits
from torch import nn

from quaterion_core import Quaterion, SimilarityModel, TrainableModel
from quaterion_core.dataset import GroupSimilarityDataLoader, SimilarityGroupDataset
from quaterion_core.encoders import Encoder
from quaterion_core.eval.attached_metric import AttachedMetric
from quaterion_core.eval.evaluator import Evaluator
from quaterion_core.eval.group import RetrievalRPrecision
from quaterion_core.eval.samplers.group_sampler import GroupSampler
from quaterion_core.heads import WideningHead
from quaterion_core.loss import OnlineContrastiveLoss


class ImageEncoder(Encoder):
    """A convolutional network for images of 8 x 8 pixels."""

    def __init__(self, channels: int = 16):
        super().__init__()
        self.channels = channels
        self.network = nn.Sequential(
            nn.Conv2d(1, channels, kernel_size=3),
            nn.ReLU(),
            nn.Conv2d(channels, channels, kernel_size=3),
            nn.ReLU(),
            nn.Flatten(),
        )

    @property
    def trainable(self) -> bool:
        """Trained together with the head."""
        return True

    @property
    def embedding_size(self) -> int:
        """4 x 4 positions are left of the image."""
        return self.channels * 16

    def get_collate_fn(self):
        """Return the function that stacks images."""
        return self.stack

    def stack(self, images: list) -> torch.Tensor:
        """Return a batch (N, 1, 8, 8) of values in [0, 1]."""
        return torch.stack([torch.tensor(image).float().div(16)[None] for image in images])

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """Embed images."""
        return self.network(batch)

    def get_config_dict(self) -> dict:
        """Return what the constructor takes."""
        return {"channels": self.channels}


class Model(TrainableModel):
    """Image encoder, widening head, online contrastive loss."""

    def __init__(self, lr: float):
        self._lr = lr
        super().__init__()

    def configure_encoders(self):
        """Return one encoder by name."""
        return {"image": ImageEncoder()}

    def configure_head(self, input_embedding_size):
        """Return a head."""
        return WideningHead(input_embedding_size, expansion_factor=0.5)

    def configure_loss(self):
        """Return a loss over groups that looks at the hardest pairs of each batch."""
        return OnlineContrastiveLoss(margin=1.0, mining="hard")

    def configure_metrics(self):
        """Log R-precision."""
        return AttachedMetric("r_precision", RetrievalRPrecision(), prog_bar=True)

    def configure_optimizers(self):
        """Return Adam over the model."""
        return torch.optim.Adam(self.model.parameters(), lr=self._lr)


def evaluate(model: SimilarityModel, dataset: SimilarityGroupDataset) -> float:
    """Return R-precision over the whole dataset."""
    evaluator = Evaluator(
        {"r_precision": RetrievalRPrecision()},
        GroupSampler(encode_batch_size=256, log_progress=False),
    )
    return round(Quaterion.evaluate(evaluator, dataset, model)["r_precision"].item(), 4)


def main() -> None:
    """Train, compare before and after, save and load."""
    pl.seed_everything(42, verbose=False)
    digits = load_digits()
    labelled = list(zip(digits.images, digits.target, strict=True))
    train, validation = (
        SimilarityGroupDataset(labelled[:1200]),
        SimilarityGroupDataset(labelled[1200:]),
    )

    model = Model(lr=0.001)
    print("before:", json.dumps({"r_precision": evaluate(model.model, validation)}))
    trainer = pl.Trainer(
        max_epochs=8,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    Quaterion.fit(
        trainable_model=model,
        trainer=trainer,
        train_dataloader=GroupSimilarityDataLoader(train, batch_size=40, shuffle=True),
        val_dataloader=GroupSimilarityDataLoader(validation, batch_size=100),
    )
    print("after:", json.dumps({"r_precision": evaluate(model.model, validation)}))

    folder = Path(tempfile.mkdtemp()) / "similar_images"
    model.save_servable(str(folder))
    served = SimilarityModel.load(str(folder), components={"local/image-encoder": ImageEncoder})
    print("served:", json.dumps({"r_precision": evaluate(served, validation)}))


if __name__ == "__main__":
    main()
