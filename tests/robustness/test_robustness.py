"""The short form of ``nox -s robustness``: hostile input and crashes."""

import random
import sys
from pathlib import Path

import pytest

if not hasattr(sys, "addaudithook") or not sys.platform.startswith("linux"):
    pytest.skip("cases run in forked processes that are limited", allow_module_level=True)

sys.path.append(str(Path(__file__).resolve().parents[2]))  # the program beside the packages

from robustness import crashes
from robustness.hostile_files import try_files
from robustness.hostile_input import RIGHT, try_folders
from robustness.sandbox import Outcome, run_in_child


def test_hostile_folders_are_refused_or_load_as_they_say():
    cases = try_folders(60)
    assert len(cases) >= 60
    assert [str(case) for case in cases if case.outcome.kind not in RIGHT] == []
    assert sum(case.outcome.kind == "our error" for case in cases) > len(cases) // 2


def test_hostile_files_are_read_or_refused():
    cases = try_files(40)
    assert [str(case) for case in cases if case.outcome.kind not in RIGHT] == []


@pytest.mark.parametrize("exchange", [True, False])
def test_a_writer_killed_at_any_call_loses_nothing(exchange):
    (subject,) = crashes.CRASH_SUBJECTS
    trials = crashes.kill_at_each_call(subject, 20, exchange=exchange)
    assert len(trials) >= 20
    assert [trial for trial in trials if trial.fault] == []


def test_a_writer_killed_at_random_loses_nothing():
    (subject,) = crashes.CRASH_SUBJECTS
    trials = crashes.kill_at_random(subject, 20, random.Random(0))
    assert [trial for trial in trials if trial.fault] == []


@pytest.mark.parametrize("what", [crashes.full_disk, crashes.read_only])
def test_a_disk_that_cannot_be_written_loses_nothing(what):
    (subject,) = crashes.CRASH_SUBJECTS
    assert [trial for trial in what(subject, 20) if trial.fault] == []


def test_readers_see_one_version_while_two_write():
    (subject,) = crashes.CRASH_SUBJECTS
    trials = crashes.two_writers_and_a_reader(subject, 20)
    assert [trial for trial in trials if trial.fault] == []


@pytest.mark.parametrize(
    ("work", "kind"),
    [
        (lambda: Path("/etc/hostname").read_bytes(), "outside read"),
        (lambda: __import__("os").system("true"), "code executed"),
        (lambda: __import__("socket").socket().connect(("127.0.0.1", 9)), "network"),
        (lambda: bytearray(3 << 30), "memory"),
        (lambda: {}["key"], "other exception"),
    ],
)
def test_the_sandbox_notes_what_must_not_happen(tmp_path, work, kind):
    def case():
        work()
        return Outcome("same result")

    assert run_in_child(case, (tmp_path,), frozenset()).kind == kind
