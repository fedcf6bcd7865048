"""Tests of files that are written whole or not at all."""

import os
import stat
import subprocess
import sys

import pytest

from quaterion_core.storage import whole_file


def test_a_failing_write_leaves_the_former_file(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b"former")

    def write_a_part():
        with whole_file(path) as stream:
            stream.write(b"part")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_a_part()
    assert path.read_bytes() == b"former"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_and_what_it_refers_to_is_replaced(tmp_path):
    target = tmp_path / "target"
    target.write_bytes(b"former")
    link = tmp_path / "link"
    link.symlink_to(target)
    with whole_file(link) as stream:
        stream.write(b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_the_file_has_the_mode_of_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        with whole_file(tmp_path / "a") as stream:
            stream.write(b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_what_a_killed_process_left_is_removed(tmp_path):
    path = tmp_path / "a"
    code = (
        "import os, signal, sys\n"
        "from quaterion_core.storage import whole_file\n"
        "with whole_file(sys.argv[1]) as stream:\n"
        "    stream.write(b'part')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert len(list(tmp_path.iterdir())) == 1
    with whole_file(path) as stream:
        stream.write(b"whole")
    assert [file.name for file in tmp_path.iterdir()] == ["a"]
