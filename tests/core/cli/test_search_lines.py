"""The lines of a corpus are what its line breaks divide, and nothing else."""

import pytest

from quaterion_core.cli.search import lines_of


def test_only_line_breaks_divide_lines(tmp_path):
    lines = ["one\u2028line", "a\x0bb", "c\x1cd\x85e", "  indented", "tab\there"]
    corpus = tmp_path / "corpus.txt"
    corpus.write_bytes("\ufeff".encode() + "\r\n".join([*lines, "", " "]).encode())
    assert lines_of(corpus) == lines


def test_what_is_no_text_is_told(tmp_path):
    (tmp_path / "latin.txt").write_bytes("Käse".encode("latin-1"))
    with pytest.raises(ValueError, match=r"UTF-8, but .*latin.txt is not: .* at byte 1"):
        lines_of(tmp_path / "latin.txt")
    with pytest.raises(ValueError, match="is a folder"):
        lines_of(tmp_path)
