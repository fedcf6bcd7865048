import pytest

from quaterion_core.storage import InvalidFolderError, NotSavableError, read_json, write_json


def test_a_configuration_comes_back(tmp_path):
    value = {"a": [1, 2.5, None, True], "b": {"ü": "ß"}}
    write_json(tmp_path / "config.json", value, owner="Thing")
    assert read_json(tmp_path / "config.json") == value


@pytest.mark.parametrize("bad", [object(), {1: 2}, {1, 2}, b"x", len])
def test_what_is_not_json_is_named_and_nothing_is_written(tmp_path, bad):
    with pytest.raises(NotSavableError, match=r"Thing.*at 'outer\[1\]'"):
        write_json(tmp_path / "config.json", {"outer": [0, bad]}, owner="Thing")
    assert not (tmp_path / "config.json").exists()


def test_nan_is_refused(tmp_path):
    with pytest.raises(NotSavableError, match="nan at 'margin'"):
        write_json(tmp_path / "config.json", {"margin": float("nan")}, owner="Thing")


@pytest.mark.parametrize(("text", "message"), [("{", "cannot be read"), ("[1]", "JSON object")])
def test_a_broken_file_is_named(tmp_path, text, message):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(InvalidFolderError, match=message):
        read_json(tmp_path / "config.json")


def test_a_missing_file_says_that_it_is_no_saved_folder(tmp_path):
    with pytest.raises(InvalidFolderError, match="has no config.json"):
        read_json(tmp_path / "config.json")
