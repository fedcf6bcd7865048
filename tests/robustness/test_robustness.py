"""The short form of ``nox -s robustness``: hostile input and crashes."""

import os
import random
import signal
import socket
import sys
import threading
from pathlib import Path

import pytest

if not hasattr(sys, "addaudithook") or not sys.platform.startswith("linux"):
    pytest.skip("cases run in forked processes that are limited", allow_module_level=True)

sys.path.append(str(Path(__file__).resolve().parents[2]))  # the program beside the packages

from robustness import __main__ as program
from robustness import crashes, sandbox
from robustness.hostile_caches import try_caches
from robustness.hostile_files import try_files
from robustness.hostile_indexes import try_indexes
from robustness.hostile_input import try_folders
from robustness.listed_cases import try_listed
from robustness.listed_files import try_listed_files
from robustness.sandbox import Outcome, run_cases

SUBJECTS = [pytest.param(subject, id=subject.name) for subject in crashes.CRASH_SUBJECTS]


def faults(trials):
    return [f"{trial.what}: {trial.fault}" for trial in trials if trial.fault]


def test_hostile_folders_are_refused_or_load_as_they_say():
    cases = try_folders(240)
    assert len(cases) >= 240
    assert [str(case) for case in cases if not case.outcome.is_right] == []
    assert sum(case.outcome.kind == "our error" for case in cases) > len(cases) // 2


def test_hostile_folders_that_were_listed_by_hand():
    cases = try_listed()
    assert len(cases) > 350
    assert [str(case) for case in cases if not case.outcome.is_right] == []


def test_hostile_files_that_were_listed_by_hand():
    cases = try_listed_files()
    assert len(cases) > 50
    assert [str(case) for case in cases if not case.outcome.is_right] == []


def test_hostile_files_are_read_or_refused():
    cases = try_files(60)
    assert len(cases) >= 60
    assert [str(case) for case in cases if not case.outcome.is_right] == []


def test_hostile_caches_are_filled_again_or_refused():
    cases = try_caches(40)
    assert [str(case) for case in cases if not case.outcome.is_right] == []
    assert {case.outcome.kind for case in cases} == {"our error", "same result"}


def test_hostile_indexes_say_what_they_hold_or_are_refused():
    cases = try_indexes(60)
    assert [str(case) for case in cases if not case.outcome.is_right] == []
    assert "our error" in {case.outcome.kind for case in cases}


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_writer_killed_at_any_call_loses_nothing(subject):
    trials = crashes.kill_at_each_call(subject, 20, exchange=True)
    assert len(trials) >= 20
    assert faults(trials) == []


def test_a_writer_killed_between_two_renames_loses_nothing():
    trials = crashes.kill_at_each_call(crashes.CRASH_SUBJECTS[0], 20, exchange=False)
    assert len(trials) >= 20
    assert faults(trials) == []


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_writer_killed_at_random_loses_nothing(subject):
    assert faults(crashes.kill_at_random(subject, 20, random.Random(0))) == []


@pytest.mark.parametrize("what", [crashes.full_disk, crashes.read_only])
@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_disk_that_cannot_be_written_loses_nothing(subject, what):
    assert faults(what(subject, 20)) == []


@pytest.mark.parametrize("subject", SUBJECTS)
def test_readers_see_one_version_while_two_write(subject):
    assert faults(crashes.two_writers_and_a_reader(subject, 20)) == []


def test_crashes_of_a_writer_that_does_not_write_whole_files_are_found():
    """The checks can fail: a writer that writes in place loses what was there."""

    def write(path, version):
        with path.open("w") as stream:
            for _ in range(100):
                stream.write(f"{version}\n")
                stream.flush()
                os.fsync(stream.fileno())

    def read(path):
        (version,) = {int(line) for line in path.read_text().splitlines()}
        assert len(path.read_text()) == 200
        return version

    subject = crashes.CrashSubject("in place", write, read, lambda path: [])
    assert faults(crashes.kill_at_each_call(subject, 5, exchange=True))


def run(work, tmp_path, packages=frozenset()):
    """Run one piece of work as a case, and then another that is right."""

    def case(place, watch):
        with watch.allowing(tmp_path):
            work()
        return Outcome("same result")

    first, second = run_cases([case, lambda *_: Outcome("same result")], packages)
    assert second.kind == "same result"
    return first.kind


@pytest.mark.parametrize(
    ("work", "kind"),
    [
        pytest.param(lambda: Path("/etc/hostname").read_bytes(), "outside read", id="read"),
        pytest.param(lambda: os.system("true"), "code executed", id="system"),
        pytest.param(lambda: socket.socket().connect(("127.0.0.1", 9)), "network", id="socket"),
        pytest.param(lambda: bytearray(3 << 30), "memory", id="memory"),
        pytest.param(lambda: {}["key"], "other exception", id="exception"),
        pytest.param(lambda: os._exit(0), "crash", id="exit"),
        pytest.param(lambda: os.kill(os.getpid(), signal.SIGSEGV), "crash", id="signal"),
        pytest.param(lambda: None, "same result", id="nothing"),
    ],
)
def test_the_sandbox_reports_what_must_not_happen(tmp_path, work, kind):
    assert run(work, tmp_path) == kind


def test_the_sandbox_ends_a_case_that_hangs(tmp_path, monkeypatch):
    monkeypatch.setattr(sandbox, "SECONDS", 0.2)
    assert run(lambda: threading.Event().wait(600), tmp_path) == "hang"


def test_the_program_prints_one_table(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["robustness", "--cases=20", "--crashes=1", "--jobs=1"])
    assert program.main() == 0
    printed = capsys.readouterr()
    assert "what was tried" in printed.out
    assert "hostile: sentence-transformers" in printed.out
    assert "cache: read-only" in printed.out
    assert "lost: nothing; executed: nothing; wrong: 0" in printed.out
    assert "hostile folders: " in printed.err
