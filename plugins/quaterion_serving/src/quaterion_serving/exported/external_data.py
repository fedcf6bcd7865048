"""Refuses ONNX graphs that refer to other files, without the library ``onnx``.

A tensor of a graph can name a file and an offset that hold its values. A graph from elsewhere could
so read any file of this machine into an embedding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from quaterion_serving.exported.files import ExportedModelError

# Fields of the messages in onnx.proto that lead to tensors, by number.
_TENSOR: Final = "tensor"
_CHILDREN: Final[Mapping[str, Mapping[int, str]]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: _TENSOR, 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: _TENSOR, 6: "graph", 10: _TENSOR, 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: _TENSOR, 2: _TENSOR},
}
_EXTERNAL_FIELDS: Final = (13, 14)  # external_data, data_location
_DEEPEST: Final = 64


def check_no_external_data(data: bytes, source: str) -> None:
    """Refuse a graph with a tensor whose values lie in another file.

    Args:
        data: A serialized ``ModelProto``.
        source: Name of the file, for the error.

    Raises:
        ExportedModelError: There is such a tensor, or the data are no protocol buffer.
    """
    try:
        external = _has_external(memoryview(data), "model", 0)
    except (IndexError, ValueError) as error:
        raise ExportedModelError(f"{source} is no ONNX graph: {error}.") from error
    if external:
        raise ExportedModelError(
            f"{source} refers to data in other files, which is not supported. Export the model "
            "again."
        )


def _has_external(data: memoryview, message: str, depth: int) -> bool:
    if depth > _DEEPEST:
        raise ValueError(f"its messages are nested more than {_DEEPEST} deep")
    for number, value in _fields(data):
        if message == _TENSOR:
            if number in _EXTERNAL_FIELDS and value not in (b"", 0):
                return True
        elif child := _CHILDREN[message].get(number):
            if isinstance(value, int):
                raise ValueError(f"field {number} of a {message} is a number")
            if _has_external(value, child, depth + 1):
                return True
    return False


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Yield number and value of each field of a message: bytes, or an integer."""
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        number, wire_type = key >> 3, key & 7
        if wire_type == 0:
            value, position = _varint(data, position)
            yield number, value
            continue
        if wire_type == 2:
            size, position = _varint(data, position)
        elif wire_type in (1, 5):
            size = 8 if wire_type == 1 else 4
        else:
            raise ValueError(f"a field has the wire type {wire_type}")
        if position + size > len(data):
            raise ValueError("it ends within a field")
        yield number, data[position : position + size]
        position += size


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("a number has more than ten bytes")
