"""A recipe with a few texts in groups and a fast encoder."""

from __future__ import annotations

import pytest
import torch

from quaterion_core.encoders import Encoder
from quaterion_core.plugins import register_encoder

TEXTS = {
    "card": ["lost card", "new card", "card stolen", "where is my card"],
    "fee": ["why a fee", "extra fee", "fee too high", "refund the fee"],
    "pin": ["forgot my pin", "new pin", "pin blocked", "wrong pin"],
}


@register_encoder("letters")
class Letters(Encoder):
    """Counts the letters of a text."""

    trainable, embedding_size = False, 26

    def get_collate_fn(self):
        return list

    def forward(self, texts):
        return torch.tensor([[float(t.count(chr(97 + n))) for n in range(26)] for t in texts])

    def get_config_dict(self):
        return {}


@pytest.fixture
def folder(tmp_path):
    """A folder with data and a recipe, recipe.yaml."""
    for split, part in (("train", slice(0, 3)), ("val", slice(2, 4))):
        rows = [f"{text},{label}" for label, texts in TEXTS.items() for text in texts[part]]
        (tmp_path / f"{split}.csv").write_text("\n".join(["text,label", *rows]))
    (tmp_path / "recipe.yaml").write_text(
        """\
# requests to a bank
data:
  name: csv
  files: {train: train.csv, validation: val.csv}
  obj: text  # what is said
  group: label
encoder: local/letters
head: {name: linear-projection, output_size: 8}
loss: {name: triplet, mining: all}
metrics: [retrieval-r-precision]
optimizer: {name: adam, lr: 0.01}
epochs: 2
batch_size: 9
trainer: {accelerator: cpu, enable_progress_bar: false}
"""
    )
    return tmp_path


@pytest.fixture
def recipe(folder):
    """Return the recipe as text after replacements."""

    def changed(*replacements):
        text = (folder / "recipe.yaml").read_text()
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        (folder / "recipe.yaml").write_text(text)
        return folder / "recipe.yaml"

    return changed
