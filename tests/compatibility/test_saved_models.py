"""Tests that saved models, also of earlier versions, load with the same embeddings."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

EARLIER = "QUATERION_EARLIER_MODELS"
"""Environment variable with a folder that make_models.py wrote with another commit."""


@pytest.fixture(scope="module")
def models():
    """The module make_models.py, and one thread, with which sums have one order."""
    path = Path(__file__).with_name("make_models.py")
    spec = importlib.util.spec_from_file_location("make_models", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_models"] = module
    spec.loader.exec_module(module)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield module
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def made(models, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    models.make(folder)
    return folder


def test_every_component_that_can_be_saved_embeds_the_same_when_loaded(models, made):
    assert models.compare(made) == {}


def test_every_registered_encoder_and_head_is_among_the_models(made):
    from quaterion_core.plugins import registry

    saved = "".join(path.read_text() for path in made.rglob("config.json"))
    needs_a_server = {"quaterion-core/openai-compatible"}
    ours = {"quaterion-core", "quaterion-cv", "quaterion-nlp"}
    expected = {r.id for kind in ("encoder", "head") for r in registry.components(kind)
                if r.distribution in ours}  # fmt: skip

    assert {name for name in expected if f'"{name}"' not in saved} == needs_a_server


def test_another_embedding_is_told(models, made):
    file = made / "head-gated" / "embeddings.npy"
    embeddings = np.load(file)
    np.save(file, np.nextafter(embeddings, np.inf))
    try:
        assert list(models.compare(made)) == ["head-gated"]
    finally:
        np.save(file, embeddings)


@pytest.mark.skipif(EARLIER not in os.environ, reason=f"{EARLIER} names no folder")
def test_models_of_an_earlier_version_embed_the_same(models):
    assert models.compare(Path(os.environ[EARLIER])) == {}


def test_loading_imports_the_plugins_that_the_ids_name_and_no_others(made):
    program = (
        "import sys\n"
        "from quaterion_core import SimilarityModel\n"
        "SimilarityModel.load(sys.argv[1])\n"
        "ours = [name for name in sys.modules if name.startswith('quaterion_')]\n"
        "print(*(name for name in ours if name.endswith('.plugin')))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, str(made / "head-gated" / "model")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert result.stdout.split() == ["quaterion_nlp.plugin"]
