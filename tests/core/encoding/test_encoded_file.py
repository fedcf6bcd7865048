"""Files of embeddings are complete or not there, and go on where an earlier run stopped."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner

from quaterion_core import SimilarityModel
from quaterion_core.cli import main
from quaterion_core.encoders import Encoder
from quaterion_core.encoding import Shard, SkippedWarning, blocks
from quaterion_core.heads import EmptyHead
from quaterion_core.plugins import register_encoder
from quaterion_core.storage import OutputExistsError


@register_encoder("lengths-and-letters")
class LengthsAndLetters(Encoder):
    """Length and first letter of texts; refuses empty ones."""

    trainable, embedding_size = False, 3
    embedded = 0

    def get_collate_fn(self):
        return lambda texts: torch.tensor([[len(t), ord(t[0]), ord(t[-1])] for t in texts]).float()

    def forward(self, batch):
        LengthsAndLetters.embedded += len(batch)
        return batch

    def get_config_dict(self):
        return {}


TEXTS = [f"text {n:03} {'x' * (n % 9)}" for n in range(130)]


@pytest.fixture
def model(monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 20)
    monkeypatch.setattr(blocks, "_BATCHES", 2)
    return SimilarityModel(LengthsAndLetters(), EmptyHead(3))


def stopping(texts, after):
    """Yield texts, and be interrupted."""
    yield from texts[:after]
    raise KeyboardInterrupt


def read(path):
    if path.suffix == ".npy":
        return np.load(path, mmap_mode="r")
    column = pq.read_table(path).column("embedding").combine_chunks()
    return column.flatten().to_numpy().reshape(len(column), column.type.list_size)


@pytest.mark.parametrize("suffix", [".npy", ".parquet"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "binary"])
def test_file_equals_the_array(model, tmp_path, suffix, dtype):
    model.calibrate_int8(TEXTS)
    path = tmp_path / f"vectors{suffix}"
    encoded = model.encode_to(path, iter(TEXTS), 7, dtype=dtype)
    expected = model.encode(TEXTS, dtype=dtype)
    assert (encoded.rows, encoded.columns) == expected.shape
    found = read(path)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)
    assert sorted(file.name for file in tmp_path.iterdir()) == [path.name, f"{path.name}.json"]


@pytest.mark.parametrize("suffix", [".npy", ".parquet"])
def test_interrupted_run_goes_on_where_it_stopped(model, tmp_path, suffix):
    path, whole = tmp_path / f"vectors{suffix}", tmp_path / f"whole{suffix}"
    model.encode_to(whole, TEXTS, 10)
    with pytest.raises(KeyboardInterrupt):
        model.encode_to(path, stopping(TEXTS, 70), 10)
    assert not path.exists()
    LengthsAndLetters.embedded = 0
    encoded = model.encode_to(path, iter(TEXTS), 10)
    assert (encoded.resumed, LengthsAndLetters.embedded) == (60, 70)
    assert path.read_bytes() == whole.read_bytes()
    assert model.encode_to(path, iter(TEXTS), 10).resumed == 130
    assert LengthsAndLetters.embedded == 70


def test_rows_after_the_last_commit_are_dropped(model, tmp_path):
    path = tmp_path / "vectors.npy"
    with pytest.raises(KeyboardInterrupt):
        model.encode_to(path, stopping(TEXTS, 70), 10)
    with (tmp_path / "vectors.npy.part/rows.npy").open("ab") as stream:
        stream.write(b"half of a row")
    model.encode_to(path, TEXTS, 10)
    np.testing.assert_array_equal(np.load(path), model.encode(TEXTS))


@pytest.mark.parametrize(
    ("texts", "options"),
    [
        (["other", *TEXTS[1:]], {}),
        (TEXTS[:30], {}),
        (TEXTS, {"dtype": "float16"}),
        (TEXTS, {"dim": 2}),
        (TEXTS, {"normalize": True}),
        (TEXTS, {"shard": Shard(0, 2)}),
        (TEXTS, {"fingerprint": "00"}),
    ],
)
@pytest.mark.parametrize("is_complete", [False, True])
def test_another_job_is_refused_and_loses_nothing(model, tmp_path, texts, options, is_complete):
    path = tmp_path / "vectors.npy"
    if is_complete:
        model.encode_to(path, TEXTS, 10)
    else:
        with pytest.raises(KeyboardInterrupt):
            model.encode_to(path, stopping(TEXTS, 70), 10)
    with pytest.raises(OutputExistsError, match="overwrite=True"):
        model.encode_to(path, texts, 10, **options)
    assert model.encode_to(path, TEXTS, 10).resumed == (130 if is_complete else 60)
    model.encode_to(path, texts, 10, overwrite=True, **options)
    options = {key: options[key] for key in options if key in ("dtype", "dim", "normalize")}
    expected = model.encode(texts, **options)
    found = np.load(path)
    np.testing.assert_array_equal(found, expected[::2] if len(found) < len(expected) else expected)


def test_more_objects_than_a_complete_file_has_are_refused(model, tmp_path):
    model.encode_to(tmp_path / "vectors.npy", TEXTS)
    with pytest.raises(OutputExistsError, match="complete with 130 objects"):
        model.encode_to(tmp_path / "vectors.npy", [*TEXTS, "more"])


def test_file_of_something_else_is_refused(model, tmp_path):
    path = tmp_path / "vectors.npy"
    path.write_bytes(b"mine")
    with pytest.raises(OutputExistsError, match="already exists"):
        model.encode_to(path, TEXTS)
    assert path.read_bytes() == b"mine"
    assert [file.name for file in tmp_path.iterdir()] == ["vectors.npy"]


def test_shards_are_the_whole(model, tmp_path):
    whole = model.encode(TEXTS)
    for number in range(3):
        path = tmp_path / f"{number}.parquet"
        model.encode_to(path, iter(TEXTS), shard=Shard(number, 3), ids=(t[5:8] for t in TEXTS))
        table = pq.read_table(path)
        positions = table.column("position").to_pylist()
        assert positions == list(range(number, 130, 3))
        assert table.column("id").to_pylist() == [TEXTS[position][5:8] for position in positions]
        assert table.column("object").to_pylist() == [TEXTS[position] for position in positions]
        np.testing.assert_array_equal(read(path), whole[number::3])


def test_skipped_objects_are_recorded_across_runs(model, tmp_path):
    texts = list(TEXTS)
    texts[5] = texts[100] = ""
    path = tmp_path / "vectors.parquet"
    with pytest.raises(KeyboardInterrupt):
        model.encode_to(path, stopping(texts, 70), on_error=lambda _: None)
    with pytest.warns(SkippedWarning):
        encoded = model.encode_to(path, texts, on_error="skip")
    assert [one.position for one in encoded.skipped] == [5, 100]
    record = json.loads(Path(f"{path}.json").read_text())
    assert [one["position"] for one in record["skipped"]] == [5, 100]
    kept = [n for n in range(130) if n not in (5, 100)]
    assert pq.read_table(path).column("position").to_pylist() == kept


def test_no_objects(model, tmp_path):
    for suffix in (".npy", ".parquet"):
        encoded = model.encode_to(tmp_path / f"none{suffix}", [])
        assert (encoded.rows, len(read(encoded.path))) == (0, 0)


def test_wrong_outputs_and_ids_are_refused(model, tmp_path):
    with pytest.raises(ValueError, match=r"\.npy or \.parquet"):
        model.encode_to(tmp_path / "vectors.txt", TEXTS)
    with pytest.raises(FileNotFoundError, match="no folder"):
        model.encode_to(tmp_path / "missing/vectors.npy", TEXTS)
    with pytest.raises(ValueError, match="as many ids"):
        model.encode_to(tmp_path / "vectors.npy", TEXTS, ids=["a"])
    with pytest.raises(ValueError, match="between 0 and 3"):
        Shard(4, 4)
    with pytest.raises(ValueError, match="such as 0/4"):
        Shard.parse("one of four")


def test_two_processes_do_not_write_one_file(model, tmp_path):
    path = tmp_path / "vectors.npy"

    def texts():
        with pytest.raises(OutputExistsError, match="Another process"):
            model.encode_to(path, TEXTS)
        yield from TEXTS

    assert model.encode_to(path, texts()).rows == 130


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def saved(model, tmp_path):
    model.save(tmp_path / "model")
    return tmp_path / "model"


def test_command(saved, model, tmp_path):
    data = tmp_path / "data.csv"
    data.write_text("text,code\n" + "".join(f"{text},c{n}\n" for n, text in enumerate(TEXTS)))
    output = tmp_path / "vectors.parquet"
    arguments = "encode", saved, data, "-o", output, "--id", "code", "--shard", "1/2", "--normalize"
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    assert "embeddings (65, 3), float32" in result.output
    np.testing.assert_array_equal(read(output), model.encode(TEXTS, normalize=True)[1::2])
    assert pq.read_table(output).column("id").to_pylist()[:2] == ["c1", "c3"]
    assert "65 objects were done before" in run(*arguments).output
    result = run(*arguments, "--dim", 2)
    assert result.exit_code == 1
    assert "--overwrite" in result.output
    lines = tmp_path / "lines.txt"
    lines.write_text("\n".join(TEXTS))
    result = run("encode", saved, lines, "-o", tmp_path / "v.npy", "--dtype", "int8", "--calibrate")
    assert result.exit_code == 0, result.output
    loaded = SimilarityModel.load(saved)
    np.testing.assert_array_equal(np.load(tmp_path / "v.npy"), loaded.encode(TEXTS, dtype="int8"))


def test_command_that_is_killed_goes_on(saved, tmp_path):
    texts = [f"{n} {'x' * (n % 9)}" for n in range(600)]
    data, output = tmp_path / "lines.txt", tmp_path / "vectors.npy"
    data.write_text("\n".join(texts))
    script = textwrap.dedent("""
        import os, signal, sys
        import test_encoded_file as module
        from quaterion_core.cli import main
        from quaterion_core.encoding import blocks

        blocks.BLOCK, blocks._BATCHES = 50, 1
        forward = module.LengthsAndLetters.forward

        def killed(self, batch):
            if module.LengthsAndLetters.embedded >= 300:
                os.kill(os.getpid(), signal.SIGKILL)
            return forward(self, batch)

        module.LengthsAndLetters.forward = killed
        main()
    """)
    paths = [str(Path(__file__).parent), *sys.path]
    found = subprocess.run(
        [sys.executable, "-c", script, "encode", saved, data, "-o", output, "--batch-size", "10"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert found.returncode == -signal.SIGKILL, found.stderr
    assert not output.exists()
    result = run("encode", saved, data, "-o", output, "--batch-size", 10)
    assert result.exit_code == 0, result.output
    assert "300 objects were done before" in result.output
    np.testing.assert_array_equal(np.load(output), SimilarityModel.load(saved).encode(texts))


def test_ray_writes_the_shards(tmp_path):
    ray = pytest.importorskip("ray")
    from quaterion_nlp.encoders.static_encoder import StaticEncoder  # registered in all processes

    model = SimilarityModel(StaticEncoder.from_data(TEXTS, embedding_size=8), EmptyHead(8))
    model.save(tmp_path / "model")
    data, output = tmp_path / "lines.txt", tmp_path / "vectors.parquet"
    data.write_text("\n".join(TEXTS))
    environment = {"PYTHONPATH": os.pathsep.join(sys.path), "RAY_DATA_DISABLE_PROGRESS_BARS": "1"}
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False,
             runtime_env={"env_vars": environment})  # fmt: skip
    try:
        arguments = "encode", tmp_path / "model", data, "-o", output
        result = run(*arguments, "--engine", "ray", "--shards", 2)
    finally:
        ray.shutdown()
    assert result.exit_code == 0, result.output
    for number in range(2):
        path = tmp_path / f"vectors-{number}-of-2.parquet"
        expected = model.encode([text.strip() for text in TEXTS])[number::2]
        np.testing.assert_allclose(read(path), expected, rtol=1e-6)
    result = run(*arguments, "--engine", "ray")
    assert "--shards N" in result.output
