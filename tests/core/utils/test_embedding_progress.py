"""The progress bar of embedding many objects."""

import io

import pytest

from quaterion_core.utils import embedding_progress as module
from quaterion_core.utils.embedding_progress import embedded, embedding_progress


class Terminal(io.StringIO):
    """Standard error that is a terminal."""

    def isatty(self):
        return True


@pytest.fixture
def shown(monkeypatch):
    """Return what is shown on a stream if the bar appears after a number of seconds."""

    def of(stream, seconds):
        monkeypatch.setattr(module, "SECONDS_IN_SILENCE", seconds)
        monkeypatch.setattr("sys.stderr", stream)
        monkeypatch.setenv("TERM", "xterm")
        with embedding_progress(30), embedding_progress():
            embedded(10)
            embedded(20)
        return stream.getvalue()

    return of


def test_a_long_embedding_is_shown_on_a_terminal(shown):
    assert "30/30" in shown(Terminal(), 0.0)


@pytest.mark.parametrize(("stream", "seconds"), [(Terminal, 2.0), (io.StringIO, 0.0)])
def test_a_short_embedding_or_another_stream_shows_nothing(shown, stream, seconds):
    assert shown(stream(), seconds) == ""


def test_objects_are_counted_only_within_a_block(monkeypatch):
    monkeypatch.setattr("sys.stderr", stream := Terminal())
    embedded(10**9)
    assert stream.getvalue() == ""
