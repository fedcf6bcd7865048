"""Tests of `quaterion report`, and of what `quaterion fit` saves for it."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from quaterion_core import SimilarityModel, evaluate_recipe
from quaterion_core.cli import main
from quaterion_report import gather, saved_data
from quaterion_report.building import DATA_FILE


@pytest.fixture
def run(tmp_path):
    def invoke(*arguments, code=0):
        result = CliRunner().invoke(main, ["report", *map(str, arguments)])
        assert result.exit_code == code, result.output
        return result.output

    return invoke


def test_a_page_of_a_model_shows_the_figures_of_evaluate(run, faq, tmp_path):
    target = tmp_path / "page.html"
    assert f"Wrote {target}" in run(faq("first"), "-o", target)
    page = target.read_text()
    for name, value in evaluate_recipe(faq("first")).metrics.items():
        assert f"{name}</th>" in page
        assert f"<b>{value:.3f}</b>" in page
    assert "untouched encoder" in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert(1)" not in page


def test_a_page_compares_with_another_model(run, faq, tmp_path):
    target = tmp_path / "page.html"
    run(faq("first"), "--compare", faq("second", epochs=8), "-o", target)
    page = target.read_text()
    assert '<p class="value">' in page
    assert ">second<" in page


def test_fit_saves_the_figures_of_a_recipe_that_names_the_plugin(run, faq, tmp_path):
    model = faq("with_page", plugins=["quaterion-report"])
    assert saved_data(model).title == "with_page"
    SimilarityModel.load(model)
    moved = shutil.copytree(model, tmp_path / "elsewhere")
    for name in ("recipe.yaml", "report.json"):  # neither data nor recipe are needed any more
        (moved / name).unlink()
    target = tmp_path / "page.html"
    assert "Evaluating" not in run(moved, "-o", target)
    assert "with_page" in target.read_text()


def test_fit_saves_nothing_more_for_other_recipes(faq):
    assert not (faq("first") / DATA_FILE).exists()
    assert saved_data(faq("first")) is None


def test_saved_figures_equal_those_of_an_evaluation(faq):
    model = faq("with_page", plugins=["quaterion-report"])
    saved, fresh = saved_data(model), gather(model).data
    assert saved.model_copy(update={"created": fresh.created}) == fresh


@pytest.mark.parametrize("content", ["no JSON", "{}", '{"format": "quaterion-report"}'])
def test_figures_that_cannot_be_read_say_what_to_do(run, faq, tmp_path, content):
    model = shutil.copytree(faq("first"), tmp_path / "model")
    (model / DATA_FILE).write_text(content)
    output = run(model, "-o", tmp_path / "page.html", code=1)
    assert "--fresh" in output
    assert not (tmp_path / "page.html").exists()
    run(model, "-o", tmp_path / "page.html", "--fresh")


def test_other_data_and_metrics_can_be_given(run, faq, tmp_path):
    rows = [{"text": f"{kind} number {n}", "kind": kind} for kind in ("cat", "dog") for n in "1234"]
    (tmp_path / "pets.jsonl").write_text("\n".join(map(json.dumps, rows)))
    target = tmp_path / "page.html"
    run(
        faq("first"), tmp_path / "pets.jsonl", "--column", "obj=text",
        "--column", "group=kind", "--metric", "map-at-r", "-o", target,
    )  # fmt: skip
    page = target.read_text()
    assert "map_at_r" in page
    assert "2 groups" in page
    assert "cat number 1" in page


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["no_such_model"], "no_such_model cannot be read: no such file or directory."),
        (["{model}", "--compare", "gone"], "gone cannot be read"),
        (["{model}", "-o", "{folder}/no/page.html"], "there is no folder"),
        (["{model}", "--split", "tset"], "has no split 'tset'"),
        (["{model}", "--projector", "{folder}"], "already exists and is not empty"),
    ],
)
def test_mistakes_are_told_before_anything_is_computed(run, faq, tmp_path, arguments, told):
    (tmp_path / "something").touch()
    model = faq("first")
    filled = [argument.format(model=model, folder=tmp_path) for argument in arguments]
    output = run(*filled, code=1)
    assert told in " ".join(output.split())
    assert "Traceback" not in output


def test_options_that_do_not_fit_are_mistakes_in_usage(run, faq, tmp_path):
    model = faq("first")
    assert "Give DATA, too" in run(model, "--column", "obj=text", code=2)
    assert "Give one of them" in run(model, "a.jsonl", "--data", "b.jsonl", code=2)
    assert "is a directory" in run(model, "-o", tmp_path, code=2)


def test_a_benchmark_folder_can_be_given(run, faq, tmp_path):
    folder = Path(__file__).parents[1] / "conformance" / "data" / "beir"
    target = tmp_path / "page.html"
    run(faq("first"), folder, "--metric", "mrr", "-o", target)
    assert "mrr" in target.read_text()


def test_umap_says_how_to_install_it(run, faq, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    output = run(faq("first"), "--map", "umap", "-o", tmp_path / "page.html", code=1)
    assert "pip install 'quaterion-report[umap]'" in output


def test_a_recipe_without_metrics_has_usual_ones(faq):
    model = faq("bare", metrics=[], plugins=["quaterion-report"])
    data = saved_data(model)
    assert [metric.name for metric in data.metrics] == [
        "retrieval_precision@1", "retrieval_reciprocal_rank",
    ]  # fmt: skip


def test_figures_of_training_data_say_so(faq, run, tmp_path):
    target = tmp_path / "page.html"
    run(faq("first"), "--split", "train", "-o", target)
    assert "The model was trained on these data" in target.read_text()
    run(faq("first"), "-o", target)
    assert "The model was trained on these data" not in target.read_text()


def test_the_projector_is_written_beside_the_page(faq, run, tmp_path):
    output = run(faq("first"), "-o", tmp_path / "page.html", "--projector", tmp_path / "projector")
    assert "tensorboard --logdir" in output
    assert (tmp_path / "projector" / "projector_config.pbtxt").is_file()


def test_a_trainable_encoder_is_untouched_as_before_training(faq):
    """The static encoder is built anew from seed and data, so it equals the one before training."""
    report = json.loads((faq("first") / "report.json").read_text())
    untouched = {m.name: m.values["untouched"].value for m in gather(faq("first")).data.metrics}
    assert untouched == pytest.approx(report["before"], abs=1e-6)


def test_an_untouched_encoder_that_cannot_be_built_is_a_note(faq, monkeypatch):
    def missing(model, recipe):
        raise OSError("no weights in the cache " + "and no network " * 100)

    monkeypatch.setattr("quaterion_report.building.untouched_model", missing)
    data = gather(faq("first")).data
    assert [system.key for system in data.systems] == ["model"]
    (note,) = [note for note in data.notes if "could not be built: no weights" in note]
    assert len(note) < 600
