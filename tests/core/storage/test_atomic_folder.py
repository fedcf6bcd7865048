from pathlib import Path

import pytest

from quaterion_core.storage import OutputExistsError, new_folder


def test_a_block_that_succeeds_leaves_the_whole_folder_and_nothing_else(tmp_path):
    with new_folder(tmp_path / "deep" / "model") as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "a.txt").write_text("a")
    assert (tmp_path / "deep" / "model" / "sub" / "a.txt").read_text() == "a"
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["model"]


def test_a_block_that_raises_leaves_nothing(tmp_path):
    def fail(folder: Path) -> None:
        (folder / "half.txt").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), new_folder(tmp_path / "model") as folder:
        fail(folder)
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_stays(tmp_path):
    target = tmp_path / "model"
    target.mkdir()
    (target / "mine.txt").write_text("mine")
    with pytest.raises(OutputExistsError, match="already exists"), new_folder(target):
        pass
    assert (target / "mine.txt").read_text() == "mine"


def test_an_empty_folder_counts_as_new(tmp_path):
    (tmp_path / "model").mkdir()
    with new_folder(tmp_path / "model") as folder:
        (folder / "a.txt").write_text("a")
    assert (tmp_path / "model" / "a.txt").exists()


def test_a_file_or_a_link_is_never_replaced(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path)
    for name in ("file", "link"):
        with (
            pytest.raises(OutputExistsError, match=f"is a {name}"),
            new_folder(tmp_path / name, may_replace=lambda _: True),
        ):
            pass


def test_a_folder_of_the_same_kind_is_replaced_when_asked(tmp_path):
    target = tmp_path / "model"
    for text in ("old", "new"):
        with new_folder(target, may_replace=lambda folder: (folder / "a.txt").exists()) as folder:
            (folder / "a.txt").write_text(text)
    assert (target / "a.txt").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_folder_of_another_kind_is_not_replaced_even_when_asked(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("It was")
    with (
        pytest.raises(OutputExistsError, match="holds something else"),
        new_folder(tmp_path / "thesis", may_replace=lambda _: False),
    ):
        pass
    assert (tmp_path / "thesis" / "chapter1.tex").exists()


def test_a_replacement_that_fails_keeps_the_old_folder(tmp_path):
    target = tmp_path / "model"
    with new_folder(target) as folder:
        (folder / "a.txt").write_text("old")
    with (
        pytest.raises(ZeroDivisionError),
        new_folder(target, may_replace=lambda _: True) as folder,
    ):
        (folder / "a.txt").write_text(str(1 / 0))
    assert (target / "a.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
