"""Tests that all errors of a recipe are reported at once, before anything runs."""

import pytest
import torch

from quaterion_core.plugins import register_loss
from quaterion_core.recipe import RecipeError, check_recipe, read_recipe


def faults_of(recipe, *arguments, **options):
    with pytest.raises(RecipeError) as caught:
        check_recipe(recipe, *arguments, **options)
    return {".".join(map(str, fault.place)): fault.message for fault in caught.value.faults}


def test_a_right_recipe_passes_and_nothing_is_written(recipe, folder):
    check_recipe(recipe(), folder / "model")
    assert sorted(path.name for path in folder.iterdir()) == ["recipe.yaml", "train.csv", "val.csv"]


def test_faults_of_all_kinds_are_listed_together_by_line(recipe, folder):
    path = recipe(
        ("{train: train.csv, validation: val.csv}", "data.csv"),
        ("output_size: 8", "output_siz: 8"),
        ("triplet", "tripplet"),
        ("retrieval-r-precision", "{name: retrieval-r-precision, distance_metric_name: cosin}"),
        ("name: adam,", "name: addam,"),
        ("epochs: 2", "epoch: 2"),
        ("batch_size: 9", "batch_size: nine"),
        ("cpu,", "cpu, devices: two,"),
    )
    (folder / "model").write_text("a file")
    with pytest.raises(RecipeError) as caught:
        check_recipe(path, folder / "model")
    places = [".".join(map(str, fault.place)) for fault in caught.value.faults]
    assert places == [
        "", "data.files", "head.output_siz", "head", "loss", "metrics.0.distance_metric_name",
        "optimizer", "epoch", "batch_size", "trainer.devices",
    ]  # fmt: skip
    lines = str(caught.value).splitlines()
    assert lines[0] == f"{path} cannot be run (10 faults):"
    assert lines[2].startswith("  - line 4, data.files: ")
    assert lines[9].startswith("  - line 13, batch_size: Expected an integer of at least 1")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_told_before_the_data_are_read(recipe):
    assert "got 'gpu'" in faults_of(recipe(("cpu", "gpu")))["trainer.accelerator"]


def test_a_monitored_loss_of_validation_needs_a_validation_split(recipe):
    path = recipe(("epochs: 2", "splits: {validation: null}\nearly_stopping: {}"))
    assert "Expected a validation split" in faults_of(path)["early_stopping.monitor"]


@pytest.mark.parametrize("name", ["retrieval_r_precision", "retrieval_r_precision_validation"])
def test_a_metric_is_monitored_under_the_name_that_the_table_gives_it(recipe, name):
    from quaterion_core.recipe.preparation import prepare

    path = recipe(("epochs: 2", f"early_stopping: {{monitor: {name}}}"))
    callbacks = prepare(path).trainer.trainer.callbacks
    (stopping,) = [c for c in callbacks if type(c).__name__ == "EarlyStopping"]
    assert (stopping.monitor, stopping.mode) == ("retrieval_r_precision_validation", "max")


def test_an_output_that_cannot_be_written_is_told_first(recipe, folder):
    (folder / "file").write_text("no folder")
    assert "got the file" in faults_of(recipe(), folder / "file" / "model")[""]
    (folder / "thesis").mkdir()
    (folder / "thesis" / "chapter.tex").write_text("It was")
    found = faults_of(recipe(("triplet", "tripplet")), folder / "thesis")
    assert found.keys() == {"", "loss"}


def test_what_the_constructor_of_a_component_raises_is_a_fault(recipe):
    @register_loss("explosive")
    class Explosive:
        def __init__(self, fuse: int = 3):
            if fuse < 3:
                raise RuntimeError("too short")

        @classmethod
        def from_config(cls, config):
            return cls(**config)

    path = recipe(("{name: triplet, mining: all}", "{name: local/explosive, fuse: 1}"))
    assert faults_of(path) == {"loss": "RuntimeError: too short"}


def test_reading_a_recipe_looks_at_no_files(recipe, folder):
    (folder / "train.csv").unlink()
    assert read_recipe(recipe()).epochs == 2
    assert "train.csv" in faults_of(recipe())["data"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (7, "Expected a recipe as the path"),
        ({"data": object()}, "data: Expected plain data"),
        ("data: [\n", "The recipe is not valid YAML"),
    ],
)
def test_what_is_no_recipe_is_refused(given, message):
    with pytest.raises(RecipeError, match=message):
        read_recipe(given)


def test_a_recipe_in_another_encoding_is_a_message(folder):
    (folder / "recipe.yaml").write_bytes("data: ä\n".encode("latin-1"))
    with pytest.raises(RecipeError, match=r"to be a text file in UTF-8.*byte 6"):
        read_recipe(folder / "recipe.yaml")
