"""Recipes over image files: what they name is trained, saved and found again."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from quaterion_core import SimilarityModel
from quaterion_core.cli import main
from quaterion_core.heads import EmptyHead
from quaterion_cv.datasets import Digits
from quaterion_cv.encoders import TimmEncoder

RECIPE = """
data: {{name: image-folder, root: {root}, shares: {{validation: 0.25}}, on_error: skip}}
encoder:
  name: timm
  model: test_resnet
  pretrained: false
  image_size: 32
  {encoder}
head: skip-connection
loss: {{name: triplet, mining: all}}
metrics: [retrieval-r-precision]
optimizer: {{name: adam, lr: 0.01}}
{cache}
epochs: 2
batch_size: 12
trainer: {{accelerator: cpu, enable_progress_bar: false, enable_model_summary: false}}
"""
DIGITS = """
data: digits
encoder: {name: timm, model: test_resnet, pretrained: false, in_chans: 1, image_size: 32}
loss: triplet
epochs: 1
"""
TRAINED = "\n  ".join(
    [
        "trainable: true",
        "train_stages: 1",
        "pooling: gem",
        "augmentation: [flip, {name: crop, scale: [0.5, 1.0]}]",
    ]
)


@pytest.fixture
def root(tmp_path):
    """Dark, grey and bright noise, eight images of each; one of them is broken."""
    generator = np.random.default_rng(0)
    for group, brightness in (("dark", 0), ("grey", 80), ("bright", 160)):
        (tmp_path / "images" / group).mkdir(parents=True)
        for number in range(8):
            pixels = (generator.integers(90, size=(10, 10, 3)) + brightness).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / group / f"{number}.png")
    (tmp_path / "images/dark/0.png").write_bytes(b"broken")
    return tmp_path / "images"


@pytest.mark.filterwarnings("ignore:.*LeafSpec", "ignore:.*does not have many workers")
@pytest.mark.parametrize(
    ("encoder", "cache"),
    [(TRAINED, ""), ("augmentation: simclr", "cache: {views: 2}")],
    ids=["last stage trained", "frozen and cached"],
)
def test_a_recipe_trains_and_its_model_is_served(root, tmp_path, encoder, cache):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE.format(root=root, encoder=encoder, cache=cache))

    with pytest.warns(UserWarning, match=r"1 of the \d+ image files .*dark/0\.png"):
        result = CliRunner().invoke(main, ["fit", str(recipe), "--output", str(tmp_path / "model")])

    assert result.exit_code == 0, result.output
    config = json.loads((tmp_path / "model/encoders/default/config.json").read_text())
    assert config["augmentation"]
    images = sorted((root / "grey").iterdir())
    embeddings = [SimilarityModel.load(tmp_path / "model").encode(images) for _ in range(2)]
    assert np.array_equal(*embeddings)  # nothing is augmented where it is served
    assert np.isfinite(embeddings[0]).all()


def test_images_in_memory_are_searched_by_the_path_of_another(tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(DIGITS)
    encoder = TimmEncoder("test_resnet", pretrained=False, in_chans=1, image_size=32)
    SimilarityModel(encoders=encoder, head=EmptyHead(encoder.embedding_size)).save(
        tmp_path / "model"
    )
    query = tmp_path / "query.png"
    Digits().load("test")[3].obj.save(query)
    arguments = ["search", str(tmp_path / "model"), str(query), "--recipe", str(recipe)]
    result = CliRunner().invoke(main, [*arguments, "--top", "1"])
    assert result.exit_code == 0, result.output
    assert "Searching 1797 objects" in result.output.replace(",", "")
    assert result.output.splitlines()[-1].startswith("  1.000  ")
    assert result.output.splitlines()[-1].endswith(f"[{Digits().load('test')[3].group}]")
