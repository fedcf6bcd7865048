"""Columns are recognised by their names and content, and splits share no object."""

import csv
import json

import pytest
from PIL import Image

from quaterion_core.components import build_component
from quaterion_tune import recognise

NAMED = [
    (["question", "answer"], "pairs", {"obj_a": "question", "obj_b": "answer"}),
    (["id", "Query", "Document"], "pairs", {"obj_a": "Query", "obj_b": "Document"}),
    (
        ["anchor", "positive", "negative_1", "negative_2"],
        "pairs",
        {"obj_a": "anchor", "obj_b": "positive", "negatives": ["negative_1", "negative_2"]},
    ),
    (
        ["sentence1", "sentence2", "score"],
        "scored pairs",
        {"obj_a": "sentence1", "obj_b": "sentence2", "score": "score"},
    ),
    (["text", "label"], "groups", {"obj": "text", "group": "label"}),
    (["Utterance", "Intent"], "groups", {"obj": "Utterance", "group": "Intent"}),
    (["what", "reply"], "pairs", {"obj_a": "what", "obj_b": "reply"}),
    (["what", "kind"], "groups", {"obj": "what", "group": "kind"}),
]


def cell(name, number):
    if name in ("score", "id"):
        return number % 6
    if name in ("label", "Intent", "kind"):
        return f"kind {number % 3}"
    return f"the {name} of number {number}"


def written(folder, names, suffix="csv", count=60):
    path = folder / f"data.{suffix}"
    rows = [{name: cell(name, number) for name in names} for number in range(count)]
    with path.open("w", newline="") as file:
        if suffix == "csv":
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(rows)
        else:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    return path


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
@pytest.mark.parametrize(("names", "kind", "fields"), NAMED, ids=lambda value: str(value)[:40])
def test_columns_are_recognised(tmp_path, suffix, names, kind, fields):
    found = recognise(written(tmp_path, names, suffix))
    assert (found.kind, found.modality) == (kind, "text")
    assert {name: found.data.get(name) for name in fields} == fields
    dataset = build_component("dataset", found.data)
    parts = [dataset.load(split) for split in ("train", "validation", "test")]
    objects = [
        {obj for sample in part for obj in _objects(sample)} if kind != "groups" else set()
        for part in parts
    ]
    assert sum(map(len, parts)) >= 60
    assert not objects[0] & objects[1]
    assert not (objects[0] | objects[1]) & objects[2]


def _objects(sample):
    return [value for name in ("obj", "obj_a") if (value := getattr(sample, name, None))]


def test_scores_are_mapped_to_0_to_1(tmp_path):
    found = recognise(written(tmp_path, ["sentence1", "sentence2", "score"]))
    assert found.data["score_range"] == [0.0, 5.0]


def test_columns_that_are_given_count(tmp_path):
    path = written(tmp_path, ["question", "answer", "label"])
    found = recognise(path, {"obj": "question", "group": "label"})
    assert found.kind == "groups"
    assert found.reason == "objects 'question' in groups 'label'"


@pytest.mark.parametrize(
    ("names", "columns", "message"),
    [
        (["a1", "b1", "c1"], None, "not recognised: 'a1', 'b1', 'c1'. Say which they are"),
        (["score", "id"], None, "not recognised"),
        (["text", "label"], {"obj": "text"}, "obj and group, or obj_a and obj_b, got obj"),
        (["text", "label"], {"obj": "txt", "group": "label"}, "has no column 'txt', but 'label'"),
    ],
    ids=str,
)
def test_what_is_not_recognised_is_told(tmp_path, names, columns, message):
    with pytest.raises(ValueError, match=message):
        recognise(written(tmp_path, names), columns)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        recognise(tmp_path / "missing.csv")
    (tmp_path / "empty.csv").write_text("text,label\n")
    with pytest.raises(ValueError, match="has no rows"):
        recognise(tmp_path / "empty.csv")
    (tmp_path / "data.bin").write_bytes(b"x")
    with pytest.raises(ValueError, match="Expected a file that ends with"):
        recognise(tmp_path / "data.bin")


def test_columns_of_images_need_a_recipe(tmp_path):
    (tmp_path / "images.csv").write_text("text,label\na.png,x\nb.png,y\n")
    with pytest.raises(ValueError, match="names images. Write a recipe"):
        recognise(tmp_path / "images.csv")


def test_a_folder_of_images(tmp_path):
    for group in ("cat", "dog"):
        (tmp_path / group).mkdir()
        for number in range(10):
            Image.new("L", (8, 8), number).save(tmp_path / group / f"{number}.png")
    found = recognise(tmp_path)
    assert (found.kind, found.modality) == ("groups", "image")
    assert found.reason == "images in 2 groups, one per folder"
    dataset = build_component("dataset", found.data)
    sizes = [len(dataset.load(split)) for split in ("train", "validation", "test")]
    assert sum(sizes) == 20
    assert min(sizes) > 0


def test_other_folders_are_refused(tmp_path):
    with pytest.raises(ValueError, match="at least two folders"):
        recognise(tmp_path)
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        Image.new("L", (8, 8)).save(tmp_path / split / "a.png")
    with pytest.raises(ValueError, match="got those of splits"):
        recognise(tmp_path)
