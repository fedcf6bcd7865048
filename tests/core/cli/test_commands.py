"""The commands fit, evaluate and search, over a CSV of group samples and a text encoder."""

import csv
import json
import re
from collections import Counter
from typing import ClassVar

import pytest
import torch
from click.testing import CliRunner
from sklearn.neighbors import KNeighborsClassifier

from quaterion_core import SimilarityModel
from quaterion_core.cli import main
from quaterion_core.dataset.readers import CsvDataset
from quaterion_core.encoders import Encoder
from quaterion_core.plugins import register_encoder

pytest.importorskip("quaterion_nlp")

RECIPE = """
data:
  name: csv
  files: {{train: {folder}/train.csv, validation: {folder}/val.csv}}
  obj: text
  group: label
encoder: {{name: quaterion-nlp/static, embedding_size: 16, vocab_size: 300}}
loss: {{name: triplet, mining: all}}
metrics: [retrieval-r-precision]
optimizer: {{name: adam, lr: 0.01}}
epochs: 5
batch_size: 30
trainer: {{accelerator: cpu, enable_progress_bar: false, enable_model_summary: false}}
"""


@pytest.fixture
def folder(tmp_path):
    texts = {
        "card": [
            "my card is lost",
            "card was stolen",
            "new card please",
            "card not here",
            "lost card",
        ],
        "fee": [
            "why a fee",
            "what is this charge",
            "charge too high",
            "refund the fee",
            "extra fee",
        ],
        "pin": ["forgot my pin", "change the pin", "pin is blocked", "set a new pin", "wrong pin"],
    }
    for name, number in (("train", 0), ("val", 3)):
        with (tmp_path / f"{name}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["text", "label"])
            for label, lines in texts.items():
                writer.writerows((line, label) for line in lines[number:])
    (tmp_path / "recipe.yaml").write_text(RECIPE.format(folder=tmp_path))
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_a_log_gets_a_line_for_each_epoch(folder):
    recipe = folder / "recipe.yaml"
    quiet = run("fit", recipe, "--output", folder / "quiet")
    recipe.write_text(recipe.read_text().replace("enable_progress_bar: false, ", ""))
    logged = run("fit", recipe, "--output", folder / "model")
    assert logged.exit_code == 0, logged.output
    figures = r"train_loss \d\.\d{4}, .*validation_loss \d\.\d{4}, "
    lines = re.findall(rf"^Epoch (\d): {figures}.* \(\d+\.\d s\)$", logged.output, re.MULTILINE)
    assert lines == ["1", "2", "3", "4", "5"]
    assert "_train " not in logged.output
    assert "Epoch" not in quiet.output


def test_fit_evaluate_and_search(folder):
    result = run("fit", folder / "recipe.yaml", "--output", folder / "model")
    assert result.exit_code == 0, result.output
    assert "15 training samples" in result.output
    report = json.loads((folder / "model" / "report.json").read_text())
    saved = (folder / "model" / "recipe.yaml").read_text()
    assert "name: quaterion-core/csv" in saved
    assert "[quaterion-core/retrieval-r-precision]" in saved

    result = run("evaluate", folder / "model", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["metrics"] == report["after"]

    result = run("search", folder / "model", "card was stolen", "--top", 1)
    assert result.exit_code == 0, result.output
    assert "card was stolen" in result.output.splitlines()[-1]
    assert "1.000" in result.output.splitlines()[-1]


def test_hubness_is_reduced_after_the_training(folder):
    recipe = folder / "recipe.yaml"
    recipe.write_text(recipe.read_text() + "hubness_reduction: {neighbors: 4, max_objects: 12}\n")
    result = run("fit", recipe, "--output", folder / "model")
    assert result.exit_code == 0, result.output
    model = SimilarityModel.load(folder / "model")
    assert (len(model.head.reference), model.head.neighbors) == (12, 4)
    report = json.loads((folder / "model" / "report.json").read_text())
    result = run("evaluate", folder / "model", "--json")
    assert json.loads(result.output)["metrics"] == report["after"]


def test_a_reduction_of_hubness_that_cannot_be_is_refused_before_the_training(folder):
    recipe = folder / "recipe.yaml"
    recipe.write_text(recipe.read_text() + "hubness_reduction: {}\n")
    result = run("fit", recipe, "--output", folder / "model")
    assert result.exit_code == 1
    assert "Expected neighbors between 1 and 15" in result.output
    assert "got 20" in result.output
    assert not (folder / "model").exists()


def test_search_in_a_file_of_lines(folder):
    run("fit", folder / "recipe.yaml", "--output", folder / "model")
    (folder / "corpus.txt").write_text("the fee\n\nthe pin\n")
    result = run("search", folder / "model", "the pin", "--corpus", folder / "corpus.txt")
    assert result.exit_code == 0, result.output
    assert "Searching 2 objects" in result.output
    assert result.output.splitlines()[3].endswith("the pin")


def test_an_existing_output_is_refused_before_anything_is_done(folder):
    (folder / "model").mkdir()
    (folder / "model" / "thesis.tex").write_text("It was")
    result = run("fit", folder / "recipe.yaml", "--output", folder / "model")
    assert result.exit_code == 1
    assert "already exists and is not empty" in result.output
    assert "training samples" not in result.output
    assert [path.name for path in (folder / "model").iterdir()] == ["thesis.tex"]


def test_a_model_that_is_there_is_replaced_only_with_overwrite(folder):
    recipe = folder / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("epochs: 5", "epochs: 1"))
    run("fit", recipe, "--output", folder / "model")
    refused = run("fit", recipe, "--output", folder / "model")
    assert refused.exit_code == 1
    assert "on the command line --overwrite" in " ".join(refused.output.split())
    assert run("fit", recipe, "--output", folder / "model", "--overwrite").exit_code == 0
    (folder / "notes").mkdir()
    (folder / "notes" / "a.txt").write_text("mine")
    plugin = run("new-plugin", "acme", "--output", folder / "notes")
    assert "overwrite" not in plugin.output


def test_a_recipe_is_checked_without_an_output(folder):
    result = run("fit", folder / "recipe.yaml", "--check")
    assert result.exit_code == 0, result.output
    assert "can be run. Checked: keys, components" in result.output
    text = (folder / "recipe.yaml").read_text()
    (folder / "recipe.yaml").write_text(text.replace("lr: 0.01", "lr: high"))
    result = run("fit", folder / "recipe.yaml", "--check")
    assert result.exit_code == 1
    assert "line 10, optimizer.lr: Expected a number, got 'high'." in " ".join(
        result.output.split()
    )
    assert run("fit", folder / "recipe.yaml").exit_code == 2


def test_a_new_file_is_evaluated_with_options_in_place_of_a_recipe(folder):
    run("fit", folder / "recipe.yaml", "--output", folder / "model")
    before = evaluation(folder / "model")["metrics"]
    new = folder / "new.csv"
    new.write_text((folder / "val.csv").read_text().replace("text,label", "said,about"))
    options = ("--data", new, "--column", "obj=said", "--column", "group=about")
    assert evaluation(folder / "model", *options)["metrics"] == before
    (folder / "model" / "recipe.yaml").unlink()
    metric = ("--metric", "{name: knn-accuracy, k: 1}", "--metric", "retrieval-r-precision")
    found = evaluation(folder / "model", *options, *metric)
    assert found["split"] == "new.csv"
    assert found["metrics"].keys() == {"knn_accuracy@1", "retrieval_r_precision"}
    result = run("evaluate", folder / "model", "--column", "obj")
    assert result.exit_code == 2
    assert "Expected FIELD=COLUMN" in result.output


def test_a_wrong_recipe_is_a_message_and_not_a_traceback(folder):
    text = (folder / "recipe.yaml").read_text().replace("triplet", "tripplet")
    (folder / "recipe.yaml").write_text(text)
    result = run("fit", folder / "recipe.yaml", "--output", folder / "model")
    assert result.exit_code == 1
    assert "triplet" in result.output
    assert "Traceback" not in result.output
    assert not (folder / "model").exists()


def test_a_folder_that_is_no_model_is_a_message(folder):
    result = run("search", folder, "x", "--corpus", folder / "train.csv")
    assert result.exit_code == 1
    assert "has no config.json" in result.output


def test_a_model_without_a_recipe_needs_one(tmp_path):
    result = run("evaluate", tmp_path)
    assert result.exit_code == 1
    assert "Give --recipe" in result.output


@pytest.fixture
def referring(folder):
    """A recipe that searches validation samples among those of the training."""
    text = (folder / "recipe.yaml").read_text()
    text = text.replace("metrics: [", "metrics: [knn-accuracy, ") + "splits: {reference: train}\n"
    (folder / "recipe.yaml").write_text(text)
    return folder


@register_encoder("counting-letters")
class CountingLetters(Encoder):
    """Counts letters, and how often it is asked for each text."""

    trainable, embedding_size = False, 26
    seen: ClassVar = Counter()

    def get_collate_fn(self):
        return list

    def forward(self, texts):
        self.seen.update(texts)
        return torch.tensor([[float(t.count(chr(97 + n))) for n in range(26)] for t in texts])

    def get_config_dict(self):
        return {}


@pytest.mark.parametrize(
    ("reference", "further"),
    [
        (None, ""),
        ("train", ""),
        ("validation", ""),
        ("gallery", ""),
        (None, "hubness_reduction: {}"),
    ],
)
def test_a_cached_encoder_embeds_each_text_once_for_all_of_a_fit(folder, reference, further):
    words = ("card", "fee", "pin", "account")
    texts = {  # with the expected results: the letter, which the words hide
        "train": {f"{word} {letter}": letter for word in words for letter in "abcdef"},
        "validation": {f"{word} of {letter}": letter for word in words for letter in "abc"},
        "gallery": {f"what {letter} {word}": letter for word in words for letter in "abc"},
    }
    texts["validation"]["fee a"] = "a"  # as in the training data
    for split, letters in texts.items():
        lines = [f"{text},{letter}" for text, letter in letters.items()]
        (folder / f"{split}.csv").write_text("\n".join(["text,label", *lines, lines[0]]))
    files = ", ".join(f"{split}: {folder}/{split}.csv" for split in texts)
    recipe = re.sub("files: .*", f"files: {{{files}}}", RECIPE.format(folder=folder))
    recipe = re.sub("encoder: .*", "encoder: local/counting-letters\nhead: skip-connection", recipe)
    recipe = recipe.replace("metrics: [", "metrics: [knn-accuracy, ").replace("0.01", "0.2")
    if reference is not None:
        recipe += f"splits: {{reference: {reference}}}\n"
    reports = {}
    for name, cache in {"plain": "", "cached": "cache: {}\n"}.items():
        (folder / f"{name}.yaml").write_text(recipe + cache + further)
        CountingLetters.seen.clear()
        result = run("fit", folder / f"{name}.yaml", "--output", folder / name)
        assert result.exit_code == 0, result.output
        assert ("s for the cache; saved" in " ".join(result.output.split())) == (name == "cached")
        reports[name] = json.loads((folder / name / "report.json").read_text())

    used = {*texts["train"], *texts["validation"]} | set(texts.get(reference, ()))
    assert CountingLetters.seen == dict.fromkeys(used, 1)
    for moment in ("before", "after"):
        assert reports["cached"][moment] == pytest.approx(reports["plain"][moment], abs=1e-6)
    assert reports["cached"]["before"] != reports["cached"]["after"]


def test_without_validation_a_reference_is_not_embedded(folder):
    recipe = (folder / "recipe.yaml").read_text().replace("train:", "gallery: {0}/val.csv, train:")
    recipe = re.sub("encoder: .*", "encoder: local/counting-letters\nhead: gated", recipe)
    recipe += "splits: {validation: null, reference: gallery}\ncache: {}\n"
    (folder / "recipe.yaml").write_text(recipe.replace("{0}", str(folder)))
    (folder / "val.csv").write_text("text,label\nnever seen,card\n")
    CountingLetters.seen.clear()
    result = run("fit", folder / "recipe.yaml", "--output", folder / "model")
    assert result.exit_code == 0, result.output
    assert len(CountingLetters.seen) == 15
    assert "never seen" not in CountingLetters.seen
    assert json.loads((folder / "model" / "report.json").read_text())["before"] == {}


def evaluation(*arguments):
    result = run("evaluate", *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def test_validation_samples_are_searched_among_those_of_the_reference(referring):
    result = run("fit", referring / "recipe.yaml", "--output", referring / "model")
    assert result.exit_code == 0, result.output
    report = json.loads((referring / "model" / "report.json").read_text())

    found = evaluation(referring / "model")
    assert found["split"] == "validation"
    assert found["reference"] == "train"
    assert found["samples"] == 6
    assert found["metrics"] == report["after"]
    files = {"train": str(referring / "train.csv"), "validation": str(referring / "val.csv")}
    dataset = CsvDataset(files, obj="text", group="label")
    model = SimilarityModel.load(referring / "model")
    rows, groups, texts = {}, {}, {}
    for split in files:
        samples = dataset.load(split)
        texts[split] = [sample.obj for sample in samples]
        rows[split] = model.encode(texts[split])
        groups[split] = [sample.group for sample in samples]
    hits = 0
    for text, row, group in zip(*(of["validation"] for of in (texts, rows, groups)), strict=True):
        others = [n for n, other in enumerate(texts["train"]) if other != text]  # no copy of it
        classifier = KNeighborsClassifier(1, metric="cosine")
        classifier.fit(rows["train"][others], [groups["train"][n] for n in others])
        hits += classifier.predict([row])[0] == group
    assert found["metrics"]["knn_accuracy"] == pytest.approx(hits / 6, abs=1e-6)

    alone = evaluation(referring / "model", "--reference", "validation")
    text = (referring / "recipe.yaml").read_text().replace("{reference: train}", "{}")
    (referring / "alone.yaml").write_text(text)
    without = evaluation(referring / "model", "--recipe", referring / "alone.yaml")
    assert (alone["reference"], without["reference"]) == ("validation", None)
    assert alone["metrics"] == without["metrics"] != found["metrics"]
    given = ("--recipe", referring / "alone.yaml", "--reference", "train")
    assert evaluation(referring / "model", *given) == found

    result = run("evaluate", referring / "model")
    assert "validation (6 samples) among train (15)" in result.output


def test_an_unknown_reference_is_refused_before_anything_is_done(referring):
    text = (referring / "recipe.yaml").read_text()
    (referring / "recipe.yaml").write_text(text.replace("reference: train", "reference: gallery"))
    result = run("fit", referring / "recipe.yaml", "--output", referring / "model")
    assert result.exit_code == 1
    assert "CsvDataset has no split 'gallery'. It has: train, validation." in result.output
    assert "training samples" not in result.output
    (referring / "recipe.yaml").write_text(text)
    (referring / "model").mkdir()
    given = ("--recipe", referring / "recipe.yaml", "--reference", "gallery")
    result = run("evaluate", referring / "model", *given)
    assert result.exit_code == 1
    assert "has no split 'gallery'" in result.output


def test_a_reference_without_samples_is_refused(referring):
    (referring / "none.csv").write_text("text,label\n")
    text = (referring / "recipe.yaml").read_text().replace("reference: train", "reference: none")
    text = text.replace("{train:", f"{{none: {referring}/none.csv, train:")
    (referring / "recipe.yaml").write_text(text)
    result = run("fit", referring / "recipe.yaml", "--output", referring / "model")
    assert result.exit_code == 1
    assert "The reference is the split 'none', which has no samples" in result.output


def test_a_reference_of_pairs_is_refused_before_anything_is_done(referring):
    text = (referring / "recipe.yaml").read_text()
    for old, new in (
        ("obj: text", "obj_a: text"),
        ("group: label", "obj_b: label"),
        ("{name: triplet, mining: all}", "multiple-negatives-ranking"),
        ("[knn-accuracy, retrieval-r-precision]", "[retrieval-precision]"),
    ):
        assert old in text
        text = text.replace(old, new)
    (referring / "recipe.yaml").write_text(text)
    result = run("fit", referring / "recipe.yaml", "--output", referring / "model")
    assert result.exit_code == 1
    assert "Expected a reference only for group samples" in result.output
    assert "training samples" not in result.output
    (referring / "model").mkdir()
    result = run("evaluate", referring / "model", "--recipe", referring / "recipe.yaml")
    assert result.exit_code == 1
    assert "reference only for group samples" in result.output
