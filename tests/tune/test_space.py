"""Every choice of a search is a recipe that can be run."""

import itertools

import optuna
import pytest

from quaterion_core.recipe import read_recipe
from quaterion_tune.encoders import ChosenEncoder
from quaterion_tune.recognition import Recognised
from quaterion_tune.space import first_choices, recipe_of

DATA = {"text": {"name": "csv", "files": {"train": "data.csv"}, "obj": "text", "group": "label"},
        "image": {"name": "image-folder", "root": "."}}  # fmt: skip
STATIC = ChosenEncoder({"name": "static", "embedding_size": 8}, False, "from scratch")
TIMM = ChosenEncoder({"name": "timm", "model": "resnet10t", "pretrained": False}, False, "")
PRETRAINED = ChosenEncoder({"name": "sentence-transformer", "model": "model"}, True, "pretrained")
CASES = [
    *itertools.product(["pairs", "scored pairs", "groups"], ["text"], [STATIC, PRETRAINED]),
    ("groups", "image", TIMM),
]


@pytest.mark.parametrize(("kind", "modality", "encoder"), CASES, ids=str)
@pytest.mark.filterwarnings("error")
def test_choices_are_recipes(kind, modality, encoder):
    found = Recognised(DATA[modality], kind, modality, "")
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    first = first_choices(found, encoder)
    study.enqueue_trial(first)
    for number in range(20):
        trial = study.ask()
        recipe = recipe_of(trial, found, encoder, size=8, cache="cache", seed=0)
        read_recipe(recipe)
        if number == 0:
            assert trial.params == first
        study.tell(trial, 0.0)
