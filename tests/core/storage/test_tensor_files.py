import json
import os
import struct

import pytest
import torch
from safetensors.torch import save_file

from quaterion_core.storage import InvalidFolderError, open_saved_folder

VALUES = {
    "float": torch.tensor([[1.5, -2.0], [3e38, 0.0]]),
    "half": torch.tensor([0.5, 1.0], dtype=torch.float16),
    "bfloat": torch.tensor([0.5, 1.0, 2.0], dtype=torch.bfloat16),
    "double": torch.tensor(1e300, dtype=torch.float64),
    "integers": torch.tensor([2**53 + 1]),
    "flags": torch.tensor([True, False]),
    "empty": torch.empty(0, 3),
}


def write(folder, header, data=b"", size=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    length = struct.pack("<Q", len(text) if size is None else size)
    (folder / "w.safetensors").write_bytes(length + text + data)


def read(folder):
    with open_saved_folder(folder) as opened, opened.open_tensors("w.safetensors") as file:
        return dict(file.read())


def entry(dtype="F32", shape=(1,), offsets=(0, 4)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def test_tensors_of_every_type_are_those_that_safetensors_wrote(tmp_path):
    save_file(VALUES, tmp_path / "w.safetensors")
    found = read(tmp_path)
    assert found.keys() == VALUES.keys()
    for name, value in VALUES.items():
        assert found[name].dtype is value.dtype
        assert torch.equal(found[name], value)


def test_mapped_tensors_are_the_same(tmp_path):
    values = {"words": torch.randn(4, 3), "ngrams": torch.empty(0, 3)}
    save_file(values, tmp_path / "w.safetensors")
    with open_saved_folder(tmp_path) as opened, opened.open_tensors("w.safetensors") as file:
        found = file.map()
    assert all(torch.equal(found[name], value) for name, value in values.items())


@pytest.mark.parametrize(
    ("header", "data"),
    [
        ({"a": entry(shape=[10**12], offsets=[0, 4 * 10**12])}, bytes(4)),
        ({"a": entry(shape=[2**40, 2**40])}, bytes(4)),
        ({"a": entry(shape=[-1])}, bytes(4)),
        ({"a": entry(shape=[True])}, bytes(4)),
        ({"a": entry(shape=[1.0])}, bytes(4)),
        ({"a": entry(shape=[1] * 100)}, bytes(4)),
        ({"a": entry(dtype="O")}, bytes(4)),
        ({"a": entry(dtype=["F32"])}, bytes(4)),
        ({"a": entry(offsets=[4, 8])}, bytes(8)),
        ({"a": entry(), "b": entry()}, bytes(4)),
        ({"a": entry(), "b": entry(offsets=[8, 12])}, bytes(12)),
        ({"a": entry()}, bytes(8)),
        ({"a": entry()}, bytes(3)),
        ({"a": {**entry(), "more": 1}}, bytes(4)),
        ({"a": entry(), "__metadata__": {"x": "y"}}, bytes(4)),
        ({"a": 5}, b""),
        ([], b""),
        (b'{"a": {}, "a": {}}', b""),
        (b"{" * 1000, b""),
        ({"": entry()}, bytes(4)),
        ({"a": entry(dtype="BOOL", offsets=[0, 1])}, b"\x02"),
        ({"a": entry()}, struct.pack("<f", float("nan"))),
        ({"a": entry()}, struct.pack("<f", float("-inf"))),
    ],
)
def test_a_header_that_is_not_of_its_file_is_refused(tmp_path, header, data):
    write(tmp_path, header, data)
    with pytest.raises(InvalidFolderError):
        read(tmp_path)


@pytest.mark.parametrize("size", [2**63, 10**9, 3])
def test_a_header_of_a_wrong_size_is_refused(tmp_path, size):
    write(tmp_path, {"a": entry()}, bytes(4), size=size)
    with pytest.raises(InvalidFolderError):
        read(tmp_path)


def test_a_file_of_holes_is_refused_before_memory_is_taken(tmp_path):
    size = 1 << 40
    write(tmp_path, {"a": entry(dtype="U8", shape=[size], offsets=[0, size])})
    file = tmp_path / "w.safetensors"
    os.truncate(file, file.stat().st_size + size)
    with pytest.raises(InvalidFolderError, match="holes"):
        read(tmp_path)
