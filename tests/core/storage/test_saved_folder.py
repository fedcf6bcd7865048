import json
import os
from pathlib import Path

import pytest

from quaterion_core.storage import InvalidFolderError, open_saved_folder
from quaterion_core.storage.json_files import parse_json, same_json


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "saved" / "part").mkdir(parents=True)
    (tmp_path / "saved" / "config.json").write_text('{"size": 3}')
    (tmp_path / "saved" / "part" / "data.txt").write_text("data")
    return tmp_path / "saved"


def _link(path: Path) -> None:
    path.symlink_to(path.parent.parent / "elsewhere")


@pytest.mark.parametrize(
    ("make", "kind"),
    [(_link, "a link"), (os.mkfifo, "a named pipe")],
)
def test_what_is_no_regular_file_is_refused_before_it_is_opened(folder, make, kind):
    make(folder / "part" / "odd")
    with pytest.raises(InvalidFolderError, match=f"odd is {kind}"), open_saved_folder(folder):
        pass


def test_a_folder_that_is_a_link_is_refused_but_not_the_one_that_was_asked_for(folder):
    other = folder.parent / "other"
    other.symlink_to(folder)
    with open_saved_folder(other) as opened:
        assert opened.read_json("config.json") == {"size": 3}
    (folder / "link").symlink_to(folder / "part", target_is_directory=True)
    with pytest.raises(InvalidFolderError, match="link is a link"), open_saved_folder(folder):
        pass


def test_what_is_put_in_the_place_of_a_file_or_folder_later_is_not_followed(folder, tmp_path):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "data.txt").write_text("secret")
    with open_saved_folder(folder) as opened:
        (folder / "part").rename(folder.parent / "moved")
        (folder / "part").symlink_to(secret)
        assert opened.read("part/data.txt") == b"data"
        (folder / "config.json").unlink()
        (folder / "config.json").symlink_to(secret / "data.txt")
        with pytest.raises(InvalidFolderError, match="a link"):
            opened.read("config.json")


def test_a_file_that_grew_beyond_its_limit_is_refused(folder):
    with open_saved_folder(folder) as opened:
        (folder / "config.json").write_text("x" * 100)
        with pytest.raises(InvalidFolderError, match="more than 50 bytes"):
            opened.read("config.json", limit=50)


def test_too_many_files_or_levels_are_refused(folder):
    deep = folder.joinpath(*"abcdefghijklmno")
    deep.mkdir(parents=True)
    with pytest.raises(InvalidFolderError, match="12 levels"), open_saved_folder(folder):
        pass
    for number in range(2001):
        (folder / "part" / f"{number}").touch()
    with pytest.raises(InvalidFolderError, match="2,000 files"), open_saved_folder(folder):
        pass


def test_files_that_are_not_expected_are_named(folder):
    with open_saved_folder(folder) as opened:
        opened.require({"config.json"}, optional={"part/data.txt"})
        with pytest.raises(InvalidFolderError, match="data.txt is no file that saving writes"):
            opened.require({"config.json"})
        with pytest.raises(InvalidFolderError, match="weights is missing"):
            opened.require({"config.json", "weights"}, optional={"part/data.txt"})
        opened.subfolder("part").require({"data.txt"})


def test_a_private_copy_holds_the_checked_bytes_and_goes_away(folder):
    with open_saved_folder(folder) as opened:
        with opened.private_copy({"part/data.txt"}) as copy:
            assert (copy / "part" / "data.txt").read_bytes() == b"data"
            assert copy.stat().st_mode & 0o777 == 0o700
            assert not (copy / "config.json").exists()
        assert not copy.exists()


@pytest.mark.parametrize("path", ["x" * 5000, "a\0b", "missing"])
def test_paths_that_cannot_be_are_explained(path):
    with pytest.raises(InvalidFolderError), open_saved_folder(path):
        pass


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1, "a": 2}', "'a' occurs twice"),
        ('{"a": NaN}', "NaN"),
        ('{"a": -Infinity}', "Infinity"),
        ('{"a": 1e999}', "out of range"),
        ('{"a": %s}' % ("9" * 5000), "digits"),
        ("[" * 100_000 + "]" * 100_000, "nested"),
        ("[" * 70 + "]" * 70, "nested"),
        ('{"a": "\\ud800"}', "surrogates"),
        ("\xff", "cannot be read"),
        ("[" + "[]," * 2_000_000 + "0]", "too many values"),
    ],
)
def test_json_that_only_some_parsers_take_is_refused(text, message):
    with pytest.raises(InvalidFolderError, match=message):
        parse_json(text.encode("latin-1"), "config.json")


def test_ordinary_json_is_parsed_as_by_the_standard_library():
    value = {"a": [1, -2.5, None, True, "ü\n"], "b": {"c": {}, "d": 10**30}}
    assert parse_json(json.dumps(value).encode(), "config.json") == value


def test_equal_json_tells_booleans_from_numbers():
    assert same_json([1, {"a": 0.0}], (1.0, {"a": 0}))
    assert not same_json({"a": 1}, {"a": True})
    assert not same_json({"a": 1}, {"a": 1, "b": 2})


def test_errors_show_no_control_characters():
    error = InvalidFolderError("name \x1b[31m \u202e \x00 is wrong\nreally")
    assert str(error) == "name \\x1b[31m \\u202e \\x00 is wrong\nreally"
    assert len(str(InvalidFolderError("x" * 100_000))) < 5000
