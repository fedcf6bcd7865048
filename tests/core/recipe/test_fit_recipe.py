"""Tests that a path, a text and a mapping of the same recipe give the same result."""

import gzip
import json
import lzma
import sys
import types
import warnings
from pathlib import Path

import pytest
from pytorch_lightning.callbacks import Callback
from ruamel.yaml import YAML

from quaterion_core import SimilarityModel, evaluate_recipe, fit_recipe
from quaterion_core.plugins import activate, hookimpl, registry
from quaterion_core.recipe import read_recipe
from quaterion_core.recipe.preparation import prepare


def quiet(line):
    """Accept a line of output and ignore it."""


def test_the_result_has_the_model_the_metrics_and_every_epoch(recipe, folder):
    lines = []
    result = fit_recipe(recipe(), folder / "model", write=lines.append)
    assert lines == ["Data: 9 training samples, 6 for validation."]
    assert result.before.keys() == result.after.keys() == {"retrieval_r_precision"}
    assert (
        [epoch["epoch"] for epoch in result.history] == [1, 2] == list(range(1, result.epochs + 1))
    )
    assert {"train_loss", "validation_loss"} <= result.history[0].keys()
    assert result.seconds > 0
    assert result.output == folder / "model"
    saved = SimilarityModel.load(folder / "model")
    texts = ["lost card", "new pin"]
    assert (saved.encode(texts) == result.model.encode(texts)).all()
    report = json.loads((folder / "model" / "report.json").read_text())
    assert report["after"] == result.after
    assert report["history"] == result.history


def test_a_path_a_text_and_a_mapping_give_the_same_model(recipe, folder, monkeypatch):
    text = recipe().read_text()
    monkeypatch.chdir(folder)
    mapping = YAML(typ="safe").load(text)
    embeddings = [
        fit_recipe(given, write=quiet).model.encode(["new card"])
        for given in (folder / "recipe.yaml", "recipe.yaml", text, mapping)
    ]
    for embedding in embeddings[1:]:
        assert (embedding == embeddings[0]).all()


def test_a_pattern_and_a_fraction_are_files_of_a_recipe(recipe, folder):
    path = recipe(("{train: train.csv, validation: val.csv}", "{train: '*.csv', validation: 0.3}"))
    result = fit_recipe(path, folder / "model", write=quiet)
    assert result.after
    saved = read_recipe(folder / "model" / "recipe.yaml")
    assert saved.data["files"] == {"train": str(folder / "*.csv"), "validation": 0.3}
    for suffix, content in ((".gz", gzip.compress), (".xz", lzma.compress)):
        packed = folder / f"new.csv{suffix}"
        packed.write_bytes(content((folder / "val.csv").read_bytes()))
        evaluated = evaluate_recipe(folder / "model", data=packed)
        assert evaluated.samples == 6


def test_paths_are_relative_to_the_recipe_wherever_it_is_run_from(recipe, folder, monkeypatch):
    path = recipe(("epochs: 2", "epochs: 1\ncache: {save_dir: embeddings}"))
    elsewhere = folder.parent
    monkeypatch.chdir(elsewhere)
    before = set(elsewhere.iterdir())
    fit_recipe(path, folder / "model", write=quiet)
    assert set(elsewhere.iterdir()) == before
    assert any((folder / "embeddings").iterdir())


def test_the_saved_recipe_has_full_ids_absolute_paths_and_its_comments(recipe, folder):
    path = recipe(("epochs: 2", "epochs: 1\ncache: {save_dir: embeddings}"))
    fit_recipe(path, folder / "model", write=quiet)
    text = (folder / "model" / "recipe.yaml").read_text()
    assert text.startswith("# requests to a bank\n")
    assert "# what is said" in text
    saved = read_recipe(folder / "model" / "recipe.yaml")
    assert saved.data == {
        "name": "quaterion-core/csv",
        "files": {"train": str(folder / "train.csv"), "validation": str(folder / "val.csv")},
        "obj": "text",
        "group": "label",
    }
    assert saved.loss == {"name": "quaterion-core/triplet", "mining": "all"}
    assert saved.head["name"] == "quaterion-core/linear-projection"
    assert saved.metrics == ["quaterion-core/retrieval-r-precision"]
    assert saved.encoder == "local/letters"
    assert saved.cache.save_dir == str(folder / "embeddings")


def test_ids_inside_of_components_are_saved_in_full(recipe, folder):
    loss = "{name: matryoshka, loss: {name: triplet, mining: all}, dims: [8, 4]}"
    path = recipe(("{name: triplet, mining: all}", loss), ("epochs: 2", "epochs: 1"))
    fit_recipe(path, folder / "model", write=quiet)
    saved = read_recipe(folder / "model" / "recipe.yaml")
    assert saved.loss["loss"]["name"] == "quaterion-core/triplet"


def test_a_saved_model_is_evaluated_though_its_loss_is_gone(recipe, folder, monkeypatch):
    result = fit_recipe(recipe(), folder / "model", write=quiet)
    saved = folder / "model" / "recipe.yaml"
    saved.write_text(saved.read_text().replace("quaterion-core/triplet", "gone-plugin/loss"))
    monkeypatch.chdir(folder.parent)
    assert evaluate_recipe(folder / "model").metrics == result.after


def test_data_that_are_gone_are_named(recipe, folder):
    fit_recipe(recipe(), folder / "model", write=quiet)
    (folder / "val.csv").unlink()
    with pytest.raises(FileNotFoundError, match=str(folder / "val.csv")):
        evaluate_recipe(folder / "model")


def test_a_new_file_is_evaluated_like_those_of_the_recipe(recipe, folder):
    result = fit_recipe(recipe(), folder / "model", write=quiet)
    (folder / "val.csv").rename(folder / "new.csv")
    found = evaluate_recipe(folder / "model", data=folder / "new.csv")
    assert (found.split, found.samples, found.reference) == ("new.csv", 6, None)
    assert found.metrics == result.after
    (folder / "other.csv").write_text((folder / "new.csv").read_text().replace("text,", "said,"))
    other = evaluate_recipe(
        folder / "model", data=folder / "other.csv", columns={"obj": "said", "group": "label"}
    )
    assert other.metrics == result.after
    rows = (folder / "new.csv").read_text().splitlines()[1:]
    pairs = (row.split(",") for row in rows)
    lines = [json.dumps({"text": text, "label": label}) for text, label in pairs]
    (folder / "new.jsonl").write_text("\n".join(lines))
    assert evaluate_recipe(folder / "model", data=folder / "new.jsonl").metrics == result.after


def test_a_model_without_a_recipe_is_evaluated_with_data_columns_and_metrics(recipe, folder):
    result = fit_recipe(recipe(), folder / "model", write=quiet)
    (folder / "model" / "recipe.yaml").unlink()
    found = evaluate_recipe(
        folder / "model",
        data=folder / "val.csv",
        columns={"obj": "text", "group": "label"},
        metrics=["retrieval-r-precision"],
    )
    assert found.metrics == result.after
    with pytest.raises(ValueError, match=r"has no recipe.yaml.*Give --recipe"):
        evaluate_recipe(folder / "model")


def test_metrics_without_validation_samples_are_told(recipe):
    path = recipe(("epochs: 2", "epochs: 1\nsplits: {validation: null}"))
    with pytest.warns(UserWarning, match="no validation samples to compute them over"):
        result = fit_recipe(path, write=quiet)
    assert result.after == {}


def test_lightning_says_nothing_of_its_own(recipe, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        fit_recipe(recipe(), write=quiet)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "pu available" not in captured.err.lower()


class Proposes:
    """A plugin that proposes arguments of the trainer."""

    def __init__(self, **proposal):
        self.proposal = proposal

    @hookimpl
    def quaterion_configure_trainer(self, trainer_kwargs):
        return self.proposal


def trainer_of(path, monkeypatch, *plugins):
    lifecycle = activate(plugins)
    monkeypatch.setattr("quaterion_core.recipe.preparation.activate", lambda names, **_: lifecycle)
    return prepare(path).trainer.trainer


def test_what_the_recipe_states_wins_over_a_plugin_and_lists_are_joined(recipe, monkeypatch):
    mine = Callback()
    path = recipe(("batch_size: 9", "batch_size: 9\nearly_stopping: {monitor: train_loss}"))
    trainer = trainer_of(path, monkeypatch, Proposes(max_epochs=50, callbacks=[mine]))
    assert trainer.max_epochs == 2
    assert mine in trainer.callbacks
    assert "EarlyStopping" in {type(callback).__name__ for callback in trainer.callbacks}


def test_what_the_recipe_does_not_state_a_plugin_may_propose(recipe, monkeypatch):
    trainer = trainer_of(recipe(("epochs: 2\n", "")), monkeypatch, Proposes(max_epochs=50))
    assert trainer.max_epochs == 50


def test_plugins_are_activated_once_and_metrics_built_once(recipe, folder, monkeypatch):
    from quaterion_core.eval.group import RetrievalRPrecision
    from quaterion_core.plugins import lifecycle

    built, activated = [], []
    init, register = RetrievalRPrecision.__init__, lifecycle.HookManager.register

    def counted_init(self, *arguments, **options):
        built.append(self)
        init(self, *arguments, **options)

    def counted_register(self, plugin, *arguments):
        activated.append(plugin)
        return register(self, plugin, *arguments)

    plugin = types.ModuleType("once")
    plugin.quaterion_before_fit = hookimpl(lambda trainer: None)
    monkeypatch.setattr(RetrievalRPrecision, "__init__", counted_init)
    monkeypatch.setattr(lifecycle.HookManager, "register", counted_register)
    names = activate
    monkeypatch.setattr(
        "quaterion_core.recipe.preparation.activate", lambda given, **_: names([plugin])
    )
    fit_recipe(recipe(), write=quiet)
    assert activated == [plugin]
    assert len(built) == 1


class NotesSaved:
    """A plugin that adds a file to the folder of a saved model, or breaks."""

    def __init__(self, log, breaks=False):
        self.log = log
        self.breaks = breaks

    @hookimpl
    def quaterion_after_save(self, path, model):
        self.log.append((path, model, (path / "config.json").is_file()))
        if self.breaks:
            raise RuntimeError("no connection")
        (path / "notes.txt").write_text("kept")


@pytest.mark.parametrize("breaks", [False, True])
def test_a_plugin_is_called_once_the_model_is_saved(recipe, folder, monkeypatch, breaks):
    log = []
    lifecycle = activate([NotesSaved(log, breaks)])
    monkeypatch.setattr("quaterion_core.recipe.preparation.activate", lambda names, **_: lifecycle)
    fit_recipe(recipe(), write=quiet)
    assert log == []  # nothing is saved without an output folder
    if breaks:
        with pytest.raises(RuntimeError, match="no connection"):
            fit_recipe(recipe(), folder / "model", write=quiet)
    else:
        fit_recipe(recipe(), folder / "model", write=quiet)
        assert (folder / "model" / "notes.txt").read_text() == "kept"
    ((path, model, was_saved),) = log
    assert path == folder / "model"
    assert was_saved
    assert type(model) is SimilarityModel
    assert SimilarityModel.load(path).encode(["card"]).shape == model.encode(["card"]).shape


def test_checking_and_evaluating_import_no_lightning(recipe, folder, run_python):
    fit_recipe(recipe(), folder / "model", write=quiet)
    (folder / "wrong.yaml").write_text(
        recipe().read_text().replace("name: triplet", "name: tripplet").split("trainer:")[0]
    )
    code = """
import sys
import conftest
from quaterion_core import evaluate_recipe, fit_recipe
from quaterion_core.cli import main
try:
    fit_recipe(sys.argv[1] + "/wrong.yaml")
except ValueError as error:
    print("tripplet" in str(error))
print(evaluate_recipe(sys.argv[1] + "/model").metrics.keys())
main(["search", sys.argv[1] + "/model", "card"], standalone_mode=False)
print({"pytorch_lightning", "torchmetrics", "transformers"} & sys.modules.keys())
"""
    result = run_python("-c", code, folder, path=[Path(__file__).parent, *sys.path])
    lines = result.stdout.splitlines()
    assert lines[:2] == ["True", "dict_keys(['retrieval_r_precision'])"]
    assert lines[-1] == "set()"


def test_an_encoder_of_a_folder_beside_the_recipe_is_found(recipe, folder, vector_encoder):
    """A string is a path if a file or folder exists there, else the name of a model on a hub."""
    from quaterion_core.encoders import Encoder
    from quaterion_core.recipe.paths import spelled_out

    class Loads(Encoder):
        def __init__(self, model: str | Path, pooling: str = "mean"): ...

    registry.register("encoder", "loads", Loads)
    (folder / "all-MiniLM").mkdir()
    choice = {"name": "local/loads", "model": "all-MiniLM", "pooling": "all-MiniLM"}
    assert spelled_out("encoder", choice, folder)["model"] == str(folder / "all-MiniLM")
    assert spelled_out("encoder", choice, folder)["pooling"] == "all-MiniLM"
    choice["model"] = "sentence-transformers/all-MiniLM-L6-v2"
    assert spelled_out("encoder", choice, folder) == choice


def test_the_report_has_what_the_run_was_made_of(recipe, folder):
    result = fit_recipe(recipe(("epochs: 2", "epochs: 2\nseed: 3")), folder / "model", write=quiet)
    report = json.loads((folder / "model" / "report.json").read_text())
    assert {name: split["samples"] for name, split in report["data"].items()} == {
        "train": 9,
        "validation": 6,
    }
    assert report["seed"] == 3
    assert report["device"]["type"] == "cpu"
    assert {"python", "torch", "pytorch-lightning", "quaterion-core"} <= report["versions"].keys()
    assert report["command"]
    assert [epoch["epoch"] for epoch in report["history"]] == [1, 2]
    assert result.report() == report


def test_a_run_is_repeated_from_its_folder_with_the_same_weights(recipe, folder, monkeypatch):
    fit_recipe(recipe(("epochs: 2", "epochs: 2\nseed: 3")), folder / "model", write=quiet)
    monkeypatch.chdir(folder.parent)
    lines = []
    fit_recipe(folder / "model" / "recipe.yaml", folder / "again", write=lines.append)
    first, second = (SimilarityModel.load(folder / name) for name in ("model", "again"))
    for key, weights in first.state_dict().items():
        assert (weights == second.state_dict()[key]).all(), key
    reports = [json.loads((folder / n / "report.json").read_text()) for n in ("model", "again")]
    assert reports[0]["data"] == reports[1]["data"]
    assert reports[0]["history"] == reports[1]["history"]
    assert not any("changed" in line for line in lines)


def test_data_that_are_not_those_of_the_run_that_is_repeated_are_named(recipe, folder):
    fit_recipe(recipe(), folder / "model", write=quiet)
    changed = (folder / "val.csv").read_text().replace("refund the fee", "refund a fee")
    (folder / "val.csv").write_text(changed)
    lines = []
    fit_recipe(folder / "model" / "recipe.yaml", folder / "again", write=lines.append)
    assert "The data differ from those of the repeated run: validation changed." in lines


@pytest.mark.parametrize("monitor", ["retrieval_r_precision", "validation_loss", "train_loss"])
def test_the_weights_of_the_best_epoch_are_kept(recipe, folder, monitor):
    path = recipe(("epochs: 2", f"epochs: 6\nkeep_best: {monitor}"), ("lr: 0.01", "lr: 0.3"))
    result = fit_recipe(path, folder / "model", write=quiet)
    logged = f"{monitor}_validation" if monitor == "retrieval_r_precision" else monitor
    best = max if monitor == "retrieval_r_precision" else min
    values = [epoch[logged] for epoch in result.history]
    assert result.best_epoch == values.index(best(values)) + 1
    recipe(("epochs: 6", f"epochs: {result.best_epoch}"), (f"keep_best: {monitor}\n", ""))
    shorter = fit_recipe(path, write=quiet)
    texts = ["lost card", "new pin"]
    assert (shorter.model.encode(texts) == result.model.encode(texts)).all()
    if monitor == "retrieval_r_precision":
        assert result.after["retrieval_r_precision"] == pytest.approx(best(values), abs=1e-6)
