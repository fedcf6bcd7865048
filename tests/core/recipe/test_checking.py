"""Everything that is wrong with a recipe is found before anything is done, and all at once."""

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


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        ("lr: 0.01", 'lr: "0.01"', "optimizer.lr", "the string '0.01'; write it without quotes"),
        ("lr: 0.01", "lr: -1", "optimizer", "Invalid learning rate: -1"),
        ("lr: 0.01", "lr: yes please", "optimizer.lr", "Expected a number"),
        ("lr: 0.01", "wieght_decay: 1", "optimizer.wieght_decay", "did you mean 'weight_decay'?"),
        ("name: adam,", "name: addam,", "optimizer", "did you mean 'adam'?"),
        ("lr: 0.01", "parts: {hed: {lr: 1}}", "optimizer.parts.hed", "did you mean 'head'?"),
        ("lr: 0.01", "parts: {head: {lr: x}}", "optimizer.parts.head.lr", "Expected a number"),
        ("lr: 0.01", "parts: head", "optimizer.parts", "Expected a mapping from parts"),
        ("epochs: 2", "schedule: cosin", "schedule", "did you mean 'cosine'?"),
        ("epochs: 2", "schedule: {name: cosine, warmup: 1}", "schedule.warmup", "'warm_up'?"),
        ("epochs: 2", "schedule: {name: cosine, warm_up: 2}", "schedule.warm_up", "less than 1"),
        ("epochs: 2", "batch_sampler: group", "batch_sampler", "did you mean 'groups'?"),
        ("epochs: 2", "batch_sampler: 7", "batch_sampler", "Expected the name of a batch sampler"),
        (
            "epochs: 2",
            "batch_sampler: {name: groups, samples_per_group: two}",
            "batch_sampler.samples_per_group",
            "Expected an integer, got 'two'",
        ),
        ("epochs: 2", "epochs: '2'", "epochs", "the string '2'; write it without quotes"),
        ("epochs: 2", "epochs: 2.5", "epochs", "Expected an integer of at least 1, got 2.5"),
        ("epochs: 2", "epochs: true", "epochs", "Expected an integer"),
        ("epochs: 2", "seed: -1", "seed", "at least 0"),
        ("epochs: 2", "xbm: {bufer_size: 8}", "xbm.bufer_size", "did you mean 'buffer_size'?"),
        ("epochs: 2", "xbm: {weight: heavy}", "xbm.weight", "Expected a number"),
        ("epochs: 2", "xbm: yes", "xbm", "Expected a mapping of weight, buffer_size"),
        ("epochs: 2", "cache: {type: tape}", "cache.type", "'disk'"),
        ("epochs: 2", "cache: {batch_size: 0}", "cache.batch_size", "at least 1, got 0"),
        ("epochs: 2", "splits: train", "splits", "Expected a mapping of train, validation"),
        ("epochs: 2", "splits: {train: trian}", "splits.train", "did you mean 'train'?"),
        ("epochs: 2", "splits: {reference: tst}", "splits.reference", "has no split 'tst'"),
        ("epochs: 2", "plugins: quaterion-nlp", "plugins", "Expected a list of strings"),
        ("epochs: 2", "plugins: [no-such-plugin]", "plugins", "no plugin 'no-such-plugin'"),
        ("epochs: 2", "loader: {num_worker: 2}", "loader.num_worker", "did you mean 'num_workers'"),
        ("epochs: 2", "loader: {num_workers: -1}", "loader", "num_workers"),
        ("epochs: 2", "loader: {shuffle: 'no'}", "loader.shuffle", "Expected true or false"),
        ("epochs: 2", "loader: {batch_size: 8}", "loader", "belongs to the top level"),
        ("epochs: 2", "grad_cache_chunk: 0", "grad_cache_chunk", "at least 1"),
        ("cpu, ", "gpuu, ", "trainer.accelerator", "gpuu"),
        ("cpu, ", "cpu, devices: two, ", "trainer.devices", "got 'two'"),
        ("cpu, ", "cpu, precision: bf17, ", "trainer.precision", "got 'bf17'"),
        ("cpu, ", "cpu, acumulate_grad_batches: 2, ", "trainer.acumulate_grad_batches", "did you"),
        (
            "cpu, ",
            "cpu, overfit_batches: big, ",
            "trainer.overfit_batches",
            "Expected a number",
        ),
        ("cpu, ", "cpu, max_epochs: 5, ", "trainer", "the same setting"),
        ("mining: all", "margin: big", "loss.margin", "Expected a number, got 'big'"),
        ("mining: all", "mining: al", "loss", "mining"),
        ("mining: all", "margin: -1", "loss", "margin"),
        ("loss: {name: triplet, mining: all}", "loss: tripplet", "loss", "did you mean 'triplet'?"),
        ("loss: {name: triplet, mining: all}", "loss: [triplet]", "loss", "Expected the name of"),
        ("loss: {name: triplet, mining: all}\n", "", "loss", "The key 'loss' is missing"),
        ("output_size: 8", "output_size: wide", "head.output_size", "Expected an integer"),
        ("output_size: 8", "initial: identity", "head", "needs 'output_size': expected an integer"),
        ("output_size: 8", "output_size: 8, dropout: 1.5", "head", "1.5"),
        ("output_size: 8", "output_size: 0", "head", "output_size"),
        ("{name: triplet, mining: all}", "{name: arcface, margin: 9}", "loss", "margin"),
        ("[retrieval-r-precision]", "retrieval-r-precision", "metrics", "Expected a list"),
        ("[retrieval-r-precision]", "[{name: knn-accuracy, k: 0}]", "metrics", "k"),
        (
            "[retrieval-r-precision]",
            "[retrieval-r-precision, retrieval-r-precision]",
            "metrics",
            "Two metrics are named",
        ),
        (
            "[retrieval-r-precision]",
            "{mine: {name: knn-accuracy, k: many}}",
            "metrics.mine.k",
            "Expected an integer",
        ),
        ("encoder: local/letters", "encoders: {}", "encoders", "at least one encoder"),
        ("encoder: local/letters\n", "", "encoders", "Expected either 'encoder' or 'encoders'"),
        ("encoder: local/letters", "encoder: {name: local/letters, size: 3}", "encoder.size", "no"),
        ("epochs: 2", "early_stopping: {monitor: validation_los}", "early_stopping.monitor", "did"),
        ("epochs: 2", "early_stopping: {mode: mni}", "early_stopping.mode", "did you mean 'min'?"),
        ("{train: train.csv, validation: val.csv}", "data.csv", "data.files", "{train: data.csv}"),
        ("train: train.csv", "train: trian.csv", "data", "trian.csv"),
        ("obj: text", "object: text", "data.object", "did you mean 'obj'?"),
        ("  obj: text  # what is said\n", "", "data", "obj"),
    ],
)
def test_a_fault_is_found_at_its_place(recipe, old, new, place, message):
    found = faults_of(recipe((old, new)))
    assert list(found) == [place]
    assert message in found[place]


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
    assert "is a file" in faults_of(recipe(), folder / "file" / "model")[""]
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
