"""Hostile changes of a valid folder, drawn by hypothesis."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hypothesis import strategies as st

HOSTILE_VALUES: Final[list[Any]] = [
    None, True, False, -1, 0, 1, 2, 10**6, 10**9, 10**18, 10**30, -(10**9), 0.5, 1e308, "",
    "float32", "float64", "auto", "os.system", "subprocess.Popen", "builtins.exec", "/etc/passwd",
    "../../../etc/passwd", "https://example.invalid/x", "sentence-transformers/all-MiniLM-L6-v2",
    "\x1b[31mred", "\u202e", "x" * 5000, [], {}, [1], {"a": 1}, [[[[[[[[1]]]]]]]],
]  # fmt: skip
HOSTILE_KEYS: Final[list[tuple[str, Any]]] = [
    ("auto_map", {"AutoModel": "evil.Evil"}),
    ("model_kwargs", {"weights_only": False, "use_safetensors": False}),
    ("model_args", {"trust_remote_code": True}),
    ("config_kwargs", {"trust_remote_code": True}),
    ("processor_kwargs", {"trust_remote_code": True}),
    ("tokenizer_name_or_path", "/etc"),
    ("_name_or_path", "evil/evil"),
    ("quantization_config", {"quant_method": "bitsandbytes", "load_in_4bit": True}),
    ("_attn_implementation", "evil/kernel"),
    ("attn_implementation", "evil/kernel"),
    ("transformers_weights", "weights.dat"),
    ("checkpoint_path", "weights.pth"),
    ("pretrained", True),
    ("pretrained_cfg", {"url": "https://example.invalid/x", "custom_load": True}),
    ("kwargs", ["x"]),
    ("requirements", ["evil"]),
    ("chat_template", "{{ ''.__class__.__mro__ }}"),
    ("tokenizer_file", "/etc/passwd"),
    ("unknown", 1),
]  # fmt: skip


class _Bomb:
    """Unpickled, it writes a file."""

    def __init__(self, marker: str):
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


@dataclass(frozen=True)
class Change:
    """A change of a folder.

    Args:
        name: What is done, in a few words.
        apply: Does it; returns where a JSON value was changed and to what, or ``None``.
        may_be_as_it_says: Whether a folder that is loaded with another result may be right: a
            value was replaced by another valid one.
        must_be_refused: Whether loading with the same result means that the change was ignored.
    """

    name: str
    apply: Callable[[Path], Any]
    may_be_as_it_says: bool = False
    must_be_refused: bool = True


def changes(folder: Path) -> st.SearchStrategy[list[Change]]:
    """Return a strategy of one to three changes of a folder of the same files."""
    files = sorted(path.relative_to(folder).as_posix() for path in _files(folder))
    parsed = {name: json.loads((folder / name).read_text()) for name in files if _is_json(name)}
    places = [(name, place) for name, value in parsed.items() for place in _places(value)]
    objects = [
        (name, place) for name, place in places if isinstance(_at(parsed[name], place), dict)
    ]
    tensors = [name for name in files if name.endswith(".safetensors")]
    inner = [name for name in files if "/" in name]
    one = st.one_of(
        st.builds(_bytes, st.sampled_from(files), st.integers(0, 10**9), st.integers(0, 5)),
        st.builds(_replaced, st.sampled_from(places), st.sampled_from(HOSTILE_VALUES)),
        st.builds(_replaced, st.sampled_from(places), st.sampled_from(HOSTILE_VALUES)),
        st.builds(_removed, st.sampled_from(places)),
        st.builds(_added_key, st.sampled_from(objects), st.sampled_from(HOSTILE_KEYS)),
        st.builds(_twice, st.sampled_from(sorted(parsed))),
        st.builds(_deep, st.sampled_from(sorted(parsed))),
        st.builds(_added_file, st.sampled_from(_ADDED), st.sampled_from(_parents(inner))),
        st.builds(_removed_file, st.sampled_from(files)),
        st.builds(_special, st.sampled_from(files), st.sampled_from(["link", "pipe", "folder"])),
        st.builds(_linked_folder, st.sampled_from(_parents(inner))),
        st.builds(_index, st.sampled_from(tensors or files)),
        *([st.builds(_tensors, st.sampled_from(tensors), st.integers(0, 10**9),
                     st.sampled_from(_TENSOR_CHANGES))] * 2 if tensors else []),
    )  # fmt: skip
    return st.lists(one, min_size=1, max_size=2)


def sign(folder: Path) -> None:
    """Compute the checksums of a model folder again, as an attacker does."""
    file = folder / "config.json"
    if not _is_readable(file):
        return
    try:
        config = json.loads(file.read_text())
        config["files"] = {
            path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in _files(folder)
            if path != file and _is_readable(path)
        }
        config.pop("checksum", None)
        text = json.dumps(config, sort_keys=True)
        config["checksum"] = hashlib.sha256(text.encode()).hexdigest()
        file.write_text(json.dumps(config))
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return  # a change made it something else


def _is_readable(path: Path) -> bool:
    """Whether this program may read a file to its end."""
    return path.is_file() and path.stat().st_size < 1 << 28


def _files(folder: Path) -> Iterator[Path]:
    for directory, _, names in os.walk(folder):
        for name in names:
            yield Path(directory, name)


def _is_json(name: str) -> bool:
    return name.endswith(".json")


def _parents(names: list[str]) -> list[str]:
    return sorted({name.rpartition("/")[0] for name in names})


def _places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the places of a JSON value, of large collections the first few."""
    yield place
    items: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())[:25]
    elif isinstance(value, list):
        items = list(enumerate(value))[:5]
    for key, item in items:
        yield from _places(item, (*place, key))


def _at(value: Any, place: tuple[Any, ...]) -> Any:
    for key in place:
        value = value[key]
    return value


def _edit(folder: Path, name: str, change: Callable[[Any], Any]) -> Any:
    """Change a JSON file; without effect where an earlier change destroyed it."""
    if not _is_readable(folder / name):
        return None
    try:
        value = json.loads((folder / name).read_text())
        result = change(value)
        (folder / name).write_text(json.dumps(result[0]))
        return result[1]
    except (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        return None


def _replaced(at: tuple[str, tuple[Any, ...]], new: Any) -> Change:
    name, place = at

    def change(value: Any) -> Any:
        if not place:
            return new, (name, place, new)
        _at(value, place[:-1])[place[-1]] = new
        return value, (name, place, new)

    return Change(
        f"replace a value by a {type(new).__name__}",
        lambda folder: _edit(folder, name, change),
        may_be_as_it_says=True,
        must_be_refused=False,
    )


def _removed(at: tuple[str, tuple[Any, ...]]) -> Change:
    name, place = at

    def change(value: Any) -> Any:
        del _at(value, place[:-1])[place[-1]]
        return value, None

    return Change(
        "remove a value",
        lambda folder: _edit(folder, name, change) if place else None,
        may_be_as_it_says=True,
        must_be_refused=False,
    )


def _added_key(at: tuple[str, tuple[Any, ...]], item: tuple[str, Any]) -> Change:
    name, place = at

    def change(value: Any) -> Any:
        _at(value, place)[item[0]] = item[1]
        return value, (name, (*place, item[0]), item[1])

    return Change(
        "add a key",
        lambda folder: _edit(folder, name, change),
        may_be_as_it_says=place[-1:] in _FREE,
        must_be_refused=False,
    )


_FREE: Final = {("vocab",), ("prompts",), ("id2label",)}
"""Collections whose keys are free."""


def _twice(name: str) -> Change:
    def apply(folder: Path) -> None:
        file = folder / name
        text = file.read_text() if file.is_file() else ""
        if text.startswith("{") and len(text) > 3:
            file.write_text('{"twice": 1, "twice": 2, ' + text[1:])

    return Change("a key twice", apply)


def _deep(name: str) -> Change:
    def apply(folder: Path) -> None:
        file = folder / name
        if _is_readable(file):
            file.write_text('{"deep": ' + "[" * 100_000 + "]" * 100_000 + "}")

    return Change("nest deeply", apply)


def _bytes(name: str, seed: int, kind: int) -> Change:
    def apply(folder: Path) -> None:
        file = folder / name
        if not file.is_file() or file.is_fifo():
            return
        data = bytearray(file.read_bytes())
        place = seed % max(1, len(data))
        if kind == 0 and data:
            data[place] ^= 1 << (seed % 8)
        elif kind == 1:
            del data[place:]
        elif kind == 2:
            data[place:place] = os.urandom(1 + seed % 64)
        elif kind == 3:
            data[place : place + 8] = bytes(8)
        elif kind == 4 and len(data) >= 8:
            data[:8] = struct.pack("<Q", seed * 10**9)
        else:
            data[:] = b""
        file.write_bytes(bytes(data))

    return Change("change bytes", apply, may_be_as_it_says=True, must_be_refused=False)


_ADDED: Final = (
    "pytorch_model.bin", "model.safetensors.index.json", "pytorch_model.bin.index.json",
    "modeling_evil.py", "adapter_config.json", "adapter_model.safetensors", "weights.dat",
    "config.pkl", "model.pt", "__init__.py", "tokenizer.model", "generation_config.json", "note.md",
    "vocab.txt", "special_tokens_map.json", "custom_generate/generate.py", "x" * 250,
)  # fmt: skip


def _added_file(name: str, parent: str) -> Change:
    def apply(folder: Path) -> None:
        file = folder / parent / name
        if (folder / parent).is_dir() and not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(pickle.dumps(_Bomb(str(folder.parent / "executed"))))

    return Change("add a file", apply)


def _removed_file(name: str) -> Change:
    def apply(folder: Path) -> None:
        if not (folder / name).is_dir():
            (folder / name).unlink(missing_ok=True)

    return Change("remove a file", apply)


def _special(name: str, kind: str) -> Change:
    def apply(folder: Path) -> None:
        file = folder / name
        if not file.is_file():
            return
        outside = folder.parent / "outside" / "copy"
        outside.parent.mkdir(exist_ok=True)
        file.rename(outside)
        if kind == "link":
            file.symlink_to(outside)
        elif kind == "pipe":
            os.mkfifo(file)
        else:
            file.mkdir()

    return Change(f"replace a file by a {kind}", apply)


def _linked_folder(name: str) -> Change:
    def apply(folder: Path) -> None:
        place = folder / name
        if not place.is_dir() or place.is_symlink():
            return
        outside = folder.parent / "outside" / "folder"
        outside.parent.mkdir(exist_ok=True)
        if not outside.exists():
            place.rename(outside)
            place.symlink_to(outside, target_is_directory=True)

    return Change("replace a folder by a link", apply)


def _index(name: str) -> Change:
    """Replace weights by an index that names a pickle."""

    def apply(folder: Path) -> None:
        file = folder / name
        if not _is_readable(file):
            return
        try:
            names = list(read_tensors(file)[0])
        except (ValueError, struct.error):
            names = []
        file.unlink()
        weight_map = dict.fromkeys(names, "weights.dat")
        index = {"metadata": {"total_size": 1}, "weight_map": weight_map}
        file.with_name(f"{file.name}.index.json").write_text(json.dumps(index))
        bomb = pickle.dumps(_Bomb(str(folder.parent / "executed")))
        file.with_name("weights.dat").write_bytes(bomb)

    return Change("an index that names a pickle", apply)


_TENSOR_CHANGES: Final = (
    "drop", "half", "rename", "reshape", "retype", "nan", "add", "huge", "overlap", "metadata",
)  # fmt: skip


def read_tensors(file: Path) -> tuple[dict[str, Any], bytes]:
    """Read the header and the values of a safetensors file."""
    data = file.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8 : 8 + size]), data[8 + size :]


def write_tensors(
    file: Path, tensors: dict[str, tuple[str, list[int], bytes]], **extra: Any
) -> None:
    """Write a safetensors file of tensors by type, shape and values, with more in its header."""
    header: dict[str, Any] = dict(extra)
    place = 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [place, place + len(data)]}
        place += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    content = b"".join(data for _, _, data in tensors.values())
    file.write_bytes(struct.pack("<Q", len(text)) + text + content)


def _tensors(name: str, seed: int, kind: str) -> Change:
    def apply(folder: Path) -> None:
        file = folder / name
        if not _is_readable(file):
            return
        try:
            header, data = read_tensors(file)
            header.pop("__metadata__", None)
            tensors = {
                key: (entry["dtype"], entry["shape"], data[slice(*entry["data_offsets"])])
                for key, entry in header.items()
            }
        except (OSError, ValueError, TypeError, KeyError, AttributeError, struct.error):
            return  # another change has destroyed it
        keys = list(tensors)
        if not keys:
            return
        key = keys[seed % len(keys)]
        dtype, shape, values = tensors[key]
        extra: dict[str, Any] = {}
        if kind == "drop":
            del tensors[key]
        elif kind == "half":
            for other in keys[: (len(keys) + 1) // 2]:
                del tensors[other]
        elif kind == "rename":
            tensors[f"{key}_"] = tensors.pop(key)
        elif kind == "reshape":
            tensors[key] = (dtype, [1, *shape], values)
        elif kind == "retype":
            tensors[key] = ("I32" if dtype == "F32" else "F32", shape, values)
        elif kind == "nan" and dtype == "F32" and values:
            tensors[key] = (dtype, shape, struct.pack("<f", float("nan")) + values[4:])
        elif kind == "add":
            tensors["surplus"] = ("F32", [1], bytes(4))
        elif kind == "huge":
            extra[f"{key}.huge"] = {
                "dtype": "F32",
                "shape": [10**12],
                "data_offsets": [0, 4 * 10**12],
            }
        elif kind == "overlap":
            extra["other"] = {"dtype": dtype, "shape": shape, "data_offsets": [0, len(values)]}
        else:
            extra["__metadata__"] = {"format": "tf", "x": "y"}
        write_tensors(file, tensors, **extra)

    return Change(f"tensors: {kind}", apply)
