"""Classes of small images: three losses over one convolutional network, trained as a whole.

Run it with ``python examples/migrated/cifar100.py``, for one of them with ``--loss simple``,
``--loss pytorch-metric-learning`` or ``--loss xbm``. It follows the published scripts for
CIFAR-100. The images are made on the spot: coloured stripes of some width and direction, which
make up the class. ``--data FOLDER`` reads CIFAR-100 from a folder where torchvision has put it.
"""

from __future__ import annotations

import argparse
import json
import warnings
from functools import partial

import numpy as np
import pytorch_lightning as pl
import torch
import torchvision
from PIL import Image
from pytorch_metric_learning import losses, miners
from torch import nn
from torchvision import transforms

from quaterion_core import Quaterion, TrainableModel
from quaterion_core.dataset import GroupSimilarityDataLoader, SimilarityGroupDataset
from quaterion_core.encoders import Encoder
from quaterion_core.eval.attached_metric import AttachedMetric
from quaterion_core.eval.evaluator import Evaluator
from quaterion_core.eval.group import RetrievalRPrecision
from quaterion_core.eval.samplers.group_sampler import GroupSampler
from quaterion_core.heads import EmptyHead
from quaterion_core.loss import OnlineContrastiveLoss, TripletLoss
from quaterion_core.loss.extras import PytorchMetricLearningWrapper
from quaterion_core.train.xbm import XbmConfig

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
LOSSES = ("simple", "pytorch-metric-learning", "xbm")


class Stripes:
    """Images (32, 32) of stripes, labelled by width and direction."""

    def __init__(self, count: int, seed: int, transform):
        generator = np.random.default_rng(seed)
        self.transform = transform
        self.images, self.labels = [], []
        for number in range(count):
            label = number % 8
            width, down = 2 + 2 * (label // 2), label % 2
            waves = np.sin(np.arange(32) * 2 * np.pi / width + generator.uniform(0, 6))
            pattern = np.tile(waves, (32, 1)).T if down else np.tile(waves, (32, 1))
            colour = generator.uniform(0.4, 1.0, size=3)
            pixels = (pattern[..., None] + 1) / 2 * colour + generator.normal(0, 0.1, (32, 32, 3))
            self.images.append(Image.fromarray((pixels.clip(0, 1) * 255).astype(np.uint8)))
            self.labels.append(label)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.transform(self.images[index]), self.labels[index]


def get_datasets(folder: str | None):
    """Return training data, augmented, and validation data."""
    to_tensor = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    augment = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()]
    parts = []
    for is_training in (True, False):
        transform = transforms.Compose([*(augment if is_training else []), *to_tensor])
        if folder is not None:
            data = torchvision.datasets.CIFAR100(folder, train=is_training, transform=transform)
        else:
            data = Stripes(160 if is_training else 80, seed=is_training, transform=transform)
        parts.append(SimilarityGroupDataset(data))
    return parts


class MobilenetV3Encoder(Encoder):
    """MobileNetV3 with another last layer. Tensors are stacked by the default collate function."""

    def __init__(self, embedding_size: int):
        super().__init__()
        # Averages of batch normalisation follow a short training run only if they move fast.
        norm_layer = partial(nn.BatchNorm2d, eps=0.001, momentum=0.3)
        self.encoder = torchvision.models.mobilenet_v3_small(weights=None, norm_layer=norm_layer)
        self.encoder.classifier = nn.Sequential(nn.Linear(576, embedding_size))
        self._embedding_size = embedding_size

    @property
    def trainable(self) -> bool:
        """Trained as a whole."""
        return True

    @property
    def embedding_size(self) -> int:
        """Outputs of the last layer."""
        return self._embedding_size

    def forward(self, images):
        """Embed images (N, 3, 32, 32)."""
        return self.encoder.forward(images)


class Model(TrainableModel):
    """The encoder and one of three losses."""

    def __init__(self, embedding_size: int, lr: float, loss: str):
        self._embedding_size, self._lr, self._loss_name = embedding_size, lr, loss
        super().__init__()

    def configure_encoders(self):
        """Return the encoder."""
        return MobilenetV3Encoder(self._embedding_size)

    def configure_head(self, input_embedding_size):
        """Return no head."""
        return EmptyHead(input_embedding_size)

    def configure_loss(self):
        """Return a loss of core, one of pytorch-metric-learning, or one that can use a memory."""
        if self._loss_name == "simple":
            return OnlineContrastiveLoss(mining="hard")
        if self._loss_name == "xbm":
            return TripletLoss(mining="semi_hard")
        loss = losses.ArcFaceLoss(embedding_size=self._embedding_size, num_classes=100)
        return PytorchMetricLearningWrapper(loss, miners.MultiSimilarityMiner())

    def configure_xbm(self):
        """Return a memory of past batches."""
        if self._loss_name == "xbm":
            return XbmConfig(buffer_size=128, start_iteration=4)
        return None

    def configure_metrics(self):
        """Log R-precision."""
        return AttachedMetric("rrp", RetrievalRPrecision(), prog_bar=True, on_epoch=True)

    def configure_optimizers(self):
        """Return Adam over the model."""
        return torch.optim.Adam(self.model.parameters(), self._lr, weight_decay=0.0005)


def train(loss: str, epochs: int, folder: str | None) -> dict[str, float]:
    """Train with a loss, and return R-precision on validation data before and after."""
    pl.seed_everything(42, verbose=False)
    train_data, validation = get_datasets(folder)
    model = Model(embedding_size=64, lr=1e-3, loss=loss)
    loader = GroupSimilarityDataLoader(train_data, batch_size=32, shuffle=True)
    arguments = Quaterion.trainer_defaults(model, loader)
    arguments.update(
        max_epochs=epochs, callbacks=[], accelerator="cpu", logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    evaluator = Evaluator({"rrp": RetrievalRPrecision()}, GroupSampler(log_progress=False))
    before = Quaterion.evaluate(evaluator, validation, model.model)["rrp"].item()
    Quaterion.fit(
        trainable_model=model,
        trainer=pl.Trainer(**arguments),
        train_dataloader=loader,
        val_dataloader=GroupSimilarityDataLoader(validation, batch_size=40),
    )
    after = Quaterion.evaluate(evaluator, validation, model.model)["rrp"].item()
    return {"before": round(before, 4), "after": round(after, 4)}


def main(arguments: list[str] | None = None) -> None:
    """Train with one of the losses, or with each of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--loss", choices=LOSSES)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--data", help="a folder with CIFAR-100")
    options = parser.parse_args(arguments)
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    for loss in LOSSES if options.loss is None else (options.loss,):
        print(f"{loss}:", json.dumps(train(loss, options.epochs, options.data)))


if __name__ == "__main__":
    main()
