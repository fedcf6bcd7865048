import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from quaterion_core.dataset import Document, Query, SimilarityPairSample
from quaterion_core.encoders import PrecomputedEncoder
from quaterion_core.encoders.vector_table import VectorTable
from quaterion_core.heads import EmptyHead
from quaterion_core.main import Quaterion
from quaterion_core.model import SimilarityModel
from quaterion_core.recipe import fit_recipe
from quaterion_core.serving import Index
from quaterion_core.storage import InvalidFolderError

VECTORS = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]


def embed(encoder, objects):
    return encoder(encoder.get_collate_fn()(objects)).tolist()


@pytest.fixture
def parquet(tmp_path):
    def write(name="vectors.parquet", **columns):
        columns = {"object": ["a", "b", "c"], "embedding": VECTORS, **columns}
        pq.write_table(pa.table(columns), tmp_path / name)
        return tmp_path / name

    return write


def test_texts_paths_and_ids_are_keys(parquet):
    encoder = PrecomputedEncoder(parquet(object=["a", "x/1.png", "7"]))
    assert embed(encoder, [7, Query("a"), "a", Path("x/1.png"), Document("a")]) == [
        [5.0, 6.0], [1.0, 2.0], [1.0, 2.0], [3.0, 4.0], [1.0, 2.0],
    ]  # fmt: skip
    assert embed(encoder, []) == []


def test_reads_what_encode_writes(tmp_path):
    source = PrecomputedEncoder(npz(tmp_path))
    model = SimilarityModel(source, EmptyHead(2))
    for dtype in ("float32", "float16"):
        file = tmp_path / f"{dtype}.parquet"
        model.encode_to(file, ["c", "a"], ids=["3", "1"], dtype=dtype)
        assert embed(PrecomputedEncoder(file), ["a", "c"]) == [VECTORS[0], VECTORS[2]]
        assert embed(PrecomputedEncoder(file, key_column="id"), [1, 3]) == [VECTORS[0], VECTORS[2]]


def npz(folder, **arrays):
    np.savez(folder / "v.npz", **{"object": ["a", "b", "c"], "embedding": VECTORS, **arrays})
    return folder / "v.npz"


@pytest.mark.parametrize("ending", [".json", ".jsonl", ".txt", ".npy"])
def test_numpy_with_a_file_of_keys(tmp_path, ending):
    keys = ["a", "an 'é'", "c"]
    np.save(tmp_path / "v.npy", np.float32(VECTORS))
    file = tmp_path / f"keys{ending}"
    if ending == ".npy":
        np.save(file, keys)
    else:
        lines = "\n".join(json.dumps(key) if ending == ".jsonl" else key for key in keys) + "\n"
        file.write_text(json.dumps(keys) if ending == ".json" else lines, encoding="utf-8")
    encoder = PrecomputedEncoder(tmp_path / "v.npy", keys=file)
    assert embed(encoder, ["an 'é'"]) == [[3.0, 4.0]]


def test_list_columns_of_any_kind(parquet):
    for kind in (pa.list_(pa.float64()), pa.large_list(pa.float32()), pa.list_(pa.float16(), 2)):
        values = [np.float16(row) for row in VECTORS] if "halffloat" in str(kind) else VECTORS
        file = parquet(embedding=pa.array(values, kind))
        assert embed(PrecomputedEncoder(file), ["b"]) == [[3.0, 4.0]]


def test_many_keys_are_told_apart():
    keys = [f"key {number}" for number in range(3000)]
    table = VectorTable(keys, np.arange(6000, dtype=np.float32).reshape(-1, 2), "here")
    wanted = [keys[7], "no key", keys[2999], keys[0]]
    rows = table.rows(wanted)
    assert rows.tolist() == [7, -1, 2999, 0]
    assert table[rows[[0, 2]]].tolist() == [[14.0, 15.0], [5998.0, 5999.0]]


def test_equal_keys_with_equal_vectors_are_one(parquet):
    encoder = PrecomputedEncoder(
        parquet(object=["a", "b", "a"], embedding=[[1, 2.0], [3, 4], [1, 2]])
    )
    assert embed(encoder, ["a", "b"]) == [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"object": ["a", "b", "a"]}, "two different ones for 'a', in rows 0 and 2"),
        ({"object": ["a", None, None]}, "got None in row 1 \\(and 1 others\\).*key_column"),
        ({"embedding": [[1.0], [2.0, 3.0], [4.0]]}, "one size in .*sizes from 1 to 2"),
        ({"embedding": [[1.0], [float("nan")], [4.0]]}, "NaN or infinity in row 1, of 'b'"),
        ({"embedding": [[1.0], None, [4.0]]}, "got 1 nulls"),
        ({"embedding": [[1.0], [None], [4.0]]}, "got nulls"),
        ({"embedding": [[1], [2], [3]]}, "floating-point vectors in .*int64"),
        ({"embedding": ["1", "2", "3"]}, "lists of numbers"),
    ],
)
def test_wrong_tables_are_refused(parquet, columns, message):
    with pytest.raises(ValueError, match=message):
        PrecomputedEncoder(parquet(**columns))


def test_other_wrong_files_are_refused(tmp_path, parquet):
    with pytest.raises(ValueError, match=r"the column 'text', got 'object', 'embedding'"):
        PrecomputedEncoder(parquet(), key_column="text")
    with pytest.raises(ValueError, match=r"the array 'id', got 'object', 'embedding'"):
        PrecomputedEncoder(npz(tmp_path), key_column="id")
    with pytest.raises(ValueError, match="Expected no file of keys"):
        PrecomputedEncoder(parquet(), keys=tmp_path / "keys.txt")
    with pytest.raises(ValueError, match="Expected vectors of size 3 in .*, got 2"):
        PrecomputedEncoder(parquet(), embedding_size=3)
    with pytest.raises(ValueError, match=r"one of .parquet, .npy, .npz"):
        PrecomputedEncoder("vectors.csv")
    with pytest.raises(FileNotFoundError, match="file of vectors is missing"):
        PrecomputedEncoder("missing.parquet")
    (tmp_path / "text.parquet").write_text("no table")
    with pytest.raises(ValueError, match="cannot be read as a Parquet file"):
        PrecomputedEncoder(tmp_path / "text.parquet")
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object))
    (tmp_path / "keys.txt").write_text("a\n")
    with pytest.raises(ValueError, match="cannot be read as a NumPy array of numbers"):
        PrecomputedEncoder(tmp_path / "objects.npy", keys=tmp_path / "keys.txt")
    np.save(tmp_path / "v.npy", np.float32(VECTORS))
    with pytest.raises(ValueError, match="got 1 keys and 3 vectors"):
        PrecomputedEncoder(tmp_path / "v.npy", keys=tmp_path / "keys.txt")
    with pytest.raises(TypeError, match="the path of a file of vectors, or a function"):
        PrecomputedEncoder(np.zeros((1, 2)))


def test_missing_keys_are_counted_before_training(parquet):
    samples = [SimilarityPairSample("a", f"new {number}") for number in range(5)]
    with pytest.raises(ValueError, match=r"got none for 5: 'new 0', 'new 1', 'new 2', \.\.\."):
        Quaterion.build(
            encoder={"name": "precomputed", "vectors": str(parquet())}, loss="triplet", data=samples
        )


def test_query_without_a_vector_is_explained(tmp_path):
    model = SimilarityModel(PrecomputedEncoder(npz(tmp_path)), EmptyHead(2))
    with pytest.raises(ValueError, match="got none for 1: 'who'.*openai-compatible"):
        model.encode("who")
    with pytest.raises(TypeError, match="got a Tensor as object 0"):
        model.encode(torch.ones(2))


def test_function_computes_vectors():
    encoder = PrecomputedEncoder(
        lambda keys: [[float(len(key)), 1.0] for key in keys], embedding_size=2
    )
    assert embed(encoder, ["abc", ""]) == [[3.0, 1.0], [0.0, 1.0]]
    with pytest.raises(NotImplementedError, match="Write its vectors to a file"):
        encoder.save("anywhere")
    with pytest.raises(ValueError, match=r"shape \(1, 3\) for 1 keys, got \(1, 2\)"):
        embed(PrecomputedEncoder(lambda keys: [[1.0, 2.0]], embedding_size=3), ["a"])


def test_saved_model_needs_no_file_and_holds_no_texts(tmp_path, parquet):
    file = parquet(object=["a secret", "b", "c"])
    SimilarityModel(PrecomputedEncoder(file), EmptyHead(2)).save(tmp_path / "model")
    file.unlink()
    assert not any(b"secret" in f.read_bytes() for f in (tmp_path / "model").rglob("*.*"))
    model = SimilarityModel.load(tmp_path / "model")
    assert model.encode(["c", "a secret"]).tolist() == [[5.0, 6.0], [1.0, 2.0]]


def test_large_tables_are_mapped(tmp_path, monkeypatch):
    monkeypatch.setattr("quaterion_core.encoders.vector_table._MAPPED_FROM", 0)
    SimilarityModel(PrecomputedEncoder(npz(tmp_path)), EmptyHead(2)).save(tmp_path / "model")
    model = SimilarityModel.load(tmp_path / "model")
    assert model.encode(["c", "b"]).tolist() == [[5.0, 6.0], [3.0, 4.0]]
    assert model.fingerprint() == SimilarityModel.load(tmp_path / "model").fingerprint()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: {"digests": t["digests"][::-1].copy(), "vectors": t["vectors"]}, "not in order"),
        (
            lambda t: {"digests": t["digests"][:2].copy(), "vectors": t["vectors"]},
            "digests",
        ),
        (lambda t: {"vectors": t["vectors"]}, "digests"),
        (
            lambda t: {**t, "vectors": t["vectors"][:, :1].copy()},
            "vectors of size 1",
        ),
        (lambda t: {**t, "vectors": t["vectors"] * np.float32("nan")}, "NaN"),
    ],
)
def test_damaged_tables_are_refused(tmp_path, change, message):
    from safetensors.numpy import load_file, save_file

    PrecomputedEncoder(npz(tmp_path)).save(tmp_path)
    (tmp_path / "v.npz").unlink()
    file = tmp_path / "vectors.safetensors"
    save_file(change(load_file(file)), file)
    with pytest.raises(InvalidFolderError, match=message):
        PrecomputedEncoder.load(tmp_path)


def test_recipe_is_fitted_cached_indexed_and_searched(tmp_path):
    keys = [f"{kind}{number}" for kind in "qd" for number in range(8)]
    vectors = np.random.default_rng(0).normal(size=(16, 4))
    np.savez(tmp_path / "v.npz", object=keys, embedding=vectors)
    lines = [json.dumps({"q": f"q{number}", "d": f"d{number}"}) for number in range(8)]
    (tmp_path / "pairs.jsonl").write_text("\n".join(lines))
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "data: {name: jsonl, files: {train: pairs.jsonl, validation: pairs.jsonl}, obj_a: q, "
        "obj_b: d}\n"
        "encoder: {name: precomputed, vectors: v.npz}\n"
        "head: {name: linear-projection, output_size: 4, initial: identity}\n"
        "loss: multiple-negatives-ranking\n"
        "metrics: [{name: retrieval-precision, k: 1}]\n"
        "cache: {save_dir: embeddings}\nepochs: 2\nbatch_size: 8\ntrainer: {accelerator: cpu}\n"
    )
    result = fit_recipe(recipe, output=tmp_path / "model", write=lambda text: None)
    cosines = normalized(vectors[:8]) @ normalized(vectors[8:]).T
    first = (cosines.argmax(axis=1) == np.arange(8)).mean()
    assert result.before == {"retrieval_precision@1": pytest.approx(first)}
    (tmp_path / "v.npz").unlink()
    model = SimilarityModel.load(tmp_path / "model")
    expected = result.model.encode(keys)
    assert np.array_equal(model.encode(keys), expected)
    with Index.create(tmp_path / "index", tmp_path / "model") as index:
        index.add(keys[8:])
        nearest = (normalized(expected[3]) @ normalized(expected[8:]).T).argmax()
        assert [hit.object for hit in index.search("q3", top=1)] == [f"d{nearest}"]


def normalized(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
