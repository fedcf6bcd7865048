"""Fixtures of the tests of serving: a small model."""

import pytest

from quaterion_core import Quaterion
from quaterion_core.dataset import SimilarityPairSample

FRUIT = ("a red apple", "a yellow banana", "a green pear", "a blue plum")


@pytest.fixture(scope="session")
def static_model(tmp_path_factory):
    """The folder of a saved model of texts."""
    encoder = {"name": "quaterion-nlp/static", "embedding_size": 8, "vocab_size": 300}
    samples = [SimilarityPairSample(text, text[2:]) for text in FRUIT]
    model = Quaterion.build(encoder=encoder, loss="multiple-negatives-ranking", data=samples)
    folder = tmp_path_factory.mktemp("static") / "model"
    model.model.save(folder)
    return folder
