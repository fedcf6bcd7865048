"""Digests of objects: equal for equal content, in every process."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
import pickle
import secrets
import stat
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from operator import itemgetter
from pathlib import PurePath
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from quaterion_core.dataset.text_roles import RoleText

DIGEST_SIZE: Final = 16
"""Size of a digest in bytes. Two of a billion objects collide with a probability of 10^-21."""


_LONGEST_PATH: Final = 1024
_BLOCK_BYTES: Final = 2**14

_ORIENTATION: Final = 0x0112
"""EXIF tag of the orientation of an image."""


def object_digest(obj: Any) -> bytes:
    """Return the digest of an object's content.

    Texts, bytes, numbers, arrays, tensors, PIL images, paths, open buffers (``BytesIO``), and
    lists, tuples, sets, dictionaries and dataclasses of them are digested by value, other objects
    by their pickled form. Arrays are equal if shape, data type and all values are, bit for bit,
    whatever their layout, byte order or device; a NumPy scalar equals its Python number. A path is
    digested by its name and the size and modification time of the file, not by its content.

    Raises:
        TypeError: The object cannot be pickled. Use a key extractor.

    Example:
        >>> object_digest({"text": "a", "size": 3}) == object_digest({"size": 3, "text": "a"})
        True
        >>> object_digest("1") == object_digest(1)
        False
    """
    digest = hashlib.blake2b(digest_size=DIGEST_SIZE)
    _feed(digest, obj)
    return digest.digest()


def object_digests(objects: Iterable[Any]) -> npt.NDArray[np.uint8]:
    """Return the digests of T objects as rows, shape (T, 16), bytes."""
    joined = b"".join(map(object_digest, objects))
    return np.frombuffer(joined, np.uint8).reshape(-1, DIGEST_SIZE)


def object_ids(objects: Iterable[Any]) -> Tensor:
    """Return an id for each of N objects, equal for equal content, shape (N,), int64.

    An id is the first half of a digest: the same in every process, and two of a million objects
    collide with a probability of 10^-8. An object that cannot be digested gets a random id and
    equals no other object.

    Example:
        >>> first, second, third = object_ids(["yes", "no", "yes"]).tolist()
        >>> first == third, first == second
        (True, False)
    """
    return ids_of_digests(np.frombuffer(b"".join(map(_digest_or_token, objects)), np.uint8))


def distinct_positions(objects: Sequence[Any]) -> list[int]:
    """Return the positions of the objects that differ in content; of equal ones the first.

    Example:
        >>> distinct_positions(["yes", "no", "yes"])
        [0, 1]
    """
    first: dict[int, int] = {}
    for position, content in enumerate(object_ids(objects).tolist()):
        first.setdefault(content, position)
    return list(first.values())


def ids_of_digests(digests: npt.NDArray[np.uint8]) -> Tensor:
    """Return the ids of objects, shape (N,), int64, from their digests, N x 16 bytes."""
    halves = digests.reshape(-1, DIGEST_SIZE)[:, : DIGEST_SIZE // 2]
    ids: Tensor = torch.from_numpy(np.array(halves, order="C").view(np.int64).ravel())
    return ids


def _digest_or_token(obj: Any) -> bytes:
    try:
        return object_digest(obj)
    except TypeError:
        return secrets.token_bytes(DIGEST_SIZE)


def _feed(digest: hashlib.blake2b, obj: Any) -> None:
    if isinstance(obj, str):
        kind = f"str as {obj.role}".encode() if isinstance(obj, RoleText) else b"str"
        _feed_bytes(digest, kind, obj.encode("utf-8", "surrogatepass"))
        if _may_be_path(obj):
            _feed_file(digest, obj)
    elif isinstance(obj, (bytes, bytearray)):
        _feed_bytes(digest, b"bytes", obj)
    elif isinstance(obj, io.BytesIO):
        _feed_bytes(digest, b"bytes", obj.getvalue())
    elif obj is None or isinstance(obj, (bool, int, float, complex)):
        _feed_bytes(digest, type(obj).__name__.encode(), repr(obj).encode())
    elif isinstance(obj, PurePath):
        _feed_bytes(digest, b"path", str(obj).encode("utf-8", "surrogatepass"))
        _feed_file(digest, str(obj))
    elif isinstance(obj, (list, tuple)):
        _feed_bytes(digest, b"list", str(len(obj)).encode())
        for item in obj:
            _feed(digest, item)
    elif isinstance(obj, Mapping):
        _feed_bytes(digest, b"dict", str(len(obj)).encode())
        for key, value in sorted(
            ((object_digest(key), value) for key, value in obj.items()), key=itemgetter(0)
        ):
            digest.update(key)
            _feed(digest, value)
    elif isinstance(obj, (set, frozenset)):
        _feed_bytes(digest, b"set", b"".join(sorted(map(object_digest, obj))))
    elif isinstance(obj, Tensor):
        _feed_tensor(digest, obj)
    elif isinstance(obj, np.ndarray):
        _feed_array(digest, obj)
    elif isinstance(obj, np.generic) and not obj.dtype.hasobject:
        plain = obj.item()
        _feed(digest, np.asarray(obj) if isinstance(plain, np.generic) else plain)
    elif all(hasattr(obj, name) for name in ("mode", "size", "getpalette", "getexif")):  # PIL
        _feed_bytes(digest, b"image", f"{obj.mode}{obj.size}".encode())
        # Also what gives pixels their meaning: palette, transparency and orientation.
        palette = obj.palette.mode if obj.palette is not None else None
        _feed(digest, palette and [palette, bytes(obj.getpalette(None) or b"")])
        _feed(digest, obj.info.get("transparency"))
        _feed(digest, obj.getexif().get(_ORIENTATION))
        _feed_buffer(digest, obj.tobytes())
    elif dataclasses.is_dataclass(obj) and not isinstance(obj, type):
        names = getattr(obj, "__dict__", None) or [f.name for f in dataclasses.fields(obj)]
        name = f"{type(obj).__module__}.{type(obj).__qualname__}"
        _feed_bytes(digest, b"dataclass", name.encode())
        _feed(digest, {name: getattr(obj, name) for name in names})
    else:
        _feed_bytes(digest, b"pickle", _pickled(obj))


def _feed_tensor(digest: hashlib.blake2b, tensor: Tensor) -> None:
    tensor = tensor.detach()
    if tensor.layout != torch.strided or tensor.is_quantized:
        _feed_bytes(digest, b"tensor", f"{tensor.layout}{tensor.dtype}".encode())
        tensor = tensor.dequantize() if tensor.is_quantized else tensor.to_dense()
    tensor = tensor.cpu().resolve_conj().resolve_neg()
    try:
        values = tensor.numpy()
    except TypeError:  # NumPy does not have the data type, such as bfloat16
        _feed_bytes(digest, b"tensor", f"{tensor.dtype}{tuple(tensor.shape)}".encode())
        values = tensor.contiguous().flatten().view(torch.uint8).numpy()
    _feed_array(digest, values)


def _feed_array(digest: hashlib.blake2b, array: npt.NDArray[Any]) -> None:
    if isinstance(array, np.ma.MaskedArray):
        _feed_bytes(digest, b"masked", b"")
        _feed_array(digest, np.ma.getmaskarray(array))
        array = np.where(np.ma.getmaskarray(array), np.zeros((), array.dtype), array.data)
    if array.dtype.hasobject:  # its memory contains addresses
        _feed_bytes(digest, b"objects", str(array.shape).encode())
        for item in array.ravel().tolist():
            _feed(digest, item)
        return
    array = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
    described = np.lib.format.dtype_to_descr(array.dtype)
    _feed_bytes(digest, b"array", f"{described}{array.shape}".encode())
    _feed_buffer(digest, array.tobytes())


def _feed_buffer(digest: hashlib.blake2b, content: bytes) -> None:
    """Feed the values of an array or image; each full block is reduced to 128 bits.

    A block of 32-bit words is hashed by two sums of products with random 64-bit numbers, which is
    several times as fast as BLAKE2b. Source: Thorup, High Speed Hashing for Integers and Strings,
    2015, section 3 (multilinear hashing).
    """
    blocks = len(content) // _BLOCK_BYTES
    if blocks:
        words = np.frombuffer(content, "<u4", blocks * _BLOCK_BYTES // 4)
        wide = words.astype(np.uint64).reshape(blocks, -1)
        digest.update(b"".join((wide @ factors).astype("<u8").tobytes() for factors in _factors()))
    digest.update(content[blocks * _BLOCK_BYTES :])


@cache
def _factors() -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Return two rows of random numbers, the same in every process and version of NumPy."""
    raw = np.random.PCG64(20260101).random_raw(2 * _BLOCK_BYTES // 4)
    first, second = raw.reshape(2, -1)
    return first, second


def _may_be_path(text: str) -> bool:
    """Return whether a string looks like the path of a file: short, and with a suffix."""
    return len(text) < _LONGEST_PATH and text[-1:].isalnum() and "." in text[-6:-1]


def _feed_file(digest: hashlib.blake2b, path: str) -> None:
    """Feed size and modification time of a file, which change if it is replaced."""
    try:
        found = os.stat(path)  # noqa: PTH116  (a Path is slow, and texts are many)
    except (OSError, ValueError):
        return
    if stat.S_ISREG(found.st_mode):
        _feed_bytes(digest, b"file", f"{found.st_size} {found.st_mtime_ns}".encode())


def _feed_bytes(digest: hashlib.blake2b, kind: bytes, content: bytes | bytearray) -> None:
    digest.update(kind + str(len(content)).encode() + b":" + content)


def _pickled(obj: Any) -> bytes:
    try:
        written = io.BytesIO()
        pickler = pickle.Pickler(written, protocol=4)
        pickler.fast = True  # writes equal strings alike, whether or not they are one object
        pickler.dump(obj)
        return written.getvalue()
    except ValueError:  # the object contains itself
        return _pickled_with_references(obj)
    except Exception as error:
        raise _unreadable(obj, error) from error


def _pickled_with_references(obj: Any) -> bytes:
    try:
        return pickle.dumps(obj, protocol=4)
    except Exception as error:
        raise _unreadable(obj, error) from error


def _unreadable(obj: Any, error: Exception) -> TypeError:
    return TypeError(
        f"Expected objects whose content can be read, got a {type(obj).__name__} that cannot be "
        f"pickled ({error}). Use objects that can be pickled or, for the cache, a key that "
        "identifies them: CacheConfig(key_extractors=lambda obj: obj.id)."
    )
