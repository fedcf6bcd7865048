"""Tests of Query and Document, whose role survives copying and pickling."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from quaterion_core.dataset import (
    Document,
    JsonLinesDataset,
    PairsSimilarityDataLoader,
    QueriesAndDocuments,
    Query,
    SimilarityGroupSample,
    SimilarityPairSample,
    SplitDataset,
    with_roles,
)
from quaterion_core.dataset.object_digest import object_digest
from quaterion_core.dataset.targets import NO_SUBGROUP
from quaterion_core.recipe import RecipeError, read_recipe


@pytest.mark.parametrize("role", [Query, Document])
def test_a_text_with_a_role_is_a_string(role):
    text = role("a red house")
    assert text == "a red house"
    assert hash(text) == hash("a red house")
    assert (str(text), f"{text}") == ("a red house", "a red house")
    assert type(str(text)) is str
    assert json.dumps(text) == '"a red house"'


@pytest.mark.parametrize("role", [Query, Document])
@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))]
)
def test_copies_keep_the_role(role, copied):
    assert type(copied(role("x"))) is role


def test_the_same_text_in_three_roles_is_three_objects_to_a_cache():
    assert len({object_digest(obj) for obj in ("x", Query("x"), Document("x"))}) == 3
    assert object_digest(Query("x")) == object_digest(Query("x"))


def test_pairs_get_roles_and_are_not_changed():
    pair = SimilarityPairSample("a", "b", 0.5, "group")
    (marked,) = with_roles([pair])
    assert (type(marked.obj_a), type(marked.obj_b)) == (Query, Document)
    assert marked == pair  # score and subgroup, too
    assert type(pair.obj_a) is str


@pytest.mark.parametrize("missing", [None, float("nan"), "", " "], ids=repr)
def test_missing_values_stay_missing_with_roles(missing):
    (pair,) = with_roles([SimilarityPairSample("a", "b", subgroup=missing)])
    _, targets = next(iter(PairsSimilarityDataLoader([pair])))
    assert targets["subgroups"].tolist() == [NO_SUBGROUP] * 2
    for objects in (("a", missing), (missing, "b")):
        with pytest.raises(ValueError, match="1 missing value in 1 samples: sample 0 has the obj_"):
            next(iter(PairsSimilarityDataLoader(with_roles([SimilarityPairSample(*objects)]))))


def test_what_is_no_plain_text_stays_what_it_is():
    picture = object()
    (marked,) = with_roles([SimilarityPairSample(Document("a"), picture)])
    assert type(marked.obj_a) is Document
    assert marked.obj_b is picture


def test_group_samples_have_no_roles():
    with pytest.raises(TypeError, match="got SimilarityGroupSample as sample 0"):
        with_roles([SimilarityGroupSample("a", 1)])


@pytest.fixture
def faq(tmp_path):
    file = tmp_path / "faq.jsonl"
    file.write_text('{"q": "Is it free?", "a": "Yes."}\n')
    return {"name": "jsonl", "files": {"train": str(file)}, "obj_a": "q", "obj_b": "a"}


def test_any_dataset_of_pairs_is_made_queries_and_documents(faq):
    dataset = QueriesAndDocuments(faq)
    assert dataset.splits == ("train",)
    (sample,) = dataset.load("train")
    assert repr((sample.obj_a, sample.obj_b)) == "(Query('Is it free?'), Document('Yes.'))"


def test_the_configuration_builds_the_same_dataset_from_a_choice_or_a_dataset(faq):
    built = JsonLinesDataset(faq["files"], obj_a="q", obj_b="a")
    for dataset in (QueriesAndDocuments(faq), QueriesAndDocuments(built)):
        config = json.loads(json.dumps(dataset.get_config_dict()))
        again = QueriesAndDocuments.from_config(config)
        assert type(again.load("train")[0].obj_a) is Query


def test_a_dataset_that_is_not_registered_has_no_configuration():
    class Nothing(SplitDataset):
        splits = ("train",)

        def load(self, split):
            return []

    with pytest.raises(NotImplementedError, match="Nothing is not registered"):
        QueriesAndDocuments(Nothing()).get_config_dict()


def test_a_recipe_checks_the_dataset_inside(tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "data: {name: queries-and-documents, data: {name: jsonl, fils: {train: x}}}\n"
        "encoder: static\nloss: triplet\n"
    )
    with pytest.raises(RecipeError, match="no argument 'fils': did you mean 'files'"):
        read_recipe(recipe)
