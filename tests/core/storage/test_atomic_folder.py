import errno
import os
import shutil
from pathlib import Path

import pytest

from quaterion_core.storage import (
    NotWritableError,
    OutputExistsError,
    atomic_folder,
    check_output_folder,
    new_folder,
    restore_folder,
)


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
        pytest.raises(OutputExistsError, match="contains something else"),
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


def test_files_get_the_permissions_of_the_umask(tmp_path):
    before = os.umask(0o022)
    try:
        with new_folder(tmp_path / "model") as folder:
            (folder / "sub").mkdir(mode=0o700)
            (folder / "sub" / "a.txt").write_text("a")
            (folder / "sub" / "a.txt").chmod(0o600)
    finally:
        os.umask(before)
    assert (tmp_path / "model" / "sub" / "a.txt").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "model" / "sub").stat().st_mode & 0o777 == 0o755


def test_what_killed_writers_left_is_removed_but_not_what_is_being_written(tmp_path):
    left = tmp_path / ".model.new-0123"
    left.mkdir()
    (left / "half.txt").write_text("half")
    other = tmp_path / ".other.new-0123"
    other.mkdir()
    with new_folder(tmp_path / "model") as first:
        (first / "a.txt").write_text("first")
        with new_folder(tmp_path / "model") as second:
            assert first.exists()
            (second / "a.txt").write_text("second")
        with pytest.raises(OutputExistsError):
            check_output_folder(tmp_path / "model")
        shutil.rmtree(tmp_path / "model")
    assert (tmp_path / "model" / "a.txt").read_text() == "first"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".other.new-0123", "model"]


def test_a_folder_that_was_renamed_by_a_killed_writer_is_restored(tmp_path):
    (tmp_path / ".model.old-0123").mkdir()
    (tmp_path / ".model.old-0123" / "a.txt").write_text("old")
    assert restore_folder(tmp_path / "model") == tmp_path / "model"
    assert (tmp_path / "model" / "a.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("exchanges", [True, False])
def test_a_folder_is_replaced_with_and_without_an_exchange(tmp_path, monkeypatch, exchanges):
    if not exchanges:
        monkeypatch.setattr(atomic_folder, "exchange_paths", lambda *_: False)
    for text in ("old", "new"):
        with new_folder(tmp_path / "model", may_replace=lambda _: True) as folder:
            (folder / "a.txt").write_text(text)
    assert (tmp_path / "model" / "a.txt").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("name", ["file/model", "x" * 300])
def test_a_path_that_cannot_be_written_is_explained(tmp_path, name):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(NotWritableError, match="has not changed"), new_folder(tmp_path / name):
        pass


@pytest.mark.parametrize(
    ("code", "advice"),
    [(errno.ENOSPC, "Free some"), (errno.EACCES, "may write"), (errno.EROFS, "may write")],
)
def test_what_the_system_refuses_is_explained_and_leaves_nothing(tmp_path, code, advice):
    def fail(folder: Path) -> None:
        (folder / "half.txt").write_text("half")
        raise OSError(code, os.strerror(code))

    with pytest.raises(NotWritableError, match=advice), new_folder(tmp_path / "model") as folder:
        fail(folder)
    assert list(tmp_path.iterdir()) == []
