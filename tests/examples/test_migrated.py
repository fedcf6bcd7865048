"""Tests of the scripts of Quaterion's published tutorials, by what each of them shows."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples" / "migrated"
SCRIPTS = sorted(path.stem for path in EXAMPLES.glob("*.py"))


@pytest.fixture
def run(run_script, tmp_path):
    """Return a function that runs a script and returns what it printed as ``name: JSON``."""

    def run(name: str, *arguments: str) -> dict[str, Any]:
        result = run_script(EXAMPLES / f"{name}.py", *arguments, cwd=tmp_path, OMP_NUM_THREADS="1")
        assert result.returncode == 0, result.stderr[-3000:]
        return read(result.stdout)

    return run


def call(name: str, capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """Call the main function of a script and return what it printed as ``name: JSON``."""
    spec = importlib.util.spec_from_file_location(f"migrated_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main(list(arguments))
    return read(capsys.readouterr().out)


def read(output: str) -> dict[str, Any]:
    printed = {}
    for line in output.splitlines():
        label, _, value = line.partition(": ")
        try:
            printed[label] = json.loads(value)
        except ValueError:
            continue
    return printed


def write_questions(folder: Path) -> Path:
    path = folder / "questions.jsonl"
    rows = [{"question": f"what is number {n}", "answer": f"it is {n} twice"} for n in range(20)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def test_question_answering_improves_and_serves_what_it_trained(run):
    printed = run("question_answering")
    assert printed["after"]["P@1"] > printed["before"]["P@1"] + 0.3
    assert printed["after"]["MRR"] > printed["before"]["MRR"] + 0.3
    assert printed["served"] == printed["after"]


def test_question_answering_reads_other_data(run, tmp_path):
    path = write_questions(tmp_path)
    printed = run("question_answering", "--data", str(path), "--epochs", "1")
    assert 0 <= printed["after"]["P@1"] <= 1


def test_similar_images_improve_and_serve_what_they_trained(run):
    printed = run("similar_images")
    assert printed["after"]["r_precision"] > printed["before"]["r_precision"] + 0.1
    assert printed["served"] == printed["after"]


def test_a_cached_run_encodes_each_object_once_and_trains_the_same_model(run):
    printed = run("cache")
    data = printed["data"]
    assert printed["uncached"]["encoded"] == 2 * data["pairs"] * data["epochs"]
    for name in ("cached", "kept"):
        assert printed[name]["encoded"] == data["distinct"]
        assert printed[name]["most_often"] == 1
    assert printed["kept again"]["encoded"] == 0
    assert printed["largest difference between the models"] < 1e-5


def test_the_cache_example_reads_other_data(run, tmp_path):
    printed = run("cache", "--data", str(write_questions(tmp_path)))
    assert printed["data"]["pairs"] == 20
    assert printed["cached"]["encoded"] == printed["data"]["distinct"] == 40


def test_a_skip_connection_keeps_what_the_encoder_knows(run):
    printed = run("skip_connection")
    alone, seen, unseen = printed["encoder alone"], "digits 0-4", "digits 5-9"
    untrained, trained = (
        printed[f"skip connection, {state}"] for state in ("untrained", "trained")
    )
    assert untrained[seen] == pytest.approx(alone[seen], abs=0.02)
    assert untrained[unseen] == pytest.approx(alone[unseen], abs=0.02)
    assert trained[seen] > alone[seen] + 0.03
    assert trained[unseen] > alone[unseen] - 0.05
    assert trained[unseen] > printed["projection, trained"][unseen] + 0.03


def test_confidence_is_low_where_the_model_cannot_know(run):
    printed = run("confidence")
    digits = printed["confidence of digits"]
    assert printed["confidence of noise"] < digits - 0.05
    assert printed["confidence of two digits in one image"] < digits - 0.05
    halves = printed["share of right answers"]
    assert halves["confident half"] > halves["doubtful half"]


def test_plain_hard_triplets_collapse_and_ours_do_not(run):
    printed = run("triplet_collapse")
    plain, guarded = (
        printed["spread under plain hard triplets"],
        printed["spread under TripletLoss"],
    )
    assert plain["after"] < 0.1 * plain["before"]
    assert guarded["after"] > 0.5 * guarded["before"]
    assert printed["collapsed embeddings"]["finite gradient"] is True
    assert 0 <= printed["collapsed embeddings"]["loss"] < 10


@pytest.mark.filterwarnings("ignore:.*LeafSpec", "ignore:You called `self.log")
def test_classes_of_images_are_learnt_with_each_loss(capsys):
    printed = call("cifar100", capsys, "--epochs", "3")
    assert list(printed) == ["simple", "pytorch-metric-learning", "xbm"]
    for figures in printed.values():
        assert figures["after"] > figures["before"] + 0.05


@pytest.mark.filterwarnings("ignore:.*LeafSpec")
def test_kinds_of_cars_that_training_has_not_seen_are_found(capsys):
    printed = call("cars", capsys, "--epochs", "6", "--input-size", "48")
    assert printed["tuned"]["r_precision"] > printed["base"]["r_precision"] + 0.03
    assert printed["served"] == printed["tuned"]


@pytest.mark.filterwarnings("ignore:.*LeafSpec", "ignore:You defined a `validation_step`")
def test_startups_are_found_by_a_frozen_encoder_in_inference_mode(capsys):
    printed = call("startup_search", capsys)
    assert printed["after"]["r_precision"] > printed["before"]["r_precision"]
    assert printed["found"] == {"industry": "health"}


def test_every_script_is_run_here():
    assert SCRIPTS == [
        "cache", "cars", "cifar100", "confidence", "question_answering", "similar_images",
        "skip_connection", "startup_search", "triplet_collapse",
    ]  # fmt: skip
