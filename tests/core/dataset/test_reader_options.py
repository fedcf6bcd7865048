"""The options of readers: separators, encodings, compression, several files, fractions, limits."""

import bz2
import gzip
import json
import lzma
import random
import zipfile

import openpyxl
import pyarrow
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from quaterion_core.components import build_component
from quaterion_core.dataset import (
    CsvDataset,
    ExcelDataset,
    JsonLinesDataset,
    ParquetDataset,
    SimilarityGroupSample,
    SimilarityPairSample,
)
from quaterion_core.dataset.splitting import divide

GROUPS = {"obj": "text", "group": "intent"}
EXPECTED = [SimilarityGroupSample("où est-il", "lost"), SimilarityGroupSample("d'accord", "yes")]
CSV = "text,intent\noù est-il,lost\nd'accord,yes\n"
LINES = '{"text": "où est-il", "intent": "lost"}\n{"text": "d\'accord", "intent": "yes"}\n'


def zstd(content):
    sink = pyarrow.BufferOutputStream()
    with pyarrow.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


COMPRESSIONS = {
    "none": bytes,
    "gzip": lambda content: gzip.compress(content, mtime=0),
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd,
}


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize(
    ("reader", "content"), [(CsvDataset, CSV), (JsonLinesDataset, LINES)], ids=["csv", "jsonl"]
)
def test_compressed_files_are_read_as_they_are(tmp_path, compression, reader, content):
    file = tmp_path / "intents"  # the first bytes tell, not the name
    file.write_bytes(COMPRESSIONS[compression](content.encode()))
    assert reader({"train": file}, **GROUPS).load("train") == EXPECTED


@pytest.mark.parametrize("compression", [name for name in COMPRESSIONS if name != "none"])
def test_a_compressed_file_that_is_cut_off_is_named(tmp_path, compression):
    file = tmp_path / "intents.csv"
    noise = random.Random(0).randbytes(3000).hex()
    content = COMPRESSIONS[compression](f"{CSV}{noise},x\n".encode())
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=rf"intents.csv is a broken {compression} file"):
        CsvDataset({"train": file}, **GROUPS).load("train")


@pytest.mark.parametrize("compression", [name for name in COMPRESSIONS if name != "none"])
def test_a_small_file_that_would_fill_the_memory_is_refused(tmp_path, compression):
    file = tmp_path / "intents.csv"
    file.write_bytes(COMPRESSIONS[compression](b"text,intent\n" + b"a" * (40 << 20)))
    with pytest.raises(ValueError, match=r"intents.csv expands to more than 200 times its size"):
        CsvDataset({"train": file}, **GROUPS).load("train")


def test_parquet_files_and_workbooks_that_would_fill_the_memory_are_refused(tmp_path):
    file = tmp_path / "intents"
    table = pyarrow.table({"text": ["a" * (20 << 20)], "intent": ["b"]})
    parquet.write_table(table, file, compression="zstd")
    with pytest.raises(ValueError, match="intents expands to more than 200 times its size"):
        ParquetDataset({"train": file}, **GROUPS).load("train")
    column = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * 5_000_000), ["a"])
    parquet.write_table(pyarrow.table({"text": column, "intent": column}), file)
    with pytest.raises(ValueError, match="intents expands to more than 200 times its size"):
        ParquetDataset({"train": file}, **GROUPS).load("train")
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", bytes(40 << 20))
    with pytest.raises(ValueError, match="intents expands to more than 200 times its size"):
        ExcelDataset({"train": file}, **GROUPS).load("train")


@pytest.mark.parametrize(
    ("part", "before", "after"),
    [
        ("xl/worksheets/sheet1.xml", b'r="A1"', b'r="@@"'),
        ("xl/worksheets/sheet1.xml", b"</sheetData>", b"<"),
        ("xl/_rels/workbook.xml.rels", b"worksheets/sheet1.xml", b"../../../etc/passwd"),
        ("xl/workbook.xml", b"<sheets>", b"<nothing>"),
    ],
    ids=["place", "cut off", "path", "tags"],
)
def test_a_damaged_workbook_is_named(tmp_path, part, before, after):
    whole, file = tmp_path / "whole.xlsx", tmp_path / "damaged.xlsx"
    workbook = openpyxl.Workbook()
    workbook.active.append(["text", "intent"])
    workbook.save(whole)
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(file, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            assert name != part or before in content
            target.writestr(name, content.replace(before, after) if name == part else content)
    with pytest.raises(ValueError, match=r"damaged.xlsx (is not an Excel workbook|has no sheet)"):
        ExcelDataset({"train": file}, **GROUPS).load("train")


def test_a_key_twice_among_thousands_is_found_at_once(tmp_path):
    file = tmp_path / "intents.jsonl"
    keys = ",".join(f'"k{number}":1' for number in range(100_000))
    file.write_text(f'{{{keys},"k7":2}}')
    with pytest.raises(ValueError, match="the key 'k7' occurs more than once"):
        JsonLinesDataset({"train": file}, **GROUPS).load("train")


@pytest.mark.parametrize("encoding", ["latin-1", "windows-1252", "utf-16", "utf-16-le", "utf-32"])
@pytest.mark.parametrize(
    ("reader", "content"), [(CsvDataset, CSV), (JsonLinesDataset, LINES)], ids=["csv", "jsonl"]
)
def test_files_in_another_encoding(tmp_path, encoding, reader, content):
    file = tmp_path / "intents"
    file.write_bytes(content.encode(encoding))
    dataset = reader({"train": file}, encoding=encoding, **GROUPS)
    assert dataset.load("train") == EXPECTED
    assert reader.from_config(dataset.get_config_dict()).load("train") == EXPECTED
    with pytest.raises(ValueError, match="encoding="):
        reader({"train": file}, **GROUPS).load("train")


def test_a_wrong_encoding_is_named(tmp_path):
    file = tmp_path / "intents.csv"
    file.write_bytes(CSV.encode("latin-1"))
    with pytest.raises(ValueError, match="is not in utf-16"):
        CsvDataset({"train": file}, encoding="utf-16", **GROUPS).load("train")
    for unknown in ("utf9", "hex"):
        with pytest.raises(ValueError, match=f"name of an encoding.*got '{unknown}'"):
            CsvDataset({"train": file}, encoding=unknown, **GROUPS)


@pytest.mark.parametrize("delimiter", [";", "|", "\t", ":"])
def test_values_are_separated_by_any_character(tmp_path, delimiter):
    file = tmp_path / "intents.csv"
    file.write_text(CSV.replace(",", delimiter))
    with pytest.raises(ValueError, match="single column.*Pass delimiter=") as caught:
        CsvDataset({"train": file}, **GROUPS).load("train")
    assert repr(delimiter) in str(caught.value)
    assert CsvDataset({"train": file}, delimiter=delimiter, **GROUPS).load("train") == EXPECTED


@pytest.mark.parametrize(
    ("quoting", "expected"),
    [("standard", ['say "hi"', "a"]), ("none", ['"say ""hi"""', "a"]), ("auto", ['say "hi"', "a"])],
)
@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_quoting_is_chosen(tmp_path, quoting, expected, delimiter):
    file = tmp_path / "a.csv"
    file.write_text(f'text{delimiter}intent\n"say ""hi"""{delimiter}a\n')
    (sample,) = CsvDataset({"train": file}, quoting=quoting, delimiter=delimiter, **GROUPS).load(
        "train"
    )
    assert [sample.obj, sample.group] == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"delimiter": ";;"}, "delimiter to be one character"),
        ({"delimiter": '"'}, "delimiter to be one character"),
        ({"delimiter": ""}, "delimiter to be one character"),
        ({"quoting": "minimal"}, "'auto', 'standard' or 'none', got 'minimal'"),
        ({"limit": 0}, "limit to be a positive number of rows, got 0"),
        ({"limit": True}, "limit to be a positive number of rows, got True"),
        ({"on_error": "ignore"}, "on_error to be 'raise' or 'skip', got 'ignore'"),
    ],
    ids=str,
)
def test_an_option_that_says_nothing_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        CsvDataset({"train": "a.csv"}, **GROUPS, **options)


@pytest.mark.parametrize("text", [json.dumps, lambda rows: json.dumps(rows, indent=2)])
def test_a_json_array_is_read(tmp_path, text):
    file = tmp_path / "a.json"
    rows = [{"text": "où est-il", "intent": "lost"}, {"text": "d'accord", "intent": "yes"}]
    file.write_text(text(rows))
    assert JsonLinesDataset({"train": file}, **GROUPS).load("train") == EXPECTED
    file.write_text(text([*rows, 5, {"text": "", "intent": "no"}]))
    with pytest.raises(ValueError, match=r"item 2 is not a JSON obj.*item 3 has no value for 'te"):
        JsonLinesDataset({"train": file}, **GROUPS).load("train")
    file.write_text(text(rows)[:-1])
    with pytest.raises(ValueError, match="begins like a JSON array, but is not JSON"):
        JsonLinesDataset({"train": file}, **GROUPS).load("train")


def test_a_workbook_is_read(tmp_path):
    file = tmp_path / "intents.xlsx"
    workbook = openpyxl.Workbook()
    workbook.active.title = "notes"
    workbook.active.append(["nothing"])
    sheet = workbook.create_sheet("data")
    for row in (["text", None, "intent"], ["où est-il", 1, "lost"], [None], ["d'accord", 2, "yes"]):
        sheet.append(row)
    workbook.save(file)
    dataset = ExcelDataset({"train": file}, sheet="data", **GROUPS)
    assert dataset.load("train") == EXPECTED
    assert ExcelDataset.from_config(dataset.get_config_dict()).load("train") == EXPECTED
    with pytest.raises(ValueError, match="row 1 has no column 'text'"):
        ExcelDataset({"train": file}, **GROUPS).load("train")
    with pytest.raises(ValueError, match="no sheet 'datum': did you mean 'data'"):
        ExcelDataset({"train": file}, sheet="datum", **GROUPS).load("train")
    sheet.append(["", 3, "no"])
    workbook.save(file)
    with pytest.raises(ValueError, match="row 5 has no value for 'text'"):
        ExcelDataset({"train": file}, sheet="data", **GROUPS).load("train")
    with pytest.raises(ValueError, match="an Excel workbook.*the dataset 'excel'"):
        CsvDataset({"train": file}, **GROUPS).load("train")
    file.write_text(CSV)
    with pytest.raises(ValueError, match="is not an Excel workbook"):
        ExcelDataset({"train": file}, **GROUPS).load("train")


@pytest.mark.parametrize("name", ["csv", "jsonl", "excel", "parquet"])
def test_every_reader_is_reached_by_name_with_its_options(name, tmp_path):
    choice = {"name": name, "files": {"train": ["a", "b"], "test": 0.1}, "limit": 5, **GROUPS}
    dataset = build_component("dataset", {**choice, "on_error": "skip", "seed": 3})
    config = {**dataset.get_config_dict(), "name": name}
    assert config == {**choice, "on_error": "skip", "seed": 3}


def test_a_split_has_several_files(tmp_path):
    for number in (2, 1, 3):
        (tmp_path / f"part{number}.csv").write_text(f"text,intent\n{number},a\n{number}0,a\n")
    for files, expected in (
        (tmp_path / "part*.csv", "1 10 2 20 3 30"),
        ([tmp_path / "part3.csv", tmp_path / "part[12].csv"], "3 30 1 10 2 20"),
        (str(tmp_path / "**" / "part2.csv"), "2 20"),
    ):
        samples = CsvDataset({"train": files}, **GROUPS).load("train")
        assert " ".join(sample.obj for sample in samples) == expected
    limited = CsvDataset({"train": tmp_path / "part*.csv"}, limit=3, **GROUPS).load("train")
    assert [sample.obj for sample in limited] == ["1", "10", "2"]
    for files, error, message in (
        (tmp_path / "*.tsv", FileNotFoundError, r"'train' is missing: nothing matches .*\*.tsv"),
        ([tmp_path / "part1.csv", tmp_path / "no.csv"], FileNotFoundError, "is missing: .*no.csv"),
    ):
        with pytest.raises(error, match=message):
            CsvDataset({"train": files}, **GROUPS).check_source("train")
    with pytest.raises(ValueError, match="one or more files for the split 'train', got none"):
        CsvDataset({"train": []}, **GROUPS)


def test_a_limit_stops_reading(tmp_path):
    file = tmp_path / "a.csv"
    file.write_bytes(b"text,intent\n" + b"a,b\n" * 20 + b"\xff\xff\n")
    assert len(CsvDataset({"train": file}, limit=5, **GROUPS).load("train")) == 5


def test_faulty_rows_are_skipped_and_counted(tmp_path):
    csv, lines, table = tmp_path / "a.csv", tmp_path / "a.jsonl", tmp_path / "a.parquet"
    csv.write_text("text,intent\na,b\n,b\nc,d,e\nf,g\n")
    lines.write_text('{"text": "a", "intent": "b"}\nno\n{"text": " "}\n{"text":"f","intent":"g"}')
    rows = [{"text": t, "intent": g} for t, g in (("a", "b"), (None, "b"), ("c", ""), ("f", "g"))]
    parquet.write_table(pyarrow.Table.from_pylist(rows), table)
    expected = [SimilarityGroupSample("a", "b"), SimilarityGroupSample("f", "g")]
    for reader, file in ((CsvDataset, csv), (JsonLinesDataset, lines), (ParquetDataset, table)):
        dataset = reader({"train": file}, on_error="skip", **GROUPS)
        with pytest.warns(UserWarning, match=r"2 of 4 rows of the split 'train' are left out: "):
            assert dataset.load("train") == expected
        with pytest.warns(UserWarning, match="2 of 4 rows of the split 'train' are left out"):
            assert list(dataset.stream("train", 1)) == expected
        with pytest.raises(ValueError, match="2 of 4 rows"):
            reader({"train": file}, **GROUPS).load("train")
    csv.write_text("text,intent\n,b\n")
    with pytest.raises(ValueError, match="No row of the split 'train' is left: .*has no val"):
        CsvDataset({"train": csv}, on_error="skip", **GROUPS).load("train")


@pytest.fixture
def pairs_file(tmp_path):
    file = tmp_path / "faq.csv"
    rows = [f"question {n},answer {n // 2}" for n in range(200)]
    file.write_text("q,a\n" + "\n".join(rows))
    return file


PAIRS = {"obj_a": "q", "obj_b": "a"}


def test_a_fraction_is_a_split_without_a_leak(pairs_file):
    files = {"train": pairs_file, "validation": 0.1, "test": 0.2}
    dataset = CsvDataset(files, **PAIRS)
    parts = {split: dataset.load(split) for split in dataset.splits}
    assert {split: len(samples) for split, samples in parts.items()} == {
        "train": 140, "validation": 20, "test": 40,
    }  # fmt: skip
    answers = [{sample.obj_b for sample in samples} for samples in parts.values()]
    assert sum(map(len, answers)) == 100
    assert CsvDataset(files, **PAIRS).load("test") == parts["test"]
    assert CsvDataset(files, seed=1, **PAIRS).load("test") != parts["test"]
    assert CsvDataset.from_config(dataset.get_config_dict()).load("test") == parts["test"]


def test_a_fraction_that_cannot_be_is_refused(pairs_file):
    for fractions in ([0.0], [1.0], [-0.1], [0.6, 0.4]):
        files = {"train": pairs_file, **{f"part{n}": f for n, f in enumerate(fractions)}}
        with pytest.raises(ValueError, match="fractions between 0 and 1 whose sum is less than 1"):
            CsvDataset(files, **PAIRS)
    with pytest.raises(ValueError, match="'validation' are fractions of the split 'train', which"):
        CsvDataset({"validation": 0.1, "test": pairs_file}, **PAIRS)
    with pytest.raises(FileNotFoundError, match="The file of the split 'validation' is missing"):
        CsvDataset({"train": "no.csv", "validation": 0.1}, **PAIRS).check_source("validation")
    pairs_file.write_text("q,a\n" + "\n".join(f"question {n},answer" for n in range(200)))
    with pytest.raises(ValueError, match="Expected 20 of 200 samples .* equal objects has 200"):
        CsvDataset({"train": pairs_file, "validation": 0.1}, **PAIRS).load("train")
    with pytest.raises(ValueError, match="cannot be streamed, since 'train' is divided"):
        CsvDataset({"train": pairs_file, "validation": 0.1}, **PAIRS).stream("train")


def objects_of(samples):
    return {
        obj
        for sample in samples
        for obj in (
            (sample.obj_a, sample.obj_b)
            if isinstance(sample, SimilarityPairSample)
            else (sample.obj,)
        )
    }


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=80),
    st.sampled_from([[0.1], [0.3], [0.2, 0.2]]),
    st.booleans(),
    st.integers(0, 5),
)
def test_parts_have_no_object_in_common(items, fractions, are_pairs, seed):
    kind = SimilarityPairSample if are_pairs else SimilarityGroupSample
    samples = [kind(f"x{a}", f"x{b}" if are_pairs else b % 4) for a, b in items]
    try:
        parts = divide(samples, fractions, seed)
    except ValueError:  # they hang together
        return
    assert sorted(map(repr, samples)) == sorted(repr(s) for part in parts for s in part)
    for number, part in enumerate(parts):
        for other in parts[:number]:
            assert not objects_of(part) & objects_of(other)
    assert parts == divide(samples, fractions, seed)


def test_groups_are_stratified():
    samples = [SimilarityGroupSample(f"{group} {n}", group) for group in "abcdefgh"
               for n in range(40 if group < "e" else 8)]  # fmt: skip
    _, validation = divide(samples, [0.25])
    for group in "abcdefgh":
        size = sum(sample.group == group for sample in samples)
        count = sum(sample.group == group for sample in validation)
        assert abs(count - size / 4) <= 1
    assert len(validation) == len(samples) / 4


def test_a_stream_is_shuffled_in_bounded_memory_and_repeatable(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("text,intent\n" + "\n".join(f"{n},g" for n in range(300)))
    stream = CsvDataset({"train": file}, **GROUPS).stream("train", 20)

    def order():
        return [int(sample.obj) for sample in stream]

    torch.manual_seed(0)
    first, second = order(), order()
    assert sorted(first) == sorted(second) == list(range(300))
    assert first != second
    # A sample cannot come before it is in the buffer.
    assert all(number - place < 20 for place, number in enumerate(first))
    torch.manual_seed(0)
    assert order() == first
    ordered = CsvDataset({"train": file}, **GROUPS).stream("train", 1)
    assert [int(sample.obj) for sample in ordered] == list(range(300))
    for size in (0, True, 1.5):
        with pytest.raises(ValueError, match="buffer_size to be a positive number"):
            CsvDataset({"train": file}, **GROUPS).stream("train", size)


def test_files_that_are_nearly_right_are_told():
    with pytest.raises(TypeError, match="mapping from splits to files.*got 'faq.csv'"):
        CsvDataset("faq.csv", **PAIRS)
    for fraction in ("10%", "10 %", "0.1", ".1"):
        with pytest.raises(ValueError, match="Write a fraction as a number, such as 0.1"):
            CsvDataset({"train": "faq.csv", "validation": fraction}, **PAIRS)


def test_a_folder_and_an_empty_file_are_told(tmp_path):
    with pytest.raises(ValueError, match=r"is a folder. Give a pattern .*folder/\*.csv"):
        CsvDataset({"train": tmp_path}, **PAIRS).load("train")
    (tmp_path / "a.csv").write_text("")
    with pytest.raises(ValueError, match="a.csv, line 1 has no column 'q'"):
        CsvDataset({"train": tmp_path / "a.csv"}, **PAIRS).load("train")
