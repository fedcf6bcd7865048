"""Similar cars: a head on top of a frozen network, for kinds that training has not seen.

Run it with ``python examples/migrated/cars.py``. It follows the published scripts for Stanford
Cars: half of the kinds are trained on, the others are evaluated on, and the base is compared with
the tuned model before both serve. The cars are drawn on the spot, and the network has random
weights; ``--weights DEFAULT`` takes torchvision's pretrained ones, which are fetched.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
import torchvision
from PIL import Image, ImageDraw
from safetensors.torch import load_model, save_model
from torch import nn
from torch.utils.data import Dataset, Subset
from torchvision import transforms

from quaterion_core import Quaterion, SimilarityModel, TrainableModel
from quaterion_core.dataset import GroupSimilarityDataLoader, SimilarityGroupSample
from quaterion_core.encoders import Encoder
from quaterion_core.eval.group import RetrievalRPrecision
from quaterion_core.heads import EmptyHead, WideningHead
from quaterion_core.loss import TripletLoss

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
KINDS = 12


def draw_cars(count: int) -> list[tuple[Image.Image, int]]:
    """Draw cars; their kind is the shape of the body and the size of the wheels."""
    generator = np.random.default_rng(42)
    cars = []
    for number in range(count):
        kind = number % KINDS
        image = Image.new("RGB", (64, 48), tuple(generator.integers(150, 255, 3).tolist()))
        drawing = ImageDraw.Draw(image)
        colour = tuple(generator.integers(0, 150, 3).tolist())
        left, top = generator.integers(2, 8, 2).tolist()
        height, roof, wheel = 8 + 3 * (kind % 3), 10 + 12 * (kind // 3 % 2), 4 + 3 * (kind // 6)
        drawing.rectangle((left, top + 14, left + 48, top + 14 + height), fill=colour)
        drawing.rectangle((left + 8, top + 6, left + 8 + roof, top + 14), fill=colour)
        for x in (left + 6, left + 34):
            y = top + 14 + height - wheel
            drawing.ellipse((x, y, x + 2 * wheel, y + 2 * wheel), fill="black")
        cars.append((image, kind))
    return cars


class CarsDataset(Dataset):
    """Transforms images as they are read. A dataset of samples needs a length and an index."""

    def __init__(self, dataset, transform):
        self._dataset, self._transform = dataset, transform

    def __len__(self):
        return len(self._dataset)

    def __getitem__(self, index) -> SimilarityGroupSample:
        image, label = self._dataset[index]
        return SimilarityGroupSample(obj=self._transform(image), group=label)


def get_dataloaders(batch_size: int, input_size: int):
    """Return loaders of training and test data, which have no kind in common."""
    cars = draw_cars(240)
    train_kinds = np.random.default_rng(42).choice(KINDS, KINDS // 2, replace=False)
    is_train = np.isin([kind for _, kind in cars], train_kinds)
    to_tensor = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    resize = transforms.Resize((input_size, input_size))
    augment = [
        transforms.RandomCrop((input_size, input_size), padding=4),
        transforms.RandomHorizontalFlip(),
    ]
    train, test = (
        CarsDataset(Subset(cars, np.flatnonzero(mask)), transforms.Compose(steps))
        for mask, steps in (
            (is_train, [resize, *augment, *to_tensor]),
            (~is_train, [resize, *to_tensor]),
        )
    )
    return (
        GroupSimilarityDataLoader(train, batch_size=batch_size, shuffle=True),
        GroupSimilarityDataLoader(test, batch_size=batch_size),
    )


class CarsEncoder(Encoder):
    """ResNet-18 without its classifier, frozen."""

    def __init__(self, encoder_model: nn.Module):
        super().__init__()
        self._encoder = encoder_model

    @property
    def trainable(self) -> bool:
        """Not trained: the head learns."""
        return False

    @property
    def embedding_size(self) -> int:
        """Features that ResNet-18 hands to its classifier."""
        return 512

    def forward(self, images):
        """Embed images (N, 3, H, W)."""
        return self._encoder.forward(images)

    def save(self, output_path: str):
        """Save the weights as safetensors; a pickle, such as torch.save writes, is not loaded."""
        save_model(self._encoder, str(Path(output_path) / "encoder.safetensors"))

    @classmethod
    def load(cls, input_path: str):
        """Load the weights into a new network."""
        network = make_network(None)
        load_model(network, str(Path(input_path) / "encoder.safetensors"))
        return cls(network)


def make_network(weights: str | None) -> nn.Module:
    """Return ResNet-18 whose output is what the classifier would see."""
    network = torchvision.models.resnet18(weights=weights)
    network.fc = nn.Identity()
    return network


class Model(TrainableModel):
    """A widening head on top of the frozen network, and triplet loss."""

    def __init__(self, lr: float, mining: str, weights: str | None = None):
        self._lr, self._mining, self._weights = lr, mining, weights
        super().__init__()

    def configure_encoders(self):
        """Return the encoder."""
        return CarsEncoder(make_network(self._weights))

    def configure_head(self, input_embedding_size):
        """Return the head that is trained."""
        return WideningHead(input_embedding_size)

    def configure_loss(self):
        """Return triplet loss."""
        return TripletLoss(mining=self._mining, margin=0.8)

    def configure_optimizers(self):
        """Return Adam over the model."""
        return torch.optim.Adam(self.model.parameters(), self._lr)


def evaluate(model: SimilarityModel, loader: GroupSimilarityDataLoader) -> float:
    """Return R-precision, updated batch by batch. A loader yields objects and targets."""
    metric = RetrievalRPrecision()
    for images, targets in loader:
        embeddings = model.encode(images, batch_size=64, to_numpy=False)
        metric.update(embeddings, targets["groups"])
    return round(float(metric.evaluate()), 4)


def main(arguments: list[str] | None = None) -> None:
    """Train, save, and compare the base with the tuned model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--input-size", type=int, default=64)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--mining", default="hard", choices=("all", "hard"))
    parser.add_argument("--save-dir", default=None)
    parser.add_argument("--weights", default=None)
    options = parser.parse_args(arguments)
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    pl.seed_everything(42, verbose=False)

    train, test = get_dataloaders(batch_size=60, input_size=options.input_size)
    model = Model(lr=options.lr, mining=options.mining, weights=options.weights)
    trainer = pl.Trainer(
        max_epochs=options.epochs, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, log_every_n_steps=1,
    )  # fmt: skip
    Quaterion.fit(model, trainer, train, test)

    folder = Path(options.save_dir or tempfile.mkdtemp()) / "cars_encoders"
    model.save_servable(str(folder))
    tuned = SimilarityModel.load(str(folder), components={"local/cars-encoder": CarsEncoder})
    encoder = model.model.encoders["default"]
    base = SimilarityModel(encoder, EmptyHead(encoder.embedding_size))
    print("base:", json.dumps({"r_precision": evaluate(base, test)}))
    print("tuned:", json.dumps({"r_precision": evaluate(model.model, test)}))
    print("served:", json.dumps({"r_precision": evaluate(tuned, test)}))


if __name__ == "__main__":
    main()
