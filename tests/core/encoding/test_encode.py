"""Embeddings as values of several types, of any iterable, without the objects that fail."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

from quaterion_core import SimilarityModel
from quaterion_core.encoders import Encoder
from quaterion_core.encoding import SkippedWarning, blocks
from quaterion_core.heads import EmptyHead
from quaterion_core.plugins import register_encoder
from quaterion_core.storage import InvalidFolderError
from quaterion_core.utils.objects import about_object

SIZE = 12


@register_encoder("hashed-letters")
class HashedLetters(Encoder):
    """Embeddings of texts by their letters; refuses texts with ``!``, and is NaN for ``nan``."""

    trainable, embedding_size = False, SIZE

    def __init__(self):
        super().__init__()
        self.batches = []

    def get_collate_fn(self):
        return collate

    def get_length_fn(self):
        return lambda texts: [len(text) for text in texts]

    def forward(self, batch):
        self.batches.append(len(batch))
        return batch

    def get_config_dict(self):
        return {}


def collate(texts):
    for index, text in enumerate(texts):
        if "!" in text:
            raise about_object(ValueError(f"Object {index} has an exclamation mark."), index)
        if "?" in text:
            raise ValueError("There is a question mark.")  # of an object that is not named
    rows = torch.zeros(len(texts), SIZE)
    for row, text in enumerate(texts):
        for place, letter in enumerate(text):
            rows[row, ord(letter) % SIZE] += (-1) ** place * (1 + place)
        if text == "nan":
            rows[row, 0] = torch.nan
    return rows


TEXTS = [f"{'ab' * (n % 7)}{chr(97 + n % 26)}{n}" for n in range(300)]


@pytest.fixture
def model():
    return SimilarityModel(HashedLetters(), EmptyHead(SIZE))


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of 40 objects."""
    monkeypatch.setattr(blocks, "BLOCK", 40)
    monkeypatch.setattr(blocks, "_BATCHES", 2)


@pytest.fixture
def expected():
    return collate(TEXTS).numpy()


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(
    "form",
    [list, iter, np.array, pd.Series, pl.Series, lambda texts: (text for text in texts)],
    ids=["list", "iterator", "array", "pandas", "polars", "generator"],
)
@pytest.mark.parametrize("num_workers", [0, 2])
def test_order_is_kept_across_blocks(model, expected, form, num_workers):
    found = model.encode(form(TEXTS), batch_size=8, num_workers=num_workers)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.usefixtures("small_blocks")
def test_iterator_is_read_block_by_block(model):
    read = []

    def texts():
        for text in TEXTS:
            read.append(len(model.encoders["default"].batches))
            yield text

    model.encode(texts(), batch_size=20)
    assert read[39] == 0
    assert read[40] == 2  # both batches of the first block are embedded before the next is read


def test_normalize_follows_truncation(model, expected):
    expected = expected[:, :5] + 0.0
    expected /= np.maximum(np.linalg.norm(expected, axis=1, keepdims=True), 1e-12)
    found = model.encode(TEXTS, dim=5, normalize=True)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_float16_and_binary(model, expected):
    half = model.encode(TEXTS, dtype="float16")
    np.testing.assert_array_equal(half, expected.astype(np.float16))
    bits = model.encode(TEXTS, dtype="binary")
    np.testing.assert_array_equal(bits, np.packbits(expected > 0, axis=1))
    assert bits.shape == (300, 2)
    tensor = model.encode(TEXTS, dtype="binary", to_numpy=False)
    assert tensor.dtype == torch.uint8


def test_int8_is_within_half_a_step_of_the_calibrated_range(model, expected, tmp_path):
    with pytest.raises(ValueError, match="not calibrated"):
        model.encode(TEXTS, dtype="int8")
    fingerprint = model.fingerprint()
    model.calibrate_int8(TEXTS)
    assert model.fingerprint() == fingerprint
    model.save(tmp_path / "model")
    loaded = SimilarityModel.load(tmp_path / "model")
    codes = loaded.encode(TEXTS, dtype="int8")
    assert codes.dtype == np.int8
    step = (expected.max(axis=0) - expected.min(axis=0)) / 255
    back = loaded.calibration.dequantized(torch.from_numpy(codes)).numpy()
    assert (np.abs(back - expected) <= step / 2 + 1e-5).all()
    np.testing.assert_array_equal(loaded.encode(TEXTS, dtype="int8", dim=4), codes[:, :4])
    with pytest.raises(ValueError, match="normalize=True"):
        loaded.encode(TEXTS, dtype="int8", normalize=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"low": [0.0]}, "a low and a high value"),
        ({"high": [-1e9] * SIZE}, "a low and a high value"),
        ({"more": 1}, "Extra inputs"),
        ({"normalize": 1}, "valid boolean"),
        ({"low": [0.0] * 20, "high": [1.0] * 20}, "20 dimensions"),
    ],
)
def test_calibration_that_was_tampered_with_is_refused(model, tmp_path, change, message):
    from quaterion_core import model_folder

    model.calibrate_int8(TEXTS)
    path = tmp_path / "model"
    model.save(path)
    file = path / "calibration" / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(InvalidFolderError, match="checksum differs"):
        SimilarityModel.load(path)
    config = json.loads((path / "config.json").read_text())
    del config["checksum"]
    config["files"] = {
        name: digest for name, digest in model_folder.folder_checksums(path).items() if "/" in name
    }
    config["checksum"] = model_folder._digest(config)
    (path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InvalidFolderError, match=message):
        SimilarityModel.load(path)


def test_calibration_is_replaced_within_a_saved_model(model, tmp_path):
    from quaterion_core.model_folder import save_calibration

    path = tmp_path / "model"
    model.save(path, notes={"README.md": "Read me."})
    model.calibrate_int8(TEXTS)
    save_calibration(path, model.calibration)
    save_calibration(path, model.calibration)
    assert (path / "README.md").read_text() == "Read me."
    np.testing.assert_array_equal(
        SimilarityModel.load(path).encode(TEXTS, dtype="int8"), model.encode(TEXTS, dtype="int8")
    )


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("num_workers", [0, 2])
def test_objects_that_fail_are_skipped_and_named(model, num_workers):
    texts = list(TEXTS)
    bad = {3: "oh!", 57: "why?", 58: "who?", 120: None, 130: 7, 299: "nan"}
    for position, given in bad.items():
        texts[position] = given
    skipped = []
    found = model.encode(texts, 8, on_error=skipped.append, num_workers=num_workers)
    assert {one.position: one.name for one in skipped} == {p: repr(g) for p, g in bad.items()}
    reasons = {one.position: one.reason for one in skipped}
    assert reasons[3] == "Object 3 has an exclamation mark."
    assert "NaN" in reasons[299]
    good = [text for position, text in enumerate(texts) if position not in bad]
    np.testing.assert_array_equal(found, collate(good).numpy())
    with pytest.warns(SkippedWarning, match="6 objects could not be embedded") as warned:
        model.encode(texts, on_error="skip")
    assert sorted(one.position for one in warned[0].message.skipped) == sorted(bad)
    with pytest.raises(ValueError, match="None at position 120"):
        model.encode(texts)
    texts[120] = "a"
    with pytest.raises((ValueError, TypeError), match=r"Object 3 |int"):
        model.encode(texts, 8, num_workers=num_workers)


def test_no_rows_if_all_objects_are_skipped(model):
    assert model.encode(["!", "?"], on_error=lambda _: None, dtype="binary").shape == (0, 2)


def test_faults_of_the_model_are_raised_even_if_objects_are_skipped(model, monkeypatch):
    monkeypatch.setattr(HashedLetters, "forward", lambda self, batch: batch[:, :3])
    with pytest.raises(ValueError, match="embedding_size"):
        model.encode(TEXTS, on_error="skip")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"batch_size": 0}, ValueError, "batch_size"),
        ({"batch_size": -1}, ValueError, "batch_size"),
        ({"batch_size": 1.5}, TypeError, "batch_size"),
        ({"dtype": "int4"}, ValueError, "float32, float16, int8, binary"),
        ({"on_error": "ignore"}, ValueError, "on_error"),
        ({"num_workers": -1}, ValueError, "num_workers"),
        ({"num_workers": 0.5}, TypeError, "num_workers"),
        ({"dim": 0}, ValueError, "dim"),
        ({"dim": 2.0}, TypeError, "dim"),
    ],
)
def test_wrong_arguments_are_refused(model, arguments, error, message):
    with pytest.raises(error, match=message):
        model.encode(TEXTS, **arguments)
    if "batch_size" not in arguments:
        with pytest.raises(error, match=message):
            model.encode_to(Path("vectors.npy"), TEXTS, **arguments)


def test_values_beyond_float16_are_an_error(model, monkeypatch):
    monkeypatch.setattr(HashedLetters, "forward", lambda self, batch: batch + 1e6)
    with pytest.raises(ValueError, match="largest float16"):
        model.encode(TEXTS, dtype="float16")
