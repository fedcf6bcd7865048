"""HuggingFaceDataset: datasets made on the spot, read without the network."""

from __future__ import annotations

import json
import sys

import datasets
import pytest

from quaterion_core.dataset import HuggingFaceDataset, SimilarityGroupSample, SimilarityPairSample
from quaterion_core.plugins import registry

ROWS = {
    "question": ["hot?", "up?", "red?"],
    "answer": ["warm", "high", "scarlet"],
    "wrong": [["cold", "icy"], [], ["blue"]],
    "rank": [0.5, 1.0, 0.75],
    "topic": ["weather", "place", "colour"],
}
COLUMNS = {"obj_a": "question", "obj_b": "answer", "score": "rank", "subgroup": "topic"}
PAIRS = [
    SimilarityPairSample("hot?", "warm", 0.5, "weather"),
    SimilarityPairSample("up?", "high", 1.0, "place"),
    SimilarityPairSample("red?", "scarlet", 0.75, "colour"),
]


@pytest.fixture(autouse=True)
def without_network(monkeypatch, tmp_path):
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()


@pytest.fixture
def table():
    return datasets.Dataset.from_dict(ROWS)


@pytest.fixture
def saved(table, tmp_path):
    folder = tmp_path / "saved"
    datasets.DatasetDict({"train": table, "test": table.select([1])}).save_to_disk(folder)
    return folder


@pytest.fixture
def json_file(table, tmp_path):
    table.to_json(tmp_path / "rows.json")
    return str(tmp_path / "rows.json")


def test_pairs_of_a_folder_of_save_to_disk(saved):
    dataset = HuggingFaceDataset(saved, **COLUMNS)
    assert dataset.splits == ("train", "test")
    assert dataset.load("train") == PAIRS
    assert dataset.load("test") == PAIRS[1:2]


def test_a_dataset_that_was_saved_without_splits_is_one_for_training(table, tmp_path):
    table.save_to_disk(tmp_path / "one")
    dataset = HuggingFaceDataset(tmp_path / "one", **COLUMNS)
    assert dataset.splits == ("train",)
    assert dataset.load("train") == PAIRS


@pytest.mark.parametrize("kind", ["json", "parquet", "csv"])
def test_pairs_of_data_files(table, tmp_path, kind):
    table = table.remove_columns("wrong")  # csv has no lists
    getattr(table, f"to_{kind}")(tmp_path / f"rows.{kind}")
    files = {"train": str(tmp_path / f"rows.{kind}")}
    dataset = HuggingFaceDataset(kind, data_files=files, **COLUMNS)
    assert dataset.splits == ("train",)
    assert dataset.load("train") == PAIRS


def test_a_folder_of_data_files(table, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    for split in ("train", "validation"):
        table.to_parquet(folder / f"{split}.parquet")
    dataset = HuggingFaceDataset(folder, **COLUMNS)
    assert dataset.splits == ("train", "validation")
    assert dataset.load("validation") == PAIRS


def test_splits_get_names_and_may_be_parts(json_file):
    splits = {"train": "train[1:]", "validation": "train[:1]"}
    dataset = HuggingFaceDataset("json", data_files={"train": json_file}, splits=splits, **COLUMNS)
    assert dataset.splits == ("train", "validation")
    assert dataset.load("train") == PAIRS[1:]
    assert dataset.load("validation") == PAIRS[:1]


def test_hard_negatives_are_pairs_of_score_0(saved):
    dataset = HuggingFaceDataset(saved, **COLUMNS, negatives="wrong")
    samples = dataset.load("train")
    assert [sample for sample in samples if sample.score] == PAIRS
    assert [sample for sample in samples if not sample.score] == [
        SimilarityPairSample("hot?", "cold", 0.0, "weather"),
        SimilarityPairSample("hot?", "icy", 0.0, "weather"),
        SimilarityPairSample("red?", "blue", 0.0, "colour"),
    ]


def test_groups(saved):
    dataset = HuggingFaceDataset(saved, splits={"train": "test"}, obj="answer", group="topic")
    assert dataset.load("train") == [SimilarityGroupSample("high", "place")]


def test_the_configuration_builds_the_same_dataset(json_file):
    dataset = HuggingFaceDataset(
        "json", data_files={"train": json_file}, splits={"validation": "train"}, **COLUMNS
    )
    config = json.loads(json.dumps(dataset.get_config_dict()))
    again = HuggingFaceDataset.from_config(config)
    assert again.splits == ("validation",)
    assert again.load("validation") == PAIRS


def test_a_column_that_there_is_not_is_named_with_the_nearest(saved):
    dataset = HuggingFaceDataset(saved, obj="answers", group="topic")
    with pytest.raises(ValueError, match="train has no column 'answers': did you mean 'answer'"):
        dataset.load("train")


def test_a_row_without_a_value_is_named(tmp_path):
    table = datasets.Dataset.from_dict({"text": ["a", None], "group": [1, 2]})
    table.save_to_disk(tmp_path / "one")
    with pytest.raises(ValueError, match="train, row 1 has no value for 'text'"):
        HuggingFaceDataset(tmp_path / "one", obj="text", group="group").load("train")


def test_splits_that_there_are_not_are_refused_with_those_that_there_are(saved):
    with pytest.raises(ValueError, match="has no split 'validation'. It has: train, test"):
        HuggingFaceDataset(saved, **COLUMNS).load("validation")
    with pytest.raises(ValueError, match=r"has no split 'dev'. It has: train, test"):
        HuggingFaceDataset(saved, **COLUMNS, splits={"validation": "dev"}).load("validation")


def test_without_the_library_the_extra_is_named(monkeypatch, saved):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ImportError, match=r'pip install "quaterion-core\[hugging-face\]"'):
        HuggingFaceDataset(saved, **COLUMNS)


def test_it_is_registered_and_core_does_not_import_the_library():
    assert registry.load("dataset", "hugging-face") is HuggingFaceDataset
    assert registry.find("dataset", "hugging-face").extra == "hugging-face"
