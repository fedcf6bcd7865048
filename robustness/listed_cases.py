"""Hostile changes of saved models that were listed by hand, with the expected outcome of each."""

from __future__ import annotations

import json
import os
import shutil
import socket
import struct
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np

from robustness.hostile_folders import read_tensors, sign, write_tensors
from robustness.hostile_input import PACKAGES, Tried, embed
from robustness.listed_tokenizers import loaded_tokenizers, refused_tokenizers
from robustness.sandbox import Case, Outcome, Watch, run_cases
from robustness.subjects import Subject, make_subjects

Apply: TypeAlias = Callable[[Path], object]

REFUSED: Final = "our error"
LOADED: Final = "same result"
OTHER: Final = "as the file says"

_CONFIG: Final = "config.json"
_HEAD: Final = "head/config.json"
_ENCODER: Final = "encoders/default"
_SENTENCES: Final = f"{_ENCODER}/model"
_TENSORS: Final = "encoders/default/weights.safetensors"
_HUGE: Final = 10**9


@dataclass(frozen=True)
class ListedCase:
    """A change of a saved model.

    Args:
        name: What is changed.
        subject: The name of the model.
        apply: Changes its folder; checksums are computed again afterwards.
        expected: The kinds of outcome that are right.
    """

    name: str
    subject: str
    apply: Apply
    expected: tuple[str, ...] = (REFUSED,)


def try_listed(
    *, jobs: int = 1, report: Callable[[int, int], None] = lambda *_: None
) -> list[Tried]:
    """Try all listed cases; an outcome that is not expected becomes a fault.

    Args:
        jobs: Number of processes.
        report: Called with the number of cases that are done, and of all.
    """
    with tempfile.TemporaryDirectory(prefix="robustness-") as name:
        subjects = {subject.name: subject for subject in make_subjects(Path(name))}
        cases = listed_cases()
        outcomes = run_cases(
            [_case(subjects[case.subject], case) for case in cases],
            PACKAGES,
            jobs=jobs,
            report=report,
        )
    return [
        Tried("listed by hand", f"{case.subject}: {case.name}", outcome)
        for case, outcome in zip(cases, outcomes, strict=True)
    ]


def _case(subject: Subject, listed: ListedCase) -> Case:
    def case(place: Path, watch: Watch) -> Outcome:
        folder = place / "model"
        shutil.copytree(subject.folder, folder)
        listed.apply(folder)
        sign(folder)
        with watch.allowing(folder, place / "tmp"):
            outcome = _load(subject, folder)
        if outcome.kind in listed.expected:
            return outcome
        return Outcome(f"not {' or '.join(listed.expected)}", f"{outcome.kind}: {outcome.detail}")

    return case


def _load(subject: Subject, folder: Path) -> Outcome:
    found = embed(folder, subject.objects)
    if isinstance(found, Outcome):
        return found
    return Outcome(LOADED if np.array_equal(found[1], subject.expected) else OTHER)


def listed_cases() -> list[ListedCase]:
    """Return all cases."""
    return [
        *_files(),
        *_json_texts(),
        *_tensor_files(),
        *_model_config(),
        *_parts(),
        *_sentence_transformers(),
        *_transformer(),
        *_tokenizer(),
        *_static(),
        *_timm(),
    ]


def _edit(file: str, change: Callable[[Any], object]) -> Apply:
    def apply(folder: Path) -> None:
        value = json.loads((folder / file).read_text())
        change(value)
        (folder / file).write_text(json.dumps(value))

    return apply


def _set(file: str, *place: Any) -> Apply:
    """Set a value: all but the last argument are keys."""
    *keys, last, value = place

    def change(content: Any) -> None:
        for key in keys:
            content = content[key]
        content[last] = value

    return _edit(file, change)


def _bytes(file: str, change: Callable[[bytes], bytes]) -> Apply:
    def apply(folder: Path) -> None:
        (folder / file).write_bytes(change((folder / file).read_bytes()))

    return apply


def _files() -> list[ListedCase]:
    """Return cases of files that are none, too many, too large or elsewhere."""

    def replaced(make: Callable[[Path], object], file: str = _HEAD) -> Apply:
        def apply(folder: Path) -> None:
            (folder / file).unlink()
            make(folder / file)

        return apply

    def added(name: str, content: bytes = b"") -> Apply:
        def apply(folder: Path) -> None:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)

        return apply

    def moved_out(name: str) -> Apply:
        def apply(folder: Path) -> None:
            outside = folder.parent / "outside"
            (folder / name).rename(outside)
            (folder / name).symlink_to(outside)

        return apply

    def hard_link(folder: Path) -> None:
        outside = folder.parent / "outside"
        shutil.copy(folder / _HEAD, outside)
        (folder / _HEAD).unlink()
        os.link(outside, folder / _HEAD)

    def bind(path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as listener:
            os.chdir(path.parent)
            listener.bind(path.name)
            os.chdir("/")

    def sparse(name: str, size: int) -> Apply:
        return lambda folder: os.truncate(folder / name, size)

    def upper(folder: Path) -> None:
        (folder / _HEAD).rename(folder / "head/CONFIG.JSON")

    def many(folder: Path) -> None:
        for number in range(2500):
            (folder / f"note{number}.md").touch()

    def many_folders(folder: Path) -> None:
        for number in range(500):
            (folder / f"empty{number}").mkdir()

    def deep(folder: Path) -> None:
        (folder / "head" / "/".join("d" * 50)).mkdir(parents=True)

    def loop(folder: Path) -> None:
        (folder / "head/again").symlink_to("..")

    rows: list[tuple[str, Apply, tuple[str, ...]]] = [
        ("encoders is a link", moved_out("encoders"), (REFUSED,)),
        ("the encoder is a link", moved_out(_ENCODER), (REFUSED,)),
        ("head is a link", moved_out("head"), (REFUSED,)),
        ("config.json is a link", moved_out(_CONFIG), (REFUSED,)),
        ("weights are a link", moved_out(_TENSORS), (REFUSED,)),
        ("a link to itself", replaced(lambda path: path.symlink_to(path.name)), (REFUSED,)),
        ("a link to nothing", replaced(lambda path: path.symlink_to("nothing")), (REFUSED,)),
        ("a link to a folder above", loop, (REFUSED,)),
        ("a link to /etc/passwd", replaced(lambda p: p.symlink_to("/etc/passwd")), (REFUSED,)),
        ("a link to /dev/zero", replaced(lambda p: p.symlink_to("/dev/zero")), (REFUSED,)),
        ("a link to /dev/tty", replaced(lambda p: p.symlink_to("/dev/tty")), (REFUSED,)),
        ("a link to a descriptor", replaced(lambda p: p.symlink_to("/dev/fd/0")), (REFUSED,)),
        ("a hard link, which is a regular file", hard_link, (LOADED,)),
        ("a named pipe", replaced(os.mkfifo), (REFUSED,)),
        ("config.json is a pipe", replaced(os.mkfifo, _CONFIG), (REFUSED,)),
        ("weights are a pipe", replaced(os.mkfifo, _TENSORS), (REFUSED,)),
        ("an additional pipe", lambda folder: os.mkfifo(folder / "notes.md"), (REFUSED,)),
        ("a socket", replaced(bind), (REFUSED,)),
        ("a folder instead of a file", replaced(os.mkdir), (REFUSED,)),
        ("a name in capitals", upper, (REFUSED,)),
        ("a second name in capitals", added("head/CONFIG.json", b"{}"), (REFUSED,)),
        ("a file of a long name", added("head/" + "x" * 255), (REFUSED,)),
        ("a note of a long name", added("x" * 252 + ".md"), (LOADED,)),
        ("a file with a line break", added("head/a\nb.json"), (REFUSED,)),
        ("a file with an escape", added("head/\x1b[2J"), (REFUSED,)),
        ("a file in another Unicode form", added("head/cönfig.json"), (REFUSED,)),
        ("a hidden file", added("head/.config.json"), (REFUSED,)),
        ("bytecode", added("head/__pycache__/evil.cpython-312.pyc"), (REFUSED,)),
        ("a module beside config.json", added("sitecustomize.py", b"raise SystemExit"), (REFUSED,)),
        ("thousands of files", many, (REFUSED,)),
        ("hundreds of folders", many_folders, (REFUSED,)),
        ("a deep folder", deep, (REFUSED,)),
        ("sparse weights", sparse(_TENSORS, 1 << 40), (REFUSED,)),
        ("sparse config.json", sparse(_CONFIG, 1 << 40), (REFUSED,)),
        ("sparse head", sparse(_HEAD, 1 << 40), (REFUSED,)),
        ("empty weights", sparse(_TENSORS, 0), (REFUSED,)),
        ("an unreadable file", lambda folder: (folder / _HEAD).chmod(0), (REFUSED, LOADED)),
        ("an encoder that is not listed", added("encoders/other/config.json", b"{}"), (REFUSED,)),
        ("a file beside the encoders", added("encoders/config.json", b"{}"), (REFUSED,)),
    ]
    return [ListedCase(name, "own-encoder", apply, expected) for name, apply, expected in rows]


def _json_texts() -> list[ListedCase]:
    """Return cases of JSON that is odd, in the configuration of an encoder."""
    file = f"{_ENCODER}/config.json"

    def text(content: bytes | str) -> Apply:
        data = content.encode() if isinstance(content, str) else content
        return lambda folder: (folder / file).write_bytes(data)

    plain = '{"letters": "abcdef", "size": 3}'
    refused = {
        "nothing": "",
        "blanks": "  \n",
        "not an object": "[]",
        "null": "null",
        "a string": '"letters"',
        "a byte order mark": "\ufeff" + plain,
        "UTF-16": plain.encode("utf-16"),
        "UTF-32": plain.encode("utf-32"),
        "Latin-1": '{"letters": "äbcdef", "size": 3}'.encode("latin-1"),
        "two values": plain + plain,
        "trailing data": plain + " x",
        "a trailing comma": '{"letters": "abcdef", "size": 3,}',
        "a comment": plain + "// comment",
        "a key twice": '{"letters": "x", "letters": "abcdef", "size": 3}',
        "a key twice by escape": '{"letters": "x", "\\u006cetters": "abcdef", "size": 3}',
        "a surrogate": '{"letters": "abcde\\ud800", "size": 3}',
        "a surrogate as a key": '{"letters": "abcdef", "size": 3, "\\udfff": 1}',
        "a null character": '{"letters": "abcdef", "size": 3, "\\u0000": 1}',
        "a fraction for an integer": '{"letters": "abcdef", "size": 3.5}',
        "true for an integer": '{"letters": "abcdef", "size": true}',
        "a string for an integer": '{"letters": "abcdef", "size": "3"}',
        "NaN": '{"letters": "abcdef", "size": NaN}',
        "infinity": '{"letters": "abcdef", "size": -Infinity}',
        "1e400": '{"letters": "abcdef", "size": 1e400}',
        "minus zero": '{"letters": "abcdef", "size": -0}',
        "minus zero as a fraction": '{"letters": "abcdef", "size": -0.0}',
        "a billion": '{"letters": "abcdef", "size": 1000000000}',
        "a number of 4,000 digits": '{"letters": "abcdef", "size": ' + "9" * 4000 + "}",
        "a number of a million digits": '{"letters": "abcdef", "size": ' + "9" * 10**6 + "}",
        "a fraction of a million digits": '{"letters": "abcdef", "size": 3.' + "0" * 10**6 + "}",
        "nested deeply": '{"letters": ' + "[" * 10**5 + "]" * 10**5 + ', "size": 3}',
        "nested 65 levels": '{"letters": ' + "[" * 65 + "]" * 65 + ', "size": 3}',
        "a million objects": '{"letters": [' + "{}," * 300_000 + '{}], "size": 3}',
        "two megabytes of blanks": plain + " " * (2 << 20),
        "a long key": '{"letters": "abcdef", "size": 3, "' + "k" * 10**5 + '": 1}',
        "another key": '{"letters": "abcdef", "size": 3, "__class__": "os.system"}',
        "a key in capitals": '{"Letters": "abcdef", "size": 3}',
    }
    loaded = {
        "another order of keys": '{"size": 3, "letters": "abcdef"}',
        "an integer as a fraction": '{"letters": "abcdef", "size": 3.0}',
        "no line break": plain,
    }
    rows = [ListedCase(name, "own-encoder", text(value)) for name, value in refused.items()]
    either = (LOADED, REFUSED)
    rows += [ListedCase(key, "own-encoder", text(value), either) for key, value in loaded.items()]
    return rows


def _tensor_files() -> list[ListedCase]:
    """Return cases of weights that are odd."""

    def header(change: Callable[[dict[str, Any]], object], extra: bytes = b"") -> Apply:
        def apply(folder: Path) -> None:
            entries, data = read_tensors(folder / _TENSORS)
            change(entries)
            text = json.dumps(entries).encode()
            content = struct.pack("<Q", len(text)) + text + data + extra
            (folder / _TENSORS).write_bytes(content)

        return apply

    def entry(**values: Any) -> Apply:
        return header(lambda entries: entries["weight"].update(values))

    def raw(change: Callable[[bytes], bytes]) -> Apply:
        return _bytes(_TENSORS, change)

    def values(fill: float) -> Apply:
        def apply(folder: Path) -> None:
            data = np.full(18, fill, dtype=np.float32).tobytes()
            write_tensors(folder / _TENSORS, {"weight": ("F32", [6, 3], data)})

        return apply

    def retyped(dtype: str, width: int) -> Apply:
        def apply(folder: Path) -> None:
            write_tensors(folder / _TENSORS, {"weight": (dtype, [6, 3], bytes(18 * width))})

        return apply

    def add(name: str, **new: Any) -> Apply:
        return header(lambda entries: entries.update({name: new}))

    empty = {"dtype": "F32", "shape": [0], "data_offsets": [72, 72]}
    rows: dict[str, Apply] = {
        "an offset beyond the end": entry(data_offsets=[0, 1 << 40]),
        "offsets in reverse": entry(data_offsets=[72, 0]),
        "negative offsets": entry(data_offsets=[-72, 0]),
        "offsets as fractions": entry(data_offsets=[0.0, 72.0]),
        "offsets as booleans": entry(data_offsets=[False, 72]),
        "one offset": entry(data_offsets=[72]),
        "a gap at the start": entry(data_offsets=[4, 76]),
        "overlapping tensors": add("w", dtype="F32", shape=[6, 3], data_offsets=[0, 72]),
        "a tensor of size 0 more": add("empty", **empty),
        "a tensor without a name": add("", **empty),
        "a tensor of a long name": add("x" * 5000, **empty),
        "a huge shape": entry(shape=[1 << 47, 1 << 47]),
        "a huge shape with a zero": entry(shape=[1 << 47, 0]),
        "a negative shape": entry(shape=[-6, -3]),
        "a shape as a fraction": entry(shape=[6.0, 3.0]),
        "a shape as booleans": entry(shape=[True, 18]),
        "a flat shape": entry(shape=[18]),
        "the transposed shape": entry(shape=[3, 6]),
        "30 dimensions": entry(shape=[6, 3, *[1] * 30]),
        "no dtype": header(lambda entries: entries["weight"].pop("dtype")),
        "an unknown dtype": entry(dtype="F8_E4M3"),
        "a dtype in lower case": entry(dtype="f32"),
        "a dtype of another kind": entry(dtype=["F32"]),
        "complex values": retyped("C64", 8),
        "F8 values": retyped("F8_E5M2", 1),
        "integers": retyped("I32", 4),
        "booleans": retyped("BOOL", 1),
        "another key in an entry": entry(path="/etc/passwd"),
        "metadata that are no dictionary": header(lambda e: e.update(__metadata__=[])),
        "metadata with a path": header(lambda e: e.update(__metadata__={"format": "/etc"})),
        "metadata of 10 MB": header(lambda e: e.update(__metadata__={"x": "y" * 10**7})),
        "metadata null": header(lambda e: e.update(__metadata__=None)),
        "no tensors": raw(lambda data: struct.pack("<Q", 2) + b"{}"),
        "a header of 0 bytes": raw(lambda data: struct.pack("<Q", 0) + data[8:]),
        "a header of 2**63 bytes": raw(lambda data: struct.pack("<Q", 1 << 63) + data[8:]),
        "a header of 20 MB": raw(lambda data: struct.pack("<Q", 20 << 20) + b" " * (20 << 20)),
        "a header that is a list": raw(lambda data: struct.pack("<Q", 2) + b"[]"),
        "a header with a key twice": raw(lambda data: data.replace(b'{"weight"', b'{"a":1,"a"', 1)),
        "seven bytes": raw(lambda data: data[:7]),
        "data cut off": raw(lambda data: data[:-1]),
        "data too long": header(lambda entries: None, extra=b"x"),
        "a pickle": raw(lambda data: b"\x80\x04cos\nsystem\nX\x04\x00\x00\x00true\x85R."),
        "a zip file": raw(lambda data: b"PK\x03\x04" + bytes(100)),
        "NaN": values(float("nan")),
        "infinity": values(float("inf")),
    }
    listed = [ListedCase(f"tensors: {key}", "own-encoder", apply) for key, apply in rows.items()]
    return [
        *listed,
        ListedCase("tensors: zeros", "own-encoder", values(0.0), (OTHER,)),
        ListedCase(
            "tensors: a header that is not aligned",
            "own-encoder",
            raw(lambda data: struct.pack("<Q", int.from_bytes(data[:8], "little") + 3)
                + data[8 : 8 + int.from_bytes(data[:8], "little")] + b"   "
                + data[8 + int.from_bytes(data[:8], "little") :]),
            (LOADED,),
        ),
    ]  # fmt: skip


def _model_config() -> list[ListedCase]:
    """Return cases of the model's own ``config.json``."""

    def set_(*place: Any) -> Apply:
        return _set(_CONFIG, *place)

    def renamed(new: str) -> Apply:
        def change(config: dict[str, Any]) -> None:
            config["encoders"][new] = config["encoders"].pop("default")

        return _edit(_CONFIG, change)

    part = {"component": "local/letters", "version": None}
    rows: dict[str, Apply] = {
        "format 2": set_("format_version", 2),
        "format true": set_("format_version", True),
        "format 1.0": set_("format_version", 1.0),
        "another format": set_("format", "pickle"),
        "a version of 100 kB": set_("core_version", "1" * 100_000),
        "a version that is none": set_("core_version", 1),
        "no encoders": set_("encoders", {}),
        "encoders in a list": set_("encoders", [part]),
        "100 encoders": set_("encoders", {f"e{n}": part for n in range(100)}),
        "an encoder too many": set_("encoders", "other", part),
        "a key that leads out": renamed("../../etc"),
        "a key that is a path": renamed("a/b"),
        "an empty key": renamed(""),
        "a key with a null character": renamed("a\0b"),
        "a key of dots": renamed(".."),
        "a key in capitals": renamed("DEFAULT"),
        "the id of a head": set_("encoders", "default", "component", "quaterion-core/gated"),
        "an id without a distribution": set_("head", "component", "sequential"),
        "an id of a module": set_("head", "component", "torch.nn:Linear"),
        "an id that leads out": set_("head", "component", "../evil"),
        "an id of a local head": set_("head", "component", "local/letters"),
        "an id of another plugin": set_("head", "component", "evil-plugin/head"),
        "an id of 10 kB": set_("head", "component", "quaterion-core/" + "x" * 10_000),
        "an id with an escape": set_("head", "component", "quaterion-core/\x1b[31m"),
        "an id that is a number": set_("head", "component", 5),
        "another head": set_("head", "component", "quaterion-core/widening"),
        "a version of a part that is a list": set_("head", "version", ["1"]),
        "no head": _edit(_CONFIG, lambda config: config.pop("head")),
        "another entry": set_("requirements", ["evil"]),
        "another entry of a part": set_("head", "path", "/etc"),
    }
    return [ListedCase(f"config: {key}", "own-encoder", apply) for key, apply in rows.items()]


def _parts() -> list[ListedCase]:
    """Return cases of the configurations of heads and of other encoders."""

    def head(*place: Any) -> Apply:
        return _set(_HEAD, *place)

    rows: dict[str, Apply] = {
        "neighbors 10**9": head("neighbors", _HUGE),
        "neighbors 0": head("neighbors", 0),
        "neighbors 7 of 6": head("neighbors", 7),
        "neighbors true": head("neighbors", True),
        "a size of 10**9": head("input_embedding_size", _HUGE),
        "dropout 2": head("dropout", 2),
        "dropout -1": head("dropout", -1),
        "dropout 1e308": head("dropout", 1e308),
        "dropout as text": head("dropout", "0"),
        "dropout null": head("dropout", None),
        "another entry": head("n_layers", _HUGE),
    }
    listed = [ListedCase(f"head: {key}", "heads", apply) for key, apply in rows.items()]
    words = f"{_ENCODER}/config.json"
    vocabulary = f"{_ENCODER}/vocabulary.json"
    fasttext: dict[str, Apply] = {
        "on_disk as a number": _set(words, "on_disk", 1),
        "subwords of 10**9 characters": _set(vocabulary, "max_n", _HUGE),
        "subwords of fewer than none": _set(vocabulary, "min_n", -1),
        "subwords in reverse": _set(vocabulary, "min_n", 9),
        "a word twice": _set(vocabulary, "words", ["delete", "delete"]),
        "a word too few": _set(vocabulary, "words", ["delete"]),
        "words that are numbers": _set(vocabulary, "words", [1, 2]),
        "another entry": _set(words, "path", "/etc/passwd"),
    }
    return listed + [
        ListedCase(f"fasttext: {key}", "fasttext", apply) for key, apply in fasttext.items()
    ]


def _sentence_transformers() -> list[ListedCase]:
    """Return cases of the files of sentence-transformers."""
    modules = f"{_SENTENCES}/modules.json"
    model = f"{_SENTENCES}/config_sentence_transformers.json"
    settings = f"{_SENTENCES}/sentence_bert_config.json"
    pooling = f"{_SENTENCES}/1_Pooling/config.json"
    dense = f"{_SENTENCES}/2_Dense/config.json"

    def module(number: int, **values: Any) -> Apply:
        return _edit(modules, lambda listed: listed[number].update(values))

    def router(folder: Path) -> None:
        kind = "sentence_transformers.sentence_transformer.modules.router.Router"
        module(2, type=kind, path="2_Router")(folder)
        (folder / _SENTENCES / "2_Dense").rename(folder / _SENTENCES / "2_Router")

    rows: dict[str, Apply] = {
        "a path that leads out": module(1, path="../1_Pooling"),
        "an absolute path": module(1, path="/etc"),
        "a path with a dot": module(1, path="./1_Pooling"),
        "a path twice": module(2, path="1_Pooling"),
        "an empty path twice": module(1, path=""),
        "a path in capitals": module(1, path="1_POOLING"),
        "a path with a backslash": module(1, path="1_Pooling\\"),
        "another order": _edit(modules, lambda listed: listed.reverse()),
        "a module twice": _edit(modules, lambda listed: listed.append(listed[-1])),
        "no modules": _edit(modules, lambda listed: listed.clear()),
        "a thousand modules": _edit(modules, lambda listed: listed.extend(listed * 300)),
        "a name twice": module(1, name="0"),
        "a name of dots": module(1, name="a.b"),
        "idx true": module(1, idx=True),
        "a type of another package": module(2, type="subprocess.Popen"),
        "a type of a local file": module(2, type="evil.Evil"),
        "a type of torch": module(2, type="torch.nn.modules.linear.Linear"),
        "a type that is a list": module(2, type=["torch.nn.Linear"]),
        "a type of another module": module(
            2, type="sentence_transformers.sentence_transformer.modules.normalize.Normalize"
        ),
        "a router of a dense layer": router,
        "keyword arguments that are no names": module(0, kwargs=["a.b"]),
        "keyword arguments as a dictionary": module(0, kwargs={"trust_remote_code": True}),
        "another model type": _set(model, "model_type", "SparseEncoder"),
        "a prompt of 10**6 characters": _set(model, "prompts", "query", "x" * 10**5),
        "a prompt that is a list": _set(model, "prompts", "query", ["x"]),
        "a default prompt that is not there": _set(model, "default_prompt_name", "other"),
        "truncation to 10**9": _set(model, "truncate_dim", _HUGE),
        "truncation to 0": _set(model, "truncate_dim", 0),
        "truncation to true": _set(model, "truncate_dim", True),
        "an unknown similarity": _set(model, "similarity_fn_name", "os.system"),
        "a version that is a dictionary": _set(model, "__version__", "pytorch", {}),
        "another task": _set(settings, "transformer_task", "fill-mask"),
        "model arguments": _set(settings, "model_args", {"trust_remote_code": True}),
        "tokenizer arguments": _set(settings, "tokenizer_args", {"use_fast": False}),
        "processing of images": _set(settings, "modality_config", "image", {}),
        "another method": _set(settings, "modality_config", "text", "method", "save_pretrained"),
        "a method of two names": _set(settings, "modality_config", "text", "method", "a.b"),
        "an output that is a path": _set(settings, "module_output_name", "../x"),
        "padding to 10**9": _set(settings, "processing_kwargs", {"text": {"max_length": _HUGE}}),
        "padding to 10**7": _set(
            settings, "processing_kwargs", {"text": {"max_length": 10**7, "padding": "max_length"}}
        ),
        "texts that are not cut off": _set(
            settings, "processing_kwargs", {"text": {"truncation": False}}
        ),
        "no pooling": _set(pooling, "pooling_mode", []),
        "pooling by a name": _set(pooling, "pooling_mode", "__init__"),
        "contradictory poolings": _set(pooling, "pooling_mode_cls_token", True),
        "pooling twice by one mode": _set(pooling, "pooling_mode", ["mean", "mean"]),
        "pooling of another size": _set(pooling, "embedding_dimension", 9),
        "pooling of size 10**9": _set(pooling, "embedding_dimension", _HUGE),
        "an activation by its path": _set(dense, "activation_function", "os.system"),
        "an activation of torch": _set(dense, "activation_function", "torch.hub.load"),
        "an activation with arguments": _set(
            dense, "activation_function", "torch.nn.modules.activation.Tanh()"
        ),
        "an activation that is none": _set(dense, "activation_function", None),
        "a dense layer of 10**7 values": _set(dense, "out_features", 10**7),
        "a dense layer of 10**9 values": _set(dense, "out_features", _HUGE),
        "a dense layer without bias": _set(dense, "bias", False),
        "a bias of 0": _set(dense, "bias", 0),
        "a dense layer of another input": _set(dense, "module_input_name", "missing_input"),
        "a dense layer of another output": _set(dense, "module_output_name", "../x"),
        "a residual of another size": _set(dense, "use_residual", True),
    }
    listed = [
        ListedCase(f"modules: {key}", "sentence-transformers", apply) for key, apply in rows.items()
    ]
    for key, apply in {
        "an output that no module reads": _set(
            settings, "module_output_name", "sentence_embedding"
        ),
        "a dense layer that writes elsewhere": _set(dense, "module_output_name", "elsewhere"),
    }.items():
        listed.append(
            ListedCase(f"modules: {key}", "sentence-transformers", apply, (REFUSED, OTHER, LOADED))
        )
    return listed


def _transformer() -> list[ListedCase]:
    """Return cases of the configuration of a transformer."""
    file = f"{_SENTENCES}/config.json"

    def set_(*place: Any) -> Apply:
        return _set(file, *place)

    labels = {str(number): f"LABEL_{number}" for number in range(40_000)}
    rows: dict[str, Apply] = {
        "no architecture": set_("architectures", []),
        "two architectures": set_("architectures", ["BertModel", "BertModel"]),
        "another architecture": set_("architectures", ["RobertaModel"]),
        "an architecture with a head": set_("architectures", ["BertForMaskedLM"]),
        "an architecture of code": set_("architectures", ["evil.Evil"]),
        "another type": set_("model_type", "roberta"),
        "an unknown type": set_("model_type", "evil"),
        "auto_map": set_("auto_map", {"AutoModel": "evil--evil.Evil"}),
        "an unknown dtype": set_("dtype", "float8_e4m3fn"),
        "a dtype that is code": set_("dtype", "torch.float32"),
        "torch_dtype auto": set_("torch_dtype", "auto"),
        "dtype as a dictionary": set_("dtype", {"": "float32"}),
        "half precision": set_("dtype", "float16"),
        "quantization": set_("quantization_config", {"quant_method": "gptq", "bits": 4}),
        "quantization that is empty": set_("quantization_config", {}),
        "10**9 labels": set_("num_labels", _HUGE),
        "10**6 labels": set_("num_labels", 10**6),
        "40,000 named labels": set_("id2label", labels),
        "vocab_size too small": set_("vocab_size", 10),
        "vocab_size too large": set_("vocab_size", 10**7),
        "vocab_size 0": set_("vocab_size", 0),
        "vocab_size negative": set_("vocab_size", -1),
        "vocab_size true": set_("vocab_size", True),
        "vocab_size as a fraction": set_("vocab_size", 50.5),
        "too few positions": set_("max_position_embeddings", 8),
        "10**7 positions": set_("max_position_embeddings", 10**7),
        "no layers": set_("num_hidden_layers", 0),
        "10**6 layers": set_("num_hidden_layers", 10**6),
        "a layer less": set_("num_hidden_layers", 1),
        "10**7 heads": set_("num_attention_heads", 10**7),
        "no heads": set_("num_attention_heads", 0),
        "heads that do not divide": set_("num_attention_heads", 3),
        "an intermediate size of 10**7": set_("intermediate_size", 10**7),
        "a hidden size of 10**7": set_("hidden_size", 10**7),
        "an unknown activation": set_("hidden_act", "evil"),
        "an activation that is a path": set_("hidden_act", "evil/kernel:gelu"),
        "dropout of 2": set_("hidden_dropout_prob", 2),
        "dropout of NaN as text": set_("hidden_dropout_prob", "nan"),
        "attention of a hub": set_("_attn_implementation", "evil/kernel"),
        "attention by name": set_("attn_implementation", "flash_attention_2"),
        "a name or path": set_("_name_or_path", "/etc/passwd"),
        "RoPE of a BERT": set_("rope_scaling", {"type": "dynamic", "factor": 1e30}),
        "chunks of 10**9": set_("chunk_size_feed_forward", _HUGE),
        "chunks that do not divide": set_("chunk_size_feed_forward", 7),
        "the id of padding 10**7": set_("pad_token_id", 10**7),
        "the id of padding negative": set_("pad_token_id", -100),
        "cross attention": set_("add_cross_attention", True),
        "pruned heads": set_("pruned_heads", {"0": [0]}),
        "another entry": set_("custom_pipelines", {"x": {"impl": "evil.Evil"}}),
        "a word of the source": set_("kwargs", ["x"]),
        "a module of the source": set_("torch", 1),
        "another class of text and image": _edit(
            file, lambda value: value.update(model_type="clip", architectures=["CLIPModel"])
        ),
        "two models in one": _edit(
            file,
            lambda value: value.update(
                model_type="encoder-decoder", architectures=["EncoderDecoderModel"]
            ),
        ),
    }
    listed = [
        ListedCase(f"transformer: {key}", "sentence-transformers", apply)
        for key, apply in rows.items()
    ]
    for key, apply in {
        "layer_norm_eps 1e300": set_("layer_norm_eps", 1e300),
        "a layer norm of 0": set_("layer_norm_eps", 0),
        "another activation": set_("hidden_act", "relu"),
        "a decoder": set_("is_decoder", True),
        "3 labels": set_("num_labels", 3),
        "outputs of attention": set_("output_attentions", True),
        "outputs as tuples": set_("return_dict", False),
        "another version": set_("transformers_version", "0.0.1"),
    }.items():
        either = (REFUSED, OTHER, LOADED)
        listed.append(ListedCase(f"transformer: {key}", "sentence-transformers", apply, either))
    return listed


def _tokenizer() -> list[ListedCase]:
    """Return cases of the files of a tokenizer."""
    file = f"{_SENTENCES}/tokenizer.json"
    config = f"{_SENTENCES}/tokenizer_config.json"

    def set_(*place: Any) -> Apply:
        return _set(file, *place)

    def token(number: int, **values: Any) -> Apply:
        return _edit(file, lambda value: value["added_tokens"][number].update(values))

    def renumbered(value: Any) -> None:
        vocabulary = value["model"]["vocab"]
        vocabulary[next(reversed(vocabulary))] = 10**6

    def negative(value: Any) -> None:
        vocabulary = value["model"]["vocab"]
        vocabulary[next(reversed(vocabulary))] = -1

    def regex(pattern: str) -> dict[str, Any]:
        return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated",
                "invert": False}  # fmt: skip

    cut = {"direction": "Right", "max_length": 10**9, "strategy": "LongestFirst", "stride": 0}
    padding = {
        "strategy": {"Fixed": 10**8}, "direction": "Right", "pad_to_multiple_of": None,
        "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]",
    }  # fmt: skip
    replace = {"type": "Replace", "pattern": {"String": "a"}, "content": "b" * 10**5}
    rows: dict[str, Apply] = {
        "an id beyond the table": _edit(file, renumbered),
        "a negative id": _edit(file, negative),
        "an id as a fraction": set_("model", "vocab", "[UNK]", 1.5),
        "an id as a string": set_("model", "vocab", "[UNK]", "1"),
        "no vocabulary": set_("model", "vocab", {}),
        "another model": set_("model", "type", "Evil"),
        "an unknown token that is missing": set_("model", "unk_token", "missing"),
        "an added token beyond the table": token(0, id=10**6, content="new"),
        "an added token of an odd id": token(0, id=5),
        "an added token without content": token(0, content=""),
        "cut to 10**9 tokens": set_("truncation", cut),
        "a stride longer than the text": set_("truncation", {**cut, "max_length": 2, "stride": 5}),
        "padded to 10**8 tokens": set_("padding", padding),
        "a bad regular expression": set_("pre_tokenizer", regex("(")),
        "an exponential regular expression": set_("pre_tokenizer", regex("(a+)+$")),
        "a regular expression of 10 kB": set_("pre_tokenizer", regex("a" * 10_000)),
        "a long replacement": set_("normalizer", replace),
        "many steps": set_("normalizer", {"type": "Sequence", "normalizers": [
            {"type": "Lowercase"}] * 10_000}),
        "nested steps": set_("normalizer", {"type": "Sequence", "normalizers": [
            {"type": "Sequence", "normalizers": [{"type": "Sequence", "normalizers": [replace]}]}
        ]}),
        "an unknown step": set_("normalizer", {"type": "Exec", "code": "import os"}),
        "another id in the template": set_(
            "post_processor", "special_tokens", "[CLS]", "ids", [10**6]
        ),
        "a negative id in the template": set_(
            "post_processor", "special_tokens", "[CLS]", "ids", [-1]
        ),
        "a token in the template that is missing": set_(
            "post_processor", "single", 0, {"SpecialToken": {"id": "[NO]", "type_id": 0}}
        ),
        "a type of 10**9 in the template": set_(
            "post_processor", "single", 1, {"Sequence": {"id": "A", "type_id": 10**6}}
        ),
        "another entry": set_("evil", 1),
        "another version": set_("version", "9.0"),
        "auto_map": _set(config, "auto_map", {"AutoTokenizer": ["evil.Evil", None]}),
        "a tokenizer of a file": _set(config, "tokenizer_file", "/etc/passwd"),
        "a name or path": _set(config, "name_or_path", "evil/evil"),
        "an unknown class": _set(config, "tokenizer_class", "EvilTokenizer"),
        "a class of code": _set(config, "tokenizer_class", "os.system"),
        "a class that is no tokenizer": _set(config, "tokenizer_class", "BertModel"),
        "a chat template": _set(config, "chat_template", "{{ x.__class__ }}"),
        "a length of 0": _set(config, "model_max_length", 0),
        "a length of -1": _set(config, "model_max_length", -1),
        "a length of true": _set(config, "model_max_length", True),
        "a side that is none": _set(config, "padding_side", "up"),
        "a token that is a number": _set(config, "pad_token", 5),
        "a token of another kind": _set(config, "pad_token", {"__type": "Evil", "content": "x"}),
        "padding to multiples of 10**9": _set(config, "pad_to_multiple_of", _HUGE),
        "10,000 additional tokens": _set(
            config, "extra_special_tokens", [f"token{n}" for n in range(10_000)]
        ),
        "a padding token that is new": _set(config, "pad_token", "[NEW]"),
        "added tokens beyond the table": _set(
            config, "added_tokens_decoder", {"1000000": {"content": "[NEW]", "special": True}}
        ),
        "input names that are odd": _set(config, "model_input_names", ["__class__"]),
    }  # fmt: skip
    listed = [
        ListedCase(f"tokenizer: {key}", "sentence-transformers", apply)
        for key, apply in rows.items()
    ]
    for key, apply in {
        "a token of two ids": set_("post_processor", "special_tokens", "[CLS]", "ids", [2, 3]),
        "a length of 10**30": _set(config, "model_max_length", 10**30),
        "a length of 5 tokens": _set(config, "model_max_length", 5),
        "no padding token": _edit(config, lambda value: value.pop("pad_token")),
        "padding to multiples of 1,024": _set(config, "pad_to_multiple_of", 1024),
        "padding on the left": _set(config, "padding_side", "left"),
    }.items():
        either = (REFUSED, OTHER, LOADED)
        listed.append(ListedCase(f"tokenizer: {key}", "sentence-transformers", apply, either))
    return listed


def _static() -> list[ListedCase]:
    """Return cases of tokenizers of a static encoder."""
    return [
        *(
            ListedCase(f"static: {key}", "static", apply)
            for key, apply in refused_tokenizers().items()
        ),
        *(
            ListedCase(f"static: {key}", "static", apply, (OTHER,))
            for key, apply in loaded_tokenizers().items()
        ),
    ]


def _timm() -> list[ListedCase]:
    """Return cases of the configuration of a timm model."""
    file = f"{_ENCODER}/config.json"

    def set_(*place: Any) -> Apply:
        return _set(file, *place)

    rows: dict[str, Apply] = {
        "pretrained": set_("pretrained", True),
        "pretrained as a number": set_("pretrained", 0),
        "a model of a hub": set_("model", "hf_hub:evil/evil"),
        "a local folder": set_("model", "local-dir:/etc"),
        "an unknown model": set_("model", "evil"),
        "another model": set_("model", "test_vit"),
        "a huge model": set_("model", "vit_giant_patch14_224"),
        "a model of a tag that leads out": set_("model", "test_resnet.../x"),
        "pretrained_cfg": set_("model_kwargs", {"pretrained_cfg": {"url": "https://x.invalid"}}),
        "pretrained_cfg_overlay": set_("model_kwargs", {"pretrained_cfg_overlay": {"file": "/x"}}),
        "checkpoint_path": set_("model_kwargs", {"checkpoint_path": "/etc/passwd"}),
        "cache_dir": set_("model_kwargs", {"cache_dir": "/etc"}),
        "scriptable": set_("model_kwargs", {"scriptable": True}),
        "exportable": set_("model_kwargs", {"exportable": 7}),
        "features only": set_("model_kwargs", {"features_only": True}),
        "classes": set_("model_kwargs", {"num_classes": 10**6}),
        "wide": set_("model_kwargs", {"base_width": 10**6}),
        "deep": set_("model_kwargs", {"layers": [10**6, 1, 1, 1]}),
        "a layer by name": set_("model_kwargs", {"norm_layer": "os.system"}),
        "in_chans 10,000": set_("in_chans", 10_000),
        "in_chans true": set_("in_chans", True),
        "an image of 10**9 pixels": set_("image_size", [_HUGE, _HUGE]),
        "an image of 0 pixels": set_("image_size", [0, 0]),
        "three sides": set_("image_size", [32, 32, 32]),
        "an unknown interpolation": set_("data_config", "interpolation", "evil"),
        "a mean of text": set_("data_config", "mean", ["a", "b", "c"]),
        "two means": set_("data_config", "mean", [0.5, 0.5]),
        "a deviation of 0": set_("data_config", "std", [0, 0, 0]),
        "a deviation of 1e-300": set_("data_config", "std", [1e-300] * 3),
        "an image of 8,192 by 8,192 pixels": set_("image_size", [8192, 8192]),
        "a crop of 10": set_("data_config", "crop_pct", 10),
        "an augmentation of code": set_("augmentation", ["os.system"]),
        "an augmentation of a module": set_("augmentation", [{"name": "torch.hub.load"}]),
        "pooling by name": set_("pooling", "evil"),
        "a billion stages": set_("train_stages", _HUGE),
    }
    listed = [ListedCase(f"timm: {key}", "timm", apply) for key, apply in rows.items()]
    for key, apply in {
        "an image of 8,192 pixels": set_("image_size", [8192, 1]),
        "a tiny image": set_("image_size", [1, 1]),
    }.items():
        listed.append(ListedCase(f"timm: {key}", "timm", apply, (REFUSED, OTHER)))
    return listed
