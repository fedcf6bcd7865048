import pyarrow
import pytest
from pyarrow import parquet

from quaterion_core.dataset import (
    ParquetDataset,
    SimilarityGroupSample,
    SimilarityPairSample,
    samples_from,
)
from quaterion_cv import ImageCsvDataset
from quaterion_cv.images import read_image

PAIR = {"obj_a": "path_a", "obj_b": "path_b"}


@pytest.fixture
def write(tmp_path, write_image):
    """Return a function that writes images, and a CSV file with the given lines."""

    def write_csv(*lines, images=("a.png", "b.png", "c.png")):
        for name in images:
            write_image(tmp_path / "images" / name)
        file = tmp_path / "train.csv"
        file.write_text("\n".join(lines))
        return {"train": file}

    return write_csv


def test_groups_are_read_from_columns_called_path_and_group(write, tmp_path):
    files = write("group,path", "cat,images/a.png", "dog,images/b.png")

    assert ImageCsvDataset(files).load("train") == [
        SimilarityGroupSample(tmp_path / "images/a.png", "cat"),
        SimilarityGroupSample(tmp_path / "images/b.png", "dog"),
    ]


def test_pairs_are_read_with_their_scores_and_hard_negatives(write, tmp_path):
    files = write(
        "path_a,path_b,wrong,score,article",
        "images/a.png,images/b.png,images/c.png,0.5,shoe",
    )
    images = tmp_path / "images"

    dataset = ImageCsvDataset(files, **PAIR, negatives="wrong", score="score", subgroup="article")

    assert dataset.load("train") == [
        SimilarityPairSample(images / "a.png", images / "b.png", 0.5, "shoe"),
        SimilarityPairSample(images / "a.png", images / "c.png", 0.0, "shoe"),
    ]


def test_paths_are_relative_to_the_root(write, tmp_path):
    files = write("path,group", "a.png,cat")

    (sample,) = ImageCsvDataset(files, root=tmp_path / "images").load("train")

    assert sample.obj == tmp_path / "images/a.png"


def test_absolute_paths_stay_what_they_are(write, tmp_path):
    files = write("path,group", f"{tmp_path}/images/a.png,cat")

    (sample,) = ImageCsvDataset(files, root="elsewhere").load("train")

    assert sample.obj == tmp_path / "images/a.png"


def test_captions_stay_texts(write, tmp_path):
    files = write("caption,path", "a cat,images/a.png")

    dataset = ImageCsvDataset(files, obj_a="caption", obj_b="path", text="caption")

    assert dataset.load("train") == [SimilarityPairSample("a cat", tmp_path / "images/a.png")]


@pytest.mark.parametrize("columns", [{"text": "caption"}, {**PAIR, "text": "path"}])
def test_a_text_that_is_no_column_of_a_pair_is_refused(columns):
    with pytest.raises(ValueError, match="Expected text to be the column obj_a"):
        ImageCsvDataset({"train": "train.csv"}, **columns)


def test_pairs_of_texts_alone_are_refused():
    with pytest.raises(ValueError, match="Expected a column of images"):
        ImageCsvDataset({"train": "train.csv"}, obj_a="text", obj_b="text", text="text")


def test_missing_images_stop_the_run_when_the_split_is_loaded(write):
    files = write("path,group", "images/a.png,cat", "images/lost.png,cat")

    with pytest.raises(
        FileNotFoundError, match=r"1 of the 2 image files of .*train\.csv are missing: .*lost\.png"
    ):
        ImageCsvDataset(files).load("train")


def test_samples_with_missing_and_broken_images_are_left_out(write, tmp_path, write_broken_image):
    broken = write_broken_image(tmp_path / "images/broken.png")
    files = write(
        "path_a,path_b",
        "images/a.png,images/b.png",
        "images/a.png,images/broken.png",
        "images/lost.png,images/c.png",
    )
    dataset = ImageCsvDataset(files, **PAIR, on_error="skip")

    with pytest.warns(UserWarning, match=r"2 of the 5 image files of .*broken.*; .*lost"):
        (sample,) = dataset.load("train")

    assert sample.obj_b == tmp_path / "images/b.png"
    assert dataset.skipped.keys() == {str(broken), str(tmp_path / "images/lost.png")}


def test_a_file_with_no_readable_image_is_an_error(write):
    files = write("path,group", "images/lost.png,cat")

    with pytest.warns(match="1 of"), pytest.raises(ValueError, match=r"No sample of .*train\.csv"):
        ImageCsvDataset(files, on_error="skip").load("train")


def test_an_image_is_taken_from_the_first_root_that_has_it(write, write_image, tmp_path):
    files = write("path,group", "a.png,cat", "d.png,dog", "b.png,cat")
    write_image(tmp_path / "more" / "d.png")
    write_image(tmp_path / "more" / "b.png")
    roots = [tmp_path / "images", tmp_path / "more"]
    dataset = ImageCsvDataset(files, root=roots)
    expected = [tmp_path / "images/a.png", tmp_path / "more/d.png", tmp_path / "images/b.png"]
    assert [sample.obj for sample in dataset.load("train")] == expected
    again = ImageCsvDataset.from_config(dataset.get_config_dict())
    assert [sample.obj for sample in again.load("train")] == expected


def test_a_fraction_and_the_options_of_csv_files_are_there(write):
    names = [f"{n}.png" for n in range(20)]
    lines = [f"images/{name};{n % 2}" for n, name in enumerate(names)]
    files = write("path;group", *lines, images=names)
    dataset = ImageCsvDataset({**files, "validation": 0.2}, delimiter=";", limit=10)
    assert [len(dataset.load(split)) for split in dataset.splits] == [8, 2]
    assert dataset.get_config_dict()["delimiter"] == ";"


def test_images_in_a_table_are_bytes_or_structs(tmp_path, write_image):
    path = tmp_path / "a.png"
    write_image(path)
    images = [path.read_bytes(), {"bytes": path.read_bytes(), "path": None}, {"path": str(path)}]
    table = pyarrow.table({"image": [{"bytes": images[0], "path": "a.png"}], "label": [1]})
    parquet.write_table(table, tmp_path / "a.parquet")
    dataset = ParquetDataset({"train": tmp_path / "a.parquet"}, obj="image", group="label")
    images += [sample.obj for sample in dataset.load("train")]
    images += [samples_from(table, obj="image", group="label")[0].obj, path]
    samples = samples_from([(image, 1) for image in images], obj=0, group=1)
    read = [read_image(sample.obj, channels=3).tobytes() for sample in samples]
    assert len(read) == 6
    assert len(set(read)) == 1
