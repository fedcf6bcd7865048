import pytest

from quaterion_core.dataset import (
    CsvDataset,
    JsonLinesDataset,
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
    with pytest.raises(ValueError, match=r"line 1 has no value for 'text'.*'q', 'a', 'by'"):
        dataset.load("train")


def test_a_line_that_is_not_json_is_named(faq):
    faq.write_text('{"q": "x", "by": 1}\nnonsense\n')
    with pytest.raises(ValueError, match="line 2 is not JSON"):
        JsonLinesDataset({"train": faq}, obj="q", group="by").load("train")


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
    [{}, {"obj_a": "q"}, {"obj": "q"}, {"obj_a": "q", "obj_b": "a", "obj": "q", "group": "a"}],
)
def test_columns_have_to_name_one_kind_of_sample(faq, columns):
    with pytest.raises(ValueError, match="of a pair .* or of a group"):
        JsonLinesDataset({"train": faq}, **columns)
