import hashlib

import pytest

from quaterion_core.storage import InvalidFolderError, folder_checksums, verify_checksums


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model" / "head").mkdir(parents=True)
    (tmp_path / "model" / "head" / "weights").write_bytes(b"1234")
    return tmp_path / "model"


def test_checksums_are_sha256_by_relative_path(folder):
    assert folder_checksums(folder) == {"head/weights": hashlib.sha256(b"1234").hexdigest()}


def test_an_untouched_folder_passes(folder):
    verify_checksums(folder, folder_checksums(folder))


def test_a_file_that_was_cut_off_is_named(folder):
    checksums = folder_checksums(folder)
    (folder / "head" / "weights").write_bytes(b"123")
    with pytest.raises(InvalidFolderError, match="weights is not what was saved"):
        verify_checksums(folder, checksums)


def test_a_missing_file_is_named(folder):
    checksums = folder_checksums(folder)
    (folder / "head" / "weights").unlink()
    with pytest.raises(InvalidFolderError, match="head/weights is missing"):
        verify_checksums(folder, checksums)


def test_a_file_added_to_a_component_is_refused(folder):
    checksums = folder_checksums(folder)
    (folder / "head" / "extra.py").write_text("import os")
    with pytest.raises(InvalidFolderError, match="was added after saving"):
        verify_checksums(folder, checksums)


def test_a_readme_beside_the_components_is_allowed(folder):
    checksums = folder_checksums(folder)
    (folder / "README.md").write_text("My model")
    verify_checksums(folder, checksums)


@pytest.mark.parametrize(
    "path", ["../secret", "/etc/passwd", "head/../../secret", "C:\\x", "a\\..\\b"]
)
def test_paths_out_of_the_folder_are_refused(folder, path):
    (folder.parent / "secret").write_text("s")
    with pytest.raises(InvalidFolderError, match="leads out of it"):
        verify_checksums(folder, {path: hashlib.sha256(b"s").hexdigest()})


def test_links_out_of_the_folder_are_refused(folder):
    (folder.parent / "secret").write_text("s")
    (folder / "head" / "link").symlink_to(folder.parent / "secret")
    with pytest.raises(InvalidFolderError, match="is a link"):
        verify_checksums(folder, folder_checksums(folder))
