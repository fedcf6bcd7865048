"""Data as people have them become the same samples, and teach the same."""

import warnings

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow
import pytest
import pytorch_lightning as lightning
import torch
from torch.utils.data import Dataset, IterableDataset

from quaterion_core import Quaterion
from quaterion_core.dataset import (
    CsvDataset,
    GroupSimilarityDataLoader,
    PairsSimilarityDataLoader,
    SimilarityGroupSample,
    SimilarityPairSample,
    samples_from,
)
from quaterion_core.encoders import Encoder
from quaterion_core.eval.evaluator import Evaluator
from quaterion_core.eval.pair import RetrievalReciprocalRank
from quaterion_core.eval.samplers import PairSampler
from quaterion_core.mining import MinedPairs, mine_hard_negatives

ROWS = [
    {"q": "is it free", "a": "yes, it is", "extra": 1},
    {"q": "where is it", "a": "in the attic", "extra": 2},
    {"q": "when is it", "a": "at noon", "extra": 3},
    {"q": "who is it", "a": "the postman", "extra": 4},
    {"q": "why is it", "a": "nobody knows", "extra": 5},
]
COLUMNS = {"obj_a": "q", "obj_b": "a"}
SAMPLES = [SimilarityPairSample(row["q"], row["a"]) for row in ROWS]
TABLE = {name: [row[name] for row in ROWS] for name in ROWS[0]}


class Items(Dataset):
    """A map-style dataset that remembers what was read."""

    def __init__(self, items):
        self.items = items
        self.read = []

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        self.read.append(index)
        return self.items[index]


class Stream(IterableDataset):
    def __init__(self, items):
        self.items = items

    def __iter__(self):
        return iter(self.items)


class HuggingFaceStream:
    """Made on demand, since it is slow to make."""

    def __new__(cls):
        return datasets.Dataset.from_list(ROWS).to_iterable_dataset()


SOURCES = {
    "samples": lambda: (SAMPLES, {}),
    "dictionaries": lambda: (ROWS, COLUMNS),
    "tuples": lambda: ([(row["q"], row["a"]) for row in ROWS], {"obj_a": 0, "obj_b": 1}),
    "columns": lambda: (TABLE, COLUMNS),
    "pandas": lambda: (pd.DataFrame(ROWS, index=list("vwxyz")), COLUMNS),
    "polars": lambda: (pl.DataFrame(ROWS), COLUMNS),
    "arrow": lambda: (pyarrow.Table.from_pylist(ROWS), COLUMNS),
    "record batch": lambda: (pyarrow.RecordBatch.from_pylist(ROWS), COLUMNS),
    "hugging face": lambda: (datasets.Dataset.from_list(ROWS), COLUMNS),
    "hugging face stream": lambda: (HuggingFaceStream(), COLUMNS),
    "map-style": lambda: (Items(ROWS), COLUMNS),
    "map-style of samples": lambda: (Items(SAMPLES), {}),
    "iterable": lambda: (Stream(ROWS), COLUMNS),
    "iterable of samples": lambda: (Stream(SAMPLES), {}),
}
STREAMS = ("hugging face stream", "iterable", "iterable of samples")


class Letters(Encoder):
    """How often each letter is there."""

    trainable, embedding_size = False, 26

    def get_collate_fn(self):
        return lambda texts: torch.tensor(
            [[float(text.count(chr(97 + n))) for n in range(26)] for text in texts]
        )

    def forward(self, batch):
        return batch


def model():
    torch.manual_seed(0)
    return Quaterion.build(
        encoder=Letters(),
        head={"name": "linear-projection", "output_size": 4},
        loss="multiple-negatives-ranking",
    )


def trainer():
    return lightning.Trainer(
        max_epochs=2, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip


def items(data):
    return list(data) if hasattr(data, "__iter__") else [data[n] for n in range(len(data))]


def fitted(data, columns, **arguments):
    trained = model()
    loader = PairsSimilarityDataLoader(data, batch_size=2, **columns, **arguments)
    Quaterion.fit(trained, trainer(), loader)
    return trained.model.head.state_dict()


@pytest.fixture(scope="module")
def expected_weights():
    return {shuffled: fitted(SAMPLES, {}, shuffle=shuffled) for shuffled in (True, False)}


@pytest.mark.parametrize("source", SOURCES)
def test_the_same_fit_from_every_source_gives_the_same_weights(source, expected_weights):
    data, columns = SOURCES[source]()
    shuffled = source not in STREAMS
    weights = fitted(data, columns, **({"shuffle": True} if shuffled else {}))
    assert all(
        torch.equal(weights[name], value) for name, value in expected_weights[shuffled].items()
    )


@pytest.fixture(scope="module")
def expected_without_a_loader():
    trained = model()
    torch.manual_seed(1)
    Quaterion.fit(trained, trainer(), SAMPLES, SAMPLES)
    return trained.model.head.state_dict()


@pytest.mark.parametrize("source", [name for name in SOURCES if name not in STREAMS])
def test_fit_takes_every_source_and_its_columns_without_a_loader(source, expected_without_a_loader):
    data, columns = SOURCES[source]()
    trained = model()
    torch.manual_seed(1)
    Quaterion.fit(trained, trainer(), data, data, **columns)
    weights = trained.model.head.state_dict()
    for name, value in expected_without_a_loader.items():
        assert torch.equal(weights[name], value)


def test_build_reads_columns_for_what_learns_from_data():
    rows = [{"text": f"word {n}", "kind": f"group {n % 3}"} for n in range(9)]
    built = Quaterion.build(encoder=Letters(), loss="arcface", data=rows, obj="text", group="kind")
    assert built.loss.num_groups == 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Quaterion.fit(model(), trainer(), ROWS, keep_bst="x"), "did you mean 'keep_best'"),
        (lambda: Quaterion.fit(model(), trainer(), ROWS, obja="q"), "did you mean 'obj_a'"),
        (lambda: Quaterion.build(encoder=Letters(), lose="triplet", loss="x"), "mean 'loss'"),
        (
            lambda: Quaterion.fit(
                model(), trainer(), PairsSimilarityDataLoader(SAMPLES), obj_a="q", obj_b="a"
            ),
            "Expected data to read the columns obj_a, obj_b of, got a PairsSimilarityDataLoader",
        ),
    ],
    ids=["argument", "column", "build", "loader"],
)
def test_columns_that_cannot_be_read_are_refused(call, message):
    with pytest.raises(TypeError, match=message):
        call()


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_gives_the_same_samples(source):
    data, columns = SOURCES[source]()
    assert items(samples_from(data, **columns)) == SAMPLES


@pytest.mark.parametrize("source", SOURCES)
def test_mining_and_evaluation_take_every_source(source):
    data, columns = SOURCES[source]()
    trained = model().model
    mined = mine_hard_negatives(trained, data, **columns)
    assert mined == mine_hard_negatives(trained, SAMPLES)
    evaluator = Evaluator(RetrievalReciprocalRank(), PairSampler(log_progress=False))
    assert Quaterion.evaluate(evaluator, data, trained, **columns) == evaluator.evaluate(
        SAMPLES, trained
    )


def test_a_generator_suffices_for_a_single_pass():
    trained = model().model
    evaluator = Evaluator(RetrievalReciprocalRank(), PairSampler(log_progress=False))
    expected = evaluator.evaluate(SAMPLES, trained)
    assert Quaterion.evaluate(evaluator, iter(SAMPLES), trained) == expected
    assert Quaterion.evaluate(evaluator, (row for row in ROWS), trained, **COLUMNS) == expected
    assert len(MinedPairs((row for row in ROWS), **COLUMNS)) == 2 * len(ROWS)
    with pytest.raises(TypeError, match=r"read again in each epoch.*Pass list\(data\)"):
        PairsSimilarityDataLoader((row for row in ROWS), **COLUMNS)
    with pytest.raises(TypeError, match=r"read again in each epoch.*Pass list\(data\)"):
        Quaterion.fit(model(), trainer(), iter(SAMPLES))


@pytest.mark.parametrize("columns", [{"obj_a": "q", "obj_b": "a"}, {"obj": "q", "group": "a"}])
def test_build_reads_the_objects_of_any_data(columns):
    built = Quaterion.build(
        encoder=Letters(),
        loss="softmax" if "group" in columns else "contrastive",
        data=samples_from(pd.DataFrame(ROWS), **columns),
    )
    assert "group" not in columns or built.loss.num_groups == len(ROWS)


def test_fit_takes_data_without_a_loader():
    data = [{"anchor": row["q"], "positive": row["a"]} for row in ROWS]
    trained = model()
    Quaterion.fit(trained, trainer(), data, Items(SAMPLES))
    expected = model()
    Quaterion.fit(
        expected,
        trainer(),
        PairsSimilarityDataLoader(SAMPLES, batch_size=32, shuffle=True),
        PairsSimilarityDataLoader(SAMPLES, batch_size=32),
    )
    assert torch.equal(
        trained.model.head.state_dict()["projection.weight"],
        expected.model.head.state_dict()["projection.weight"],
    )


def test_a_map_style_dataset_is_read_when_it_is_needed():
    data = Items(ROWS)
    loader = PairsSimilarityDataLoader(data, batch_size=2, **COLUMNS)
    assert len(loader) == 3
    assert data.read == []
    next(iter(loader))
    assert data.read == [0, 1]


def test_only_the_named_columns_of_a_hugging_face_dataset_are_decoded():
    data = datasets.Dataset.from_list([{**row, "image": {"bytes": b"no image"}} for row in ROWS])
    data = data.cast_column("image", datasets.Image())
    assert samples_from(data, **COLUMNS)[3] == SAMPLES[3]


NEGATIVES = [
    {"anchor": "hot", "positive": "warm", "negative": ["cold", "icy"], "score": 0.5},
    {"anchor": "up", "positive": "high", "negative": [], "score": 1.0},
    {"anchor": "old", "positive": "aged", "negative": ["new"], "score": 1.0},
]
WITH_NEGATIVES = [
    SimilarityPairSample("hot", "warm", 0.5),
    SimilarityPairSample("hot", "cold", 0.0),
    SimilarityPairSample("hot", "icy", 0.0),
    SimilarityPairSample("up", "high"),
    SimilarityPairSample("old", "aged"),
    SimilarityPairSample("old", "new", 0.0),
]


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(list, id="list"),
        pytest.param(pd.DataFrame, id="pandas"),
        pytest.param(pl.DataFrame, id="polars"),
        pytest.param(pyarrow.Table.from_pylist, id="arrow"),
        pytest.param(datasets.Dataset.from_list, id="hugging face"),
        pytest.param(iter, id="generator"),
    ],
)
def test_usual_names_of_columns_are_recognised(make):
    samples = samples_from(make(NEGATIVES))
    assert items(samples) == WITH_NEGATIVES


def test_hard_negatives_of_a_map_style_dataset_are_counted():
    data = Items(NEGATIVES)
    samples = samples_from(data, obj_a="anchor", obj_b="positive", negatives="negative")
    assert data.read == []
    assert len(samples) == 6
    assert (samples[5], samples[-5]) == (WITH_NEGATIVES[5], WITH_NEGATIVES[1])
    with pytest.raises(IndexError, match="Index 6 is out of range for a dataset of 6 samples"):
        samples[6]


def test_columns_of_a_triplet_in_several_columns():
    frame = pd.DataFrame({"anchor": ["a"], "positive": ["b"], "negative_1": ["c"], "neg_2": ["d"]})
    assert [sample.obj_b for sample in samples_from(frame)] == ["b", "c", "d"]


def test_scores_are_scaled_and_subgroups_kept():
    frame = pl.DataFrame({"x": ["a"], "y": ["b"], "s": [3], "t": [None]})
    columns = {"obj_a": "x", "obj_b": "y", "score": "s", "subgroup": "t", "score_range": [1, 5]}
    assert samples_from(frame, **columns) == [SimilarityPairSample("a", "b", 0.5)]


def test_tuples_are_what_the_loader_is_for():
    pairs = PairsSimilarityDataLoader([("hot", "cold", 0), ("up", "high", 1)], batch_size=2)
    assert pairs.dataset == [
        SimilarityPairSample("hot", "cold", 0.0),
        SimilarityPairSample("up", "high"),
    ]
    groups = GroupSimilarityDataLoader([("lime", "fruit"), ("leek", "other")], batch_size=2)
    assert groups.dataset[1] == SimilarityGroupSample("leek", "other")


def test_arrays_of_vectors_are_objects():
    vectors = np.arange(6.0).reshape(3, 2)
    samples = samples_from({"obj": vectors, "group": np.array([0, 1, 0])})
    assert [sample.group for sample in samples] == [0, 1, 0]
    assert samples[1].obj.tolist() == [2.0, 3.0]


def test_a_class_derived_from_a_frame_is_a_frame():
    derived = type("GeoDataFrame", (pd.DataFrame,), {})
    assert samples_from(derived(ROWS), **COLUMNS) == SAMPLES


def a_split_dataset():
    return CsvDataset({"train": "a.csv", "test": "b.csv"}, obj="a", group="b")


FRAME = pd.DataFrame(ROWS)


@pytest.mark.parametrize(
    ("data", "columns", "error", "message"),
    [
        ("faq.csv", {}, TypeError, r"CsvDataset\(\{'train': 'faq.csv'\}"),
        (b"faq", {}, TypeError, "Read a file with CsvDataset"),
        (a_split_dataset(), {}, TypeError, r"of the splits train, test. Pass dataset.load\('train"),
        (SAMPLES[0], {}, TypeError, r"got one SimilarityPairSample. Pass \[sample\]"),
        (5, {}, TypeError, "Expected similarity samples, or a table or dataset .* got 5"),
        (None, {}, TypeError, "got None of type NoneType"),
        (FRAME["q"], {}, TypeError, "single column or array.*Pass the whole table"),
        (pl.Series(["a"]), {}, TypeError, "single column or array"),
        (pyarrow.array(["a"]), {}, TypeError, "single column or array"),
        (np.array(["a"]), {}, TypeError, "single column or array"),
        (torch.ones(2), {}, TypeError, "single column or array"),
        (pl.LazyFrame({"q": ["a"]}), {}, TypeError, r"LazyFrame. Pass frame.collect\(\)"),
        ({"train": FRAME}, {}, TypeError, r"got a dict of train. Pass one of them, .*\['train'\]"),
        ({"q": ["a"], "a": ["b", "c"]}, {}, TypeError, "all of one length"),
        ({"q": "a", "a": "b"}, {}, TypeError, "Expected a dictionary of columns"),
        (["a", "b"], {}, TypeError, r"Expected item 0 .*got 'a' of type str.*obj_a='question'"),
        ([1], {}, TypeError, "Expected item 0 .*got 1 of type int"),
        ([ROWS[0], "b"], COLUMNS, TypeError, "Expected item 1 .*got 'b'"),
        (FRAME, {}, ValueError, "The columns of the DataFrame are 'q', 'a', 'extra'. Say which"),
        (ROWS, {}, ValueError, "obj_a='q', obj_b='a' for pairs, or obj='q', group='a'"),
        ([("a", "b")], {}, ValueError, "tuple of 2 items.*obj_a=0, obj_b=1 for pairs"),
        (FRAME, {"obj_a": "Q", "obj_b": "a"}, ValueError, "no column 'Q': did you mean 'q'"),
        (ROWS, {"obj_a": "q", "obj_b": "b"}, ValueError, "has no column 'b'"),
        ([("a", "b")], {"obj_a": 0, "obj_b": 2}, ValueError, "item 0 has no column 2"),
        (FRAME, {"obj_a": "q"}, ValueError, "columns of pairs .* or of group samples"),
        (FRAME, {"obj_c": "q"}, TypeError, "no argument 'obj_c': did you mean"),
        (SAMPLES, COLUMNS, TypeError, "similarity samples already.*Remove the column names"),
        (iter(SAMPLES), COLUMNS, TypeError, "similarity samples already"),
        (Items(SAMPLES), COLUMNS, TypeError, "similarity samples already"),
        (Items(["a"]), COLUMNS, TypeError, "Expected row 0 .*got 'a' of type str"),
        (
            pd.DataFrame({"q": ["a", None, " "], "a": ["b", "c", "d"]}),
            COLUMNS,
            ValueError,
            r"row 1 has no value for 'q'; row 2 has no value for 'q' \(2 of 3 rows\)",
        ),
        (
            pl.DataFrame({"q": ["a"], "a": [float("nan")]}),
            COLUMNS,
            ValueError,
            "row 0 has no value for 'a'",
        ),
        (
            pyarrow.table({"q": ["a"], "a": pyarrow.nulls(1)}),
            COLUMNS,
            ValueError,
            "row 0 has no value for 'a'",
        ),
        (
            pd.concat([FRAME, FRAME[["q"]]], axis=1),
            COLUMNS,
            ValueError,
            "one column named 'q' in the DataFrame, got 2",
        ),
        (datasets.DatasetDict(train=datasets.Dataset.from_list(ROWS)), {}, TypeError, r"\['train'"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_is_wrong_with_data_is_said(data, columns, error, message):
    with pytest.raises(error, match=message):
        items(samples_from(data, **columns))


def test_columns_of_the_other_kind_are_refused():
    with pytest.raises(ValueError, match="columns of a SimilarityPairSample .*got those of"):
        PairsSimilarityDataLoader(FRAME, obj="q", group="a")
    with pytest.raises(ValueError, match="columns of a SimilarityGroupSample"):
        GroupSimilarityDataLoader(Items(ROWS), **COLUMNS)


def test_a_dataset_of_tuples_or_dictionaries_says_what_to_name():
    for item in (ROWS[0], ("a", "b")):
        loader = PairsSimilarityDataLoader(Items([item]))
        with pytest.raises(TypeError, match=r"obj_a='question', obj_b='answer' or obj_a=0"):
            next(iter(loader))
    with pytest.raises(TypeError, match="samples_from.data, obj_a='question'"):
        Quaterion.fit(model(), trainer(), Items(ROWS))


@pytest.mark.parametrize(
    "column",
    [
        pytest.param(lambda texts: pd.Series(texts, index=list("abcde")), id="pandas"),
        pytest.param(pl.Series, id="polars"),
        pytest.param(pyarrow.array, id="arrow"),
        pytest.param(lambda texts: pyarrow.chunked_array([texts]), id="chunked arrow"),
        pytest.param(lambda texts: datasets.Dataset.from_dict({"t": texts})["t"], id="hf"),
        pytest.param(np.array, id="numpy"),
    ],
)
def test_a_column_is_embedded_searched_and_reduced_like_a_list(column):
    texts = [row["a"] for row in ROWS]
    trained = model().model
    assert (trained.encode(column(texts)) == trained.encode(texts)).all()
    assert mine_hard_negatives(trained, SAMPLES, column(texts)) == mine_hard_negatives(
        trained, SAMPLES, texts
    )
    other = model().model
    trained.reduce_hubness(texts, neighbors=2, max_objects=4)
    other.reduce_hubness(column(texts), neighbors=2, max_objects=4)
    assert (trained.encode(texts) == other.encode(texts)).all()


def test_a_table_is_no_corpus():
    with pytest.raises(TypeError, match="several columns. Pass one of them"):
        mine_hard_negatives(model().model, SAMPLES, FRAME)


def test_hard_negatives_that_are_torn_from_their_queries_are_told():
    loader = PairsSimilarityDataLoader(WITH_NEGATIVES, batch_size=2)
    with pytest.warns(UserWarning, match=r"3 of 6 training pairs are hard negatives.*no-dupl"):
        Quaterion.fit(model(), trainer(), loader)
    for arguments, batch_size in (({"batch_sampler": "no-duplicates"}, 3), ({}, 6)):
        loader = PairsSimilarityDataLoader(WITH_NEGATIVES, batch_size=batch_size)
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=".*hard negatives")
            Quaterion.fit(model(), trainer(), loader, **arguments)


def test_evaluation_of_other_items_says_what_to_name():
    evaluator = Evaluator(RetrievalReciprocalRank(), PairSampler(log_progress=False))
    with pytest.raises(TypeError, match=r"got sample 0 of type dict.*evaluate\(..., obj_a="):
        Quaterion.evaluate(evaluator, Items(ROWS), model().model)
