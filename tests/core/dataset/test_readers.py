import pyarrow
import pytest
from pyarrow import parquet

from quaterion_core.dataset import (
    CsvDataset,
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
        (b"nonsense", "line 2 is not JSON: Expecting value.*one JSON object on each line"),
        (b'{"q": "', "line 2 is not JSON: Unterminated string"),
        (b'{"q": "\xff"}', "line 2 is not JSON: 'utf-8' codec can't decode"),
        (b'["q"]', "line 2 is not a JSON object"),
    ],
)
def test_a_line_that_is_not_json_is_named(faq, line, message):
    faq.write_bytes(b'{"q": "x", "by": 1}\n' + line + b"\n")
    with pytest.raises(ValueError, match=message):
        JsonLinesDataset({"train": faq}, obj="q", group="by").load("train")


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
        (b"text,intent\na,b\na, and b,c\n", "line 3 has more values than the header's 2 columns"),
        (b"text,intent\na,b\na\n", "line 3 has no value for 'intent'"),
        (b"text,intent\na,b\n\xff,b\n", "is not UTF-8 after line"),
        (b'text,intent\n"' + b"a" * 200_000, "is not CSV: field larger than field limit"),
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
    with pytest.raises(ValueError, match="of a pair .* or of a group"):
        JsonLinesDataset({"train": faq}, **columns)
