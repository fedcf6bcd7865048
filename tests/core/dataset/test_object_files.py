"""Objects of files: lines, tables with their other columns, folders of images."""

import gzip
import json

import pytest

from quaterion_core.dataset.object_files import FileObject, objects_in


def test_only_line_breaks_divide_lines(tmp_path):
    lines = ["one\u2028line", "a\x0bb", "c\x1cd\x85e", "  indented", "tab\there"]
    corpus = tmp_path / "corpus.txt"
    corpus.write_bytes("\ufeff".encode() + "\r\n".join([*lines, "", " "]).encode())
    assert [found.object for found in objects_in(corpus)] == lines


def test_what_is_no_text_is_told(tmp_path):
    (tmp_path / "latin.txt").write_bytes("Käse".encode("latin-1"))
    with pytest.raises(ValueError, match="latin-1|UTF-8"):
        list(objects_in(tmp_path / "latin.txt"))
    with pytest.raises(ValueError, match="Expected images in"):
        list(objects_in(tmp_path))
    with pytest.raises(FileNotFoundError, match="no such file"):
        list(objects_in(tmp_path / "missing.txt"))


def test_a_column_is_the_object_and_the_others_are_fields(tmp_path):
    file = tmp_path / "faq.csv.gz"
    with gzip.open(file, "wt") as stream:
        stream.write("q,a,year,code,price\nx,y,2020,007,-1.50\n,left out,1,1,1\nz,,3,12,1e3\n")
    assert list(objects_in(file, column="q")) == [
        FileObject("x", None, {"a": "y", "year": 2020, "code": "007", "price": -1.5}),
        FileObject("z", None, {"year": 3, "code": 12, "price": "1e3"}),
    ]


def test_ids_are_those_of_a_column(tmp_path):
    file = tmp_path / "faq.jsonl"
    rows = [{"id": 1, "text": "x", "tags": ["a"]}, {"id": None, "text": "y"}]
    file.write_text("\n".join(map(json.dumps, rows)))
    found = objects_in(file, id_column="id")
    assert next(found) == FileObject("x", "1", {"tags": ["a"]})
    with pytest.raises(ValueError, match="row 2 has no id in the column 'id'"):
        next(found)


def test_all_columns_of_parquet_are_read(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pyarrow.table({"text": ["x"], "n": [3], "image": [b"bytes"], "part": [{"a": 1.5}]})
    parquet.write_table(table, tmp_path / "a.parquet")
    (found,) = objects_in(tmp_path / "a.parquet")
    assert found == FileObject("x", None, {"n": 3, "image": None, "part": {"a": 1.5}})


def test_columns_that_are_not_there_are_told(tmp_path):
    (tmp_path / "a.csv").write_text("q,a\nx,y\n")
    with pytest.raises(ValueError, match=r"no column 'text'. Its columns: 'q', 'a'"):
        list(objects_in(tmp_path / "a.csv"))
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(ValueError, match=r"Expected a table .* got 'a.txt'"):
        list(objects_in(tmp_path / "a.txt", column="q"))


def test_images_of_a_folder_have_their_folder_as_a_field(tmp_path):
    for name in ("b.png", "cats/a.JPG", "cats/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert list(objects_in(tmp_path)) == [
        FileObject(tmp_path / "b.png"),
        FileObject(tmp_path / "cats/a.JPG", None, {"folder": "cats"}),
    ]
