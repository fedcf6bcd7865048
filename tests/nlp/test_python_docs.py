"""PythonDocs: splits without leakage, the same samples whatever was imported before."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys

import pytest

from quaterion_nlp.datasets.python_docs import PythonDocs, name_in_words
from quaterion_nlp.datasets.standard_library import summary


@pytest.fixture(scope="module")
def splits():
    dataset = PythonDocs()
    return {split: dataset.load(split) for split in dataset.splits}


@pytest.fixture(scope="module")
def samples(splits):
    return {s.subgroup: s for split in splits.values() for s in split}


def spelled_alike(text):
    return re.sub(r"\W+", " ", text.casefold()).strip()


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("shutil.move", "Recursively move a file or directory to another location.", "shutil move"),
        ("os.mkdir", "Create a directory.", "os mkdir"),
        ("len", "Return the number of items in a container.", "len"),
        ("email.message.Message.is_multipart",
         "Return True if the message consists of multiple parts.",
         "email message Message is multipart"),
    ],
)  # fmt: skip
def test_known_functions_are_paired_with_their_summary(samples, name, text, words):
    assert samples[name].obj_a == text
    assert samples[name].obj_b == words


def test_there_are_thousands_of_pairs_one_in_five_for_validation(splits):
    total = len(splits["train"]) + len(splits["validation"])
    assert total > 3500
    assert len(splits["validation"]) / total == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize("field", ["obj_a", "obj_b"])
def test_no_text_occurs_twice_not_even_across_splits(splits, field):
    texts = [spelled_alike(getattr(s, field)) for split in splits.values() for s in split]
    assert len(texts) == len(set(texts))


def test_every_sample_is_a_positive_pair_of_its_own_subgroup(splits):
    everything = [*splits["train"], *splits["validation"]]
    assert {s.score for s in everything} == {1.0}
    assert len({s.subgroup for s in everything}) == len(everything)


def test_samples_are_sorted_by_name(splits):
    for split in splits.values():
        names = [s.subgroup for s in split]
        assert names == sorted(names)


@pytest.mark.parametrize(
    ("name", "alias"),
    [
        ("open", "io.open"),
        ("OSError", "EnvironmentError"),
        ("array.array", "array.ArrayType"),
        ("random.randint", "random.Random.randint"),
        ("collections.OrderedDict", "typing.OrderedDict"),
    ],
)
def test_an_object_with_two_names_is_listed_once(samples, name, alias):
    assert name in samples
    assert alias not in samples


def test_an_inherited_method_belongs_to_the_class_that_defines_it(samples):
    assert "threading.Thread.start" in samples
    assert "threading.Timer.start" not in samples


def test_a_summary_that_says_nothing_of_its_own_is_left_out(samples):
    assert not any(s.obj_a == "An enumeration." for s in samples.values())


def test_no_summary_begins_with_a_signature(samples):
    signed = [s for s in samples.values() if re.match(r"[\w.]+\([^)]*\)(\s*->|$)", s.obj_a)]
    assert signed == []


def test_modules_that_do_things_when_imported_are_not_read(samples):
    modules = {name.partition(".")[0] for name in samples}
    assert not modules & {"this", "antigravity", "idlelib", "tkinter", "turtle", "test"}


def test_an_unknown_split_is_refused():
    with pytest.raises(ValueError, match="no split 'test'. It has: train, validation"):
        PythonDocs().load("test")


def test_the_config_builds_the_same_dataset(splits):
    dataset = PythonDocs.from_config(PythonDocs().get_config_dict())
    assert dataset.load("validation") == splits["validation"]


def test_what_was_imported_and_how_python_was_started_changes_nothing(splits):
    program = (
        "import hashlib, logging, warnings\n"
        "def once(self): 'Emit the same record only once.'\n"
        "logging.Logger.info_once = once\n"
        "warnings.formatwarning = once\n"
        "from quaterion_nlp.datasets.python_docs import PythonDocs\n"
        "print(hashlib.sha256(repr(PythonDocs().load('train')).encode()).hexdigest())\n"
    )
    command = [sys.executable, "-OO", "-c", program]
    other = subprocess.run(command, capture_output=True, text=True, check=True)
    assert other.stdout.strip() == hashlib.sha256(repr(splits["train"]).encode()).hexdigest()


def test_reading_docstrings_imports_nothing_into_this_process():
    program = (
        "import sys, quaterion_nlp.datasets.python_docs as docs\n"
        "before = set(sys.modules); docs.PythonDocs().load('train')\n"
        "print(sorted(set(sys.modules) - before))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_an_interpreter_that_cannot_be_run_is_named(monkeypatch):
    from quaterion_nlp.datasets import python_docs

    monkeypatch.setattr(python_docs.sys, "executable", "/no/such/python")
    python_docs._summaries.cache_clear()
    with pytest.raises(RuntimeError, match=r"second interpreter.*/no/such/python -I -S"):
        PythonDocs().load("train")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("shutil.rmtree", "shutil rmtree"),
        ("xml.etree.ElementTree.XMLParser.feed", "xml etree Element Tree XML Parser feed"),
        ("base64.b64encode", "base64 b64encode"),
        ("ipaddress.IPv4Address", "ipaddress IPv4 Address"),
        ("contextlib.AsyncExitStack.aclose", "contextlib Async Exit Stack aclose"),
    ],
)
def test_name_in_words(name, words):
    assert name_in_words(name) == words


@pytest.mark.parametrize(
    ("docstring", "text"),
    [
        ("Delete it. And more.", "Delete it."),
        ("Several\n    lines, e.g. Two.\n\n    More.", "Several lines, e.g. Two."),
        ("f(x, y=(1, 2)) -> bool\n\nTell whether.  More.", "Tell whether."),
        ("f(x)\nf(x, y)\n\nDo a thing", "Do a thing"),
        ("f(x) -- Do a thing", "Do a thing"),
        ("L.f(x) -> None -- do a thing", "do a thing"),
        ("D.f() -> the keys of the mapping", "the keys of the mapping"),
        ("f(x) -> iterator\nMake a thing.", "Make a thing."),
        ("f: Result of a thing.", "Result of a thing."),
        ("Return (a, b) of a thing.", "Return (a, b) of a thing."),
        ("Is it done? Say so.", "Is it done?"),
    ],
)
def test_summary_is_the_first_sentence_without_the_signature(docstring, text):
    assert summary(docstring, "f") == text


@pytest.mark.parametrize("docstring", [None, "", "f(x)", "Stub.", 3, "word " * 100])
def test_docstrings_that_say_nothing_or_too_much_have_no_summary(docstring):
    assert summary(docstring, "f") is None
