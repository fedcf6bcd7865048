import csv
import gzip
import json
import os

import datasets
import pyarrow
import pytest
from pyarrow import parquet

from quaterion_core.dataset import (
    CsvDataset,
    HuggingFaceDataset,
    JsonLinesDataset,
    ParquetDataset,
    SimilarityGroupSample,
    SimilarityPairSample,
)


@pytest.fixture
def faq(tmp_path):
    file = tmp_path / "faq.jsonl"
    file.write_text(
        '{"q": "Is it free?", "a": "Yes.", "by": "aws", "rank": 1}\n'
        "\n"
        '{"q": "Refunds?", "a": "Bread.", "by": "gcp", "rank": "0.5"}\n'
    )
    return file


def test_pairs_from_json_lines(faq):
    columns = {"obj_a": "q", "obj_b": "a", "subgroup": "by", "score": "rank"}
    dataset = JsonLinesDataset({"train": faq}, **columns)
    assert dataset.load("train") == [
        SimilarityPairSample("Is it free?", "Yes.", 1.0, "aws"),
        SimilarityPairSample("Refunds?", "Bread.", 0.5, "gcp"),
    ]


def test_groups_from_csv_with_quotes_and_a_byte_order_mark(tmp_path):
    file = tmp_path / "intents.csv"
    file.write_text('\ufefftext,intent\n"Where, oh where, is it?",lost\n', encoding="utf-8")
    dataset = CsvDataset({"test": str(file)}, obj="text", group="intent")
    assert dataset.load("test") == [SimilarityGroupSample("Where, oh where, is it?", "lost")]


def test_the_configuration_builds_the_same_dataset(faq):
    dataset = JsonLinesDataset({"train": faq}, obj="q", group="by")
    again = JsonLinesDataset.from_config(dataset.get_config_dict())
    assert again.load("train") == dataset.load("train")


def test_a_missing_column_names_line_and_columns(faq):
    dataset = JsonLinesDataset({"train": faq}, obj="text", group="by")
    with pytest.raises(ValueError, match=r"line 1 has no column 'text'.*'q', 'a', 'by'"):
        dataset.load("train")


@pytest.mark.parametrize("column", ["Rank", "ranks"])
def test_a_column_that_is_nearly_right_is_suggested(faq, column):
    dataset = JsonLinesDataset({"train": faq}, obj_a="q", obj_b="a", score=column)
    with pytest.raises(ValueError, match=f"'{column}': did you mean 'rank'"):
        dataset.load("train")


def test_a_value_that_is_missing_is_named(faq):
    faq.write_text('{"q": "x", "by": 1}\n{"q": "y", "by": null}\n')
    with pytest.raises(ValueError, match="line 2 has no value for 'by'"):
        JsonLinesDataset({"train": faq}, obj="q", group="by").load("train")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"nonsense", "line 2 is not a JSON object: Expecting value.* in 'nonsense'"),
        (b'{"q": "', "line 2 is not a JSON object: Unterminated string"),
        (b'{"q": "\xff"}', "line 2 is not UTF-8"),
        (b'["q"]', "line 2 is not a JSON object"),
    ],
)
def test_a_line_that_is_not_json_is_named(faq, line, message):
    faq.write_bytes(b'{"q": "x", "by": 1}\n' + line + b"\n")
    with pytest.raises(ValueError, match=message):
        JsonLinesDataset({"train": faq}, obj="q", group="by").load("train")


def test_rows_that_cannot_be_read_count_among_all_faulty_ones(tmp_path):
    table, lines = tmp_path / "a.csv", tmp_path / "a.jsonl"
    table.write_text("q,by\na,b,c\na,b\n,b\na,b,c,d\n")
    lines.write_text('nonsense\n{"q": "a", "by": "b"}\n{"q": null, "by": "b"}\n["a", "b"]\n')
    for dataset, message in (
        (
            CsvDataset({"train": table}, obj="q", group="by"),
            r"line 2 has 3 values .*line 4 has no value for 'q'; .*line 5 has 4 .*\(3 of 4 rows\)",
        ),
        (
            JsonLinesDataset({"train": lines}, obj="q", group="by"),
            r"line 1 is not .*line 3 has no value for 'q'; .*line 4 is not .* \(3 of 4 rows\)",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            dataset.load("train")


def test_json_lines_may_begin_with_a_byte_order_mark(faq):
    faq.write_text('{"q": "x", "by": 1}', encoding="utf-8-sig")
    dataset = JsonLinesDataset({"train": faq}, obj="q", group="by")
    assert dataset.load("train") == [SimilarityGroupSample("x", 1)]


HARD_NEGATIVES = [
    SimilarityPairSample("hot", "warm", 1.0, "weather"),
    SimilarityPairSample("hot", "cold", 0.0, "weather"),
    SimilarityPairSample("hot", "icy", 0.0, "weather"),
    SimilarityPairSample("up", "high", 1.0, "place"),
]


def test_hard_negatives_of_json_lines_are_pairs_of_score_0(tmp_path):
    file = tmp_path / "words.jsonl"
    file.write_text(
        '{"q": "hot", "a": "warm", "no": ["cold", "icy"], "topic": "weather"}\n'
        '{"q": "up", "a": "high", "no": [], "topic": "place"}\n'
    )
    dataset = JsonLinesDataset(
        {"train": file}, obj_a="q", obj_b="a", negatives="no", subgroup="topic"
    )
    assert dataset.load("train") == HARD_NEGATIVES


def test_hard_negatives_of_csv_have_a_column_each(tmp_path):
    file = tmp_path / "words.csv"
    file.write_text("q,a,no1,no2,topic\nhot,warm,cold,icy,weather\nup,high,,,place\n")
    columns = {"obj_a": "q", "obj_b": "a", "negatives": ["no1", "no2"], "subgroup": "topic"}
    dataset = CsvDataset({"train": file}, **columns)
    assert dataset.load("train") == HARD_NEGATIVES
    again = CsvDataset.from_config(dataset.get_config_dict())
    assert again.load("train") == HARD_NEGATIVES


def test_the_score_of_a_row_is_not_that_of_its_negatives(tmp_path):
    file = tmp_path / "words.jsonl"
    file.write_text('{"q": "hot", "a": "warm", "no": "cold", "s": 0.7}\n')
    columns = {"obj_a": "q", "obj_b": "a", "negatives": "no", "score": "s"}
    samples = JsonLinesDataset({"train": file}, **columns).load("train")
    assert [(sample.obj_b, sample.score) for sample in samples] == [("warm", 0.7), ("cold", 0.0)]


def test_a_column_of_negatives_that_there_is_not_is_named(faq):
    dataset = JsonLinesDataset({"train": faq}, obj_a="q", obj_b="a", negatives=["by", "bye"])
    with pytest.raises(ValueError, match="no column 'bye': did you mean 'by'"):
        dataset.load("train")


def test_csv_columns_are_checked_even_without_rows(tmp_path):
    file = tmp_path / "intents.csv"
    file.write_text("text,intent\n")
    with pytest.raises(ValueError, match=r"intents.csv, line 1 has no column 'intents': did you"):
        CsvDataset({"train": file}, obj="text", group="intents").load("train")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"text,intent\na,b\na, and b,c\n",
            "line 3 has 3 values for the header's 2 columns, from 'c' on",
        ),
        (b"text,intent\na,b\na\n", "line 3 has no value for 'intent'"),
        (b"text,intent\na,b\n\xff,b\n", "line 3 is not UTF-8: byte 0xff in column 1.*iconv"),
        (b'text,intent\n"' + b"a" * 200_000, "line 2 is not CSV: unexpected end of data"),
        (b'text,intent\n"a,b\nc,d\n"e",f\n', "line 2 is not CSV: .*, in line 4"),
        (b"text,intent,text\na,b,c\n", "line 1 names the column 'text' 2 times"),
        (
            b"text,intent\n,b\na,b\nc, \n",
            "line 2 has no value for 'text'; .*line 4 has no value "
            r"for 'intent' \(2 of 3 rows\)",
        ),
        (b"text,intent\na\0,b\n", "line 2 contains a NUL byte"),
        ("text,intent\na,b".encode("utf-16"), "is in UTF-16.*iconv"),
        ("text,intent\na,b".encode("utf-16-le"), "is in UTF-16.*iconv"),
        (gzip.compress(b"text,intent\na,b", mtime=0)[:-8], "is a broken gzip file"),
        (b"PAR1" + b"a" * 30, "is a Parquet file.*the dataset 'parquet'"),
        (b"\xd0\xcf\x11\xe0" + b"a" * 30, "is an old Excel workbook.*Save it as .xlsx"),
        (b"PK\x03\x04" + b"a" * 30, "is a ZIP archive or an Excel workbook"),
    ],
)
def test_a_broken_line_of_csv_is_named(tmp_path, content, message):
    file = tmp_path / "intents.csv"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        CsvDataset({"train": file}, obj="text", group="intent").load("train")


def test_values_of_a_tsv_file_are_separated_by_tabs(tmp_path):
    file = tmp_path / "intents.tsv"
    file.write_text("text\tintent\nWhere, oh where?\tlost\n")
    dataset = CsvDataset({"train": file}, obj="text", group="intent")
    assert dataset.load("train") == [SimilarityGroupSample("Where, oh where?", "lost")]


@pytest.fixture
def words(tmp_path):
    file = tmp_path / "words.parquet"
    table = {
        "q": ["hot", "up"], "a": ["warm", "high"], "no": [["cold", "icy"], None],
        "topic": ["weather", "place"], "picture": [b"x" * 10] * 2,
    }  # fmt: skip
    parquet.write_table(pyarrow.table(table), file, row_group_size=1)
    return file


def test_pairs_and_hard_negatives_from_parquet(words):
    columns = {"obj_a": "q", "obj_b": "a", "negatives": "no", "subgroup": "topic"}
    assert ParquetDataset({"train": words}, **columns).load("train") == HARD_NEGATIVES


def test_a_parquet_column_that_there_is_not_is_named(words):
    with pytest.raises(ValueError, match="no column 'topics': did you mean 'topic'"):
        ParquetDataset({"train": words}, obj="q", group="topics").load("train")


def test_a_row_of_parquet_without_a_value_is_named(words):
    with pytest.raises(ValueError, match="row 1 has no value for 'no'"):
        ParquetDataset({"train": words}, obj="q", group="no").load("train")


def test_a_file_that_is_not_parquet_is_named(faq):
    with pytest.raises(ValueError, match=r"faq.jsonl is not a Parquet file"):
        ParquetDataset({"train": faq}, obj="q", group="by").load("train")


def test_a_score_that_is_no_number_is_named(faq):
    dataset = JsonLinesDataset({"train": faq}, obj_a="q", obj_b="a", score="by")
    with pytest.raises(ValueError, match="line 1 has the score 'aws'"):
        dataset.load("train")


def test_a_missing_file_and_a_missing_split_are_named(tmp_path):
    dataset = CsvDataset({"train": tmp_path / "no.csv"}, obj="a", group="b")
    with pytest.raises(FileNotFoundError, match=r"split 'train' is missing: .*no.csv"):
        dataset.load("train")
    with pytest.raises(ValueError, match="has no split 'test'. It has: train"):
        dataset.load("test")


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"obj_a": "q"},
        {"obj": "q"},
        {"obj_a": "q", "obj_b": "a", "obj": "q", "group": "a"},
        {"obj": "q", "group": "a", "negatives": "a"},
    ],
)
def test_columns_have_to_name_one_kind_of_sample(faq, columns):
    with pytest.raises(ValueError, match="columns of pairs .* or of group samples"):
        JsonLinesDataset({"train": faq}, **columns)


def read_groups(file, content):
    file.write_bytes(content)
    dataset = CsvDataset({"train": file}, obj="text", group="intent")
    return [(sample.obj, sample.group) for sample in dataset.load("train")]


def test_quotes_of_a_tsv_file_are_characters(tmp_path):
    rows = [('"Hi" she said', "a"), ('5" screen', "b"), ('"unclosed', "c"), ('closed"', "d"),
            ("whole", "e"), ('He said "Hi"', "f")]  # fmt: skip
    lines = ["text\tintent", *("\t".join(row) for row in rows[:4]), '"whole"\te',
             '"He said ""Hi"""\tf']  # fmt: skip
    assert read_groups(tmp_path / "a.tsv", "\n".join(lines).encode()) == rows


def test_quoted_values_of_a_tsv_file_may_hold_tabs_and_line_breaks(tmp_path):
    content = b'text\tintent\n"a\tb"\tc\n"d\ne ""f"""\tg\nh\ti\n'
    expected = [("a\tb", "c"), ('d\ne "f"', "g"), ("h", "i")]
    assert read_groups(tmp_path / "a.tsv", content) == expected


def test_a_row_of_a_tsv_file_with_too_few_values_swallows_nothing(tmp_path):
    with pytest.raises(ValueError, match="line 2 has fewer values .* quote that is not closed"):
        read_groups(tmp_path / "a.tsv", b'text\tintent\n"a\nb\tc\nd\te\n')


def test_cells_may_be_long_and_the_limit_of_the_csv_module_is_kept(tmp_path):
    before = csv.field_size_limit()
    for suffix, separator in ((".csv", ","), (".tsv", "\t")):
        long = "a" * 200_000
        content = f"text{separator}intent\n{long}{separator}b\n".encode()
        assert read_groups(tmp_path / f"a{suffix}", content) == [(long, "b")]
    assert csv.field_size_limit() == before


@pytest.mark.parametrize("end", ["\r", "\r\n", "\n"])
def test_lines_end_as_on_any_system(tmp_path, end):
    content = end.join(["\ufefftext,intent", "a\u2028b,c", "", "d,e"]).encode()
    assert read_groups(tmp_path / "a.csv", content) == [("a\u2028b", "c"), ("d", "e")]
    lines = end.join(['\ufeff{"text": "a\u2028b", "intent": 1}', "", '{"text": "d", "intent": 2}'])
    file = tmp_path / "a.jsonl"
    file.write_bytes(lines.encode())
    samples = JsonLinesDataset({"train": file}, obj="text", group="intent").load("train")
    assert [sample.obj for sample in samples] == ["a\u2028b", "d"]


def test_keys_that_occur_twice_are_refused(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_text('{"text": "a", "text": "b", "intent": 1}')
    with pytest.raises(ValueError, match="the key 'text' occurs more than once"):
        JsonLinesDataset({"train": file}, obj="text", group="intent").load("train")


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    for name, kind in ((".", "a folder"), ("pipe.csv", "a pipe")):
        dataset = CsvDataset({"train": tmp_path / name}, obj="text", group="intent")
        with pytest.raises(ValueError, match=f"split 'train' is not a regular file: .* is {kind}"):
            dataset.load("train")


PAIRS = {"obj_a": "q", "obj_b": "a", "score": "s", "subgroup": "g"}


@pytest.fixture(params=["csv", "tsv", "jsonl", "parquet", "hugging-face"])
def write_pairs(request, tmp_path):
    """Write rows of a question, an answer, a score and a subgroup, and return a dataset of them."""

    def write(rows, **arguments):
        file = tmp_path / f"pairs.{request.param}"
        given = {**PAIRS, **arguments}
        names = list(PAIRS.values())
        if request.param in ("csv", "tsv"):
            separator = "," if request.param == "csv" else "\t"
            cells = [["" if value is None else str(value) for value in row] for row in rows]
            file.write_text("\n".join(separator.join(row) for row in [names, *cells]))
            return CsvDataset({"train": file}, **given)
        table = [dict(zip(names, row, strict=True)) for row in rows]
        if request.param == "jsonl":
            file.write_text("\n".join(map(json.dumps, table)))
            return JsonLinesDataset({"train": file}, **given)
        if request.param == "parquet":
            parquet.write_table(pyarrow.Table.from_pylist(table), file)
            return ParquetDataset({"train": file}, **given)
        folder = tmp_path / "saved"
        datasets.Dataset.from_list(table).save_to_disk(folder)
        return HuggingFaceDataset(folder, **given)

    return write


def test_a_missing_subgroup_states_nothing_in_every_format(write_pairs):
    dataset = write_pairs([["q1", "a1", 1.0, "x"], ["q2", "a2", 0.5, None], ["q3", "a3", 1.0, " "]])
    assert [sample.subgroup for sample in dataset.load("train")] == ["x", None, None]


def test_what_is_missing_or_no_score_is_counted_and_named_in_every_format(write_pairs):
    dataset = write_pairs([
        ["q1", "a1", 1.0, "x"],
        [None, "a2", 1.0, "x"],
        ["q3", " ", 1.0, "x"],
        ["q4", "a4", None, "x"],
        ["q5", "a5", float("inf"), "x"],
        ["q6", "a6", float("nan"), "x"],
    ])  # fmt: skip
    message = (
        "no value for 'q'; .*no value for 'a'; .*no value for 's'; .*the score .?inf.*; "
        ".*(for 's'|score 'nan')"
    )
    with pytest.raises(ValueError, match=f"{message}.*5 of 6 rows") as caught:
        dataset.load("train")
    assert str(caught.value).count("pairs." if "saved" not in str(caught.value) else "saved") == 5


def test_a_range_of_scores_becomes_0_to_1_in_every_format(write_pairs):
    rows = [["q1", "a1", 0.0, None], ["q2", "a2", 2.5, None], ["q3", "a3", 5.0, None]]
    dataset = write_pairs(rows, score_range=[0, 5])
    assert [sample.score for sample in dataset.load("train")] == [0.0, 0.5, 1.0]
    again = type(dataset).from_config(dataset.get_config_dict())
    assert again.load("train") == dataset.load("train")
    with pytest.raises(ValueError, match=r"has the score 5, outside of the score_range \[0, 4\]"):
        write_pairs(rows, score_range=[0, 4]).load("train")


@pytest.mark.parametrize("score_range", [[5, 0], [0], "05", [0, float("nan")], [0, "5"]])
def test_a_range_that_is_none_is_refused(tmp_path, score_range):
    with pytest.raises(ValueError, match=r"Expected score_range to be .* \[0, 5\]"):
        CsvDataset({"train": tmp_path / "a.csv"}, **PAIRS, score_range=score_range)
    with pytest.raises(ValueError, match="Name it with score"):
        CsvDataset({"train": tmp_path / "a.csv"}, obj_a="q", obj_b="a", score_range=[0, 5])


def test_truths_are_scores(write_pairs):
    dataset = write_pairs([["q1", "a1", True, "x"], ["q2", "a2", False, "x"]])
    assert [sample.score for sample in dataset.load("train")] == [1.0, 0.0]
