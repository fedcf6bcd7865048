"""Faults of a recipe that are found before torch is imported."""

import re
import subprocess
import sys

import pytest

from quaterion_core.recipe import RecipeError, check_recipe
from quaterion_core.recipe.early import check_early

EARLY = [
    ("epochs: 2", "epoch: 2"),
    ("epochs: 2", "epochs: two"),
    ("loss: {name: triplet, mining: all}", "loss: tripplet"),
    ("mining: all", "minning: all"),
    ("mining: all", "margin: big"),
    ("output_size: 8", "output_size: wide"),
    ("output_size: 8", "initial: identity"),
    ("name: adam,", "name: addam,"),
    ("lr: 0.01", 'lr: "0.01"'),
    ("epochs: 2", "schedule: {name: cosine, warmup: 1}"),
    ("epochs: 2", "batch_sampler: {name: groups, samples_per_group: two}"),
    ("epochs: 2", "loader: {num_worker: 2}"),
    ("cpu, ", "cpu, acumulate_grad_batches: 2, "),
    ("[retrieval-r-precision]", "[retreival-r-precision]"),
    ("train: train.csv", "train: trian.csv"),
    ("{train: train.csv, validation: val.csv}", "data.csv"),
    ("obj: text", "object: text"),
]


@pytest.mark.parametrize(("old", "new"), EARLY)
def test_the_early_check_says_what_the_full_check_says(recipe, old, new):
    path = recipe((old, new))
    with pytest.raises(RecipeError) as early:
        check_early(path)
    with pytest.raises(RecipeError) as full:
        check_recipe(path)
    said = {(fault.place, fault.message) for fault in full.value.faults}
    assert {(fault.place, fault.message) for fault in early.value.faults} <= said


def test_a_right_recipe_has_no_early_faults(recipe):
    check_early(recipe())
    check_early(recipe(("train: train.csv", "train: 'tr*.csv'")))
    check_early(recipe(("cpu", "cpu, logger: false, callbacks: timer")))


def test_all_early_faults_are_reported_at_once(recipe):
    path = recipe(("epochs: 2", "epoch: 2"), ("mining", "minning"), ("train.csv", "trian.csv"))
    with pytest.raises(RecipeError, match="3 faults"):
        check_early(path)


def test_loggers_and_callbacks_are_looked_up_early(recipe):
    trainer = "cpu, logger: tensorbord, callbacks: [early-stoping, timer]"
    with pytest.raises(RecipeError, match="2 faults") as early:
        check_early(recipe(("cpu", trainer)))
    assert "trainer.logger: There is no logger 'tensorbord'" in str(early.value)
    assert "trainer.callbacks.0: There is no callback 'early-stoping'" in str(early.value)


def test_the_early_check_imports_no_torch(recipe):
    path = recipe(("mining: all", "margin: big"), ("encoder: local/letters\n", ""))
    code = (
        "import sys; from quaterion_core.cli import main\n"
        f"try: main(['fit', {str(path)!r}, '--check'])\n"
        "except SystemExit as error: assert error.code == 1, error\n"
        "assert not {'torch', 'pytorch_lightning', 'pandas'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Expected a number of at least 0, got 'big'" in done.stderr


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (
            "loss: {name: triplet, margin: -1}",
            "loss.margin: Expected a number of at least 0, got -1",
        ),
        ("head: {name: gated, dropout: 1.5}", "head.dropout: Expected a number of at least 0 and"),
        ("metrics: [{name: recall-at-k, k: 0}]", "metrics.0.k: Expected an integer of at least 1"),
        ("encoder: {name: static, vocab_size: 0}", "encoder.vocab_size: Expected an integer of"),
        ("metrics: [{name: tar-at-far, far: 2}]", "metrics.0.far: Expected a number of at least 0"),
    ],
)
def test_values_out_of_range_are_found_early(tmp_path, section, message):
    key = section.partition(":")[0]
    lines = {
        "data": "data: {name: jsonl, files: {train: a.jsonl}, obj: a, group: b}",
        "encoder": "encoder: static",
        "loss": "loss: triplet",
        key: section,
    }
    (tmp_path / "a.jsonl").write_text('{"a": "x", "b": 1}')
    (tmp_path / "recipe.yaml").write_text("\n".join(lines.values()))
    with pytest.raises(RecipeError, match=re.escape(message)):
        check_early(tmp_path / "recipe.yaml")
