"""Tokenizers of the library ``tokenizers`` in saved folders."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, Final, NamedTuple

from tokenizers import Tokenizer

from quaterion_core.storage import (
    InvalidFolderError,
    SavedFolder,
    is_panic,
    parse_json,
    same_json,
)
from quaterion_nlp.saved.regular_expressions import check_regular_expression
from quaterion_nlp.saved.schemas import explained

TOKENIZER_FILE: Final = "tokenizer.json"
TOKENIZER_LIMIT: Final = 100 << 20

_LARGEST_ID: Final = 10_000_000
_LONGEST_REPLACEMENT: Final = 16
_LONGEST_NORMALIZED: Final = 128
_LARGEST_GROWTH: Final = 4096
_GROWTH: Final = {"BertNormalizer": 2, "ByteLevel": 2, "NFC": 3, "NFD": 3, "NFKC": 11, "NFKD": 11}
"""How many times as many bytes a step can make of a text."""

_TRIED: Final = ("", "Hello, \U0001f44b!")
_MOST_PARTS: Final = 64
_LARGEST_TYPE: Final = 255
_MOST_PIECES: Final = 100
_MOST_TOKENS: Final = 131_072


class ReadTokenizer(NamedTuple):
    """A tokenizer that was read from a file.

    Attributes:
        tokenizer: The tokenizer.
        largest_id: The largest id of its tokens.
        largest_word_id: The largest id of those that are put around texts, and of those that were
            not added later.
    """

    tokenizer: Tokenizer
    largest_id: int
    largest_word_id: int


def read_tokenizer(folder: SavedFolder, name: str = TOKENIZER_FILE) -> ReadTokenizer:
    """Read a tokenizer from its JSON file.

    Every entry of the file must be one that the library knows and would write: it is compared with
    the JSON that the tokenizer itself writes once it is built. Regular expressions that can take
    exponential time, steps that make texts much longer, ids above ten million, and a tokenizer
    that panics at a short text are refused.

    Args:
        folder: The opened folder.
        name: The name of the file.

    Returns:
        The tokenizer and its largest ids.

    Raises:
        InvalidFolderError: The file is missing, broken, or holds something else.
    """
    source = str(folder.path / name)
    data = folder.read(name, limit=TOKENIZER_LIMIT)
    value = parse_json(data, source)
    if not isinstance(value, dict):
        raise InvalidFolderError(f"Expected {source} to contain a tokenizer, got {value!r:.80}.")
    _check_parts(value, source)
    _check_ids(value, source)
    with explained(source):
        tokenizer = Tokenizer.from_str(data.decode())
        written = json.loads(tokenizer.to_str())
        _try(tokenizer)
    _check_same(value, written, source, "")
    vocabulary = value["model"]["vocab"]
    ids = vocabulary.values() if isinstance(vocabulary, dict) else range(len(vocabulary))
    largest_word = max([*_template_ids(value, source), max(ids, default=-1)])
    added = (token["id"] for token in value.get("added_tokens") or ())
    largest = max(largest_word, *added, -1)
    if largest < 0:
        raise InvalidFolderError(f"{source} describes a tokenizer without a vocabulary.")
    if largest > _LARGEST_ID:
        raise InvalidFolderError(f"{source} holds the id {largest}, larger than {_LARGEST_ID:,}.")
    return ReadTokenizer(tokenizer, largest, largest_word)


def _check_ids(value: dict[str, Any], source: str) -> None:
    """Refuse large ids: the library lists all smaller ones that have no token."""
    model, added = value.get("model"), value.get("added_tokens")
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    tokens = [token for token in _listed(added) if isinstance(token, dict)]
    for number in (
        *(vocabulary.values() if isinstance(vocabulary, dict) else ()),
        *(token.get("id") for token in tokens),
    ):
        if type(number) is int and number > _LARGEST_ID:
            raise InvalidFolderError(
                f"{source} holds the id {number}, larger than {_LARGEST_ID:,}."
            )


def _try(tokenizer: Tokenizer) -> None:
    """Tokenize short texts; only a panic counts, since a tokenizer need not know all words."""
    for text in _TRIED:
        try:
            tokenizer.encode(text)
        except BaseException as error:
            if not isinstance(error, Exception) or is_panic(error):
                raise


def _check_parts(value: dict[str, Any], source: str) -> None:
    normalizers = _parts(value.get("normalizer"), "normalizers", source)
    pre_tokenizers = _parts(value.get("pre_tokenizer"), "pretokenizers", source)
    decoders = _parts(value.get("decoder"), "decoders", source)
    _check_template(value.get("post_processor"), source)
    _check_unknown_token(value.get("model"), source)
    for part in normalizers + pre_tokenizers + decoders:
        _check_pattern(part, source)
    growth = 1
    for part in normalizers + pre_tokenizers:
        growth *= _growth(part, source)
    if growth > _LARGEST_GROWTH:
        raise InvalidFolderError(
            f"{source} can make texts more than {_LARGEST_GROWTH:,} times as long."
        )
    _check_numbers(value.get("truncation"), source, _LARGEST_ID)
    padding = value.get("padding")
    if isinstance(padding, dict):
        lengths = {key: item for key, item in padding.items() if key != "pad_id"}
        _check_numbers(lengths, source, _MOST_TOKENS)


def _check_pattern(part: dict[str, Any], source: str) -> None:
    """Refuse patterns that take exponential time, and those that replace nothing by something."""
    pattern = part.get("pattern")
    if not isinstance(pattern, dict):
        return
    shortest = 1
    if isinstance(pattern.get("Regex"), str):
        shortest = check_regular_expression(pattern["Regex"], source).shortest
    elif isinstance(pattern.get("String"), str):
        shortest = len(pattern["String"])
    if "content" in part and shortest == 0:
        raise InvalidFolderError(f"{source} replaces {pattern!r:.200}, which can be nothing.")


def _growth(part: dict[str, Any], source: str) -> int:
    """Return how many times as many bytes a step can make of a text."""
    kind = part.get("type")
    if kind == "Precompiled":
        return _check_precompiled(part.get("precompiled_charsmap"), source)
    if kind == "FixedLength" and part.get("length") == 0:
        raise InvalidFolderError(f"{source} splits texts into pieces of no character.")
    growth = _GROWTH.get(kind, 1) if isinstance(kind, str) else 1
    for key in ("content", "prepend", "replacement"):
        text = part.get(key)
        if not isinstance(text, str):
            continue
        if len(text) > _LONGEST_REPLACEMENT:
            raise InvalidFolderError(
                f"{source} replaces characters by texts of {len(text):,} characters, more "
                f"than the {_LONGEST_REPLACEMENT} that are allowed."
            )
        growth *= max(1, len(text.encode()))
    return growth


def _check_precompiled(table: object, source: str) -> int:
    """Check the sizes in a table of normalized characters, as sentencepiece compiles it.

    It is the number of bytes of a trie, the trie, and the texts that it refers to, each with a null
    byte at its end.

    Returns:
        The length of the longest text, in bytes.
    """
    try:
        data = base64.b64decode(table if isinstance(table, str) else "", validate=True)
    except (binascii.Error, ValueError):
        data = b""
    size = int.from_bytes(data[:4], "little")
    texts = data[4 + size :].split(b"\0")
    longest = max(map(len, texts))
    if not 0 < size <= len(data) - 4 or size % 4 or longest > _LONGEST_NORMALIZED:
        raise InvalidFolderError(f"{source} has a table of normalized characters that is damaged.")
    return max(1, longest)


def _check_unknown_token(model: Any, source: str) -> None:
    """Refuse a model whose token for unknown words is not in its vocabulary."""
    if not isinstance(model, dict) or not isinstance(model.get("vocab"), dict):
        return
    unknown = model.get("unk_token")
    if unknown is not None and unknown not in model["vocab"]:
        raise InvalidFolderError(
            f"{source} has the token {unknown!r:.80} for unknown words, but not in its vocabulary."
        )


def _check_template(value: Any, source: str) -> None:
    """Refuse templates with tokens that are not there, and with ids or types out of range."""
    for part in _parts(value, "processors", source):
        tokens = part.get("special_tokens")
        names = tokens.keys() if isinstance(tokens, dict) else set()
        pieces = [*_listed(part.get("single")), *_listed(part.get("pair"))]
        token_ids = [
            _listed(token.get("ids"))
            for token in (tokens.values() if isinstance(tokens, dict) else ())
            if isinstance(token, dict)
        ]
        if max([len(pieces), *map(len, token_ids)]) > _MOST_PIECES:
            raise InvalidFolderError(f"{source} has a template of more than {_MOST_PIECES} pieces.")
        for piece in pieces:
            kind = next(iter(piece.values()), None) if isinstance(piece, dict) else None
            if not isinstance(kind, dict):
                raise InvalidFolderError(f"{source} has the template piece {piece!r:.80}.")
            if "SpecialToken" in piece and kind.get("id") not in names:
                raise InvalidFolderError(
                    f"{source} has a template with the token {kind.get('id')!r:.80}, which it does "
                    "not list."
                )
            type_id = kind.get("type_id")
            if type(type_id) is not int or not 0 <= type_id <= _LARGEST_TYPE:
                raise InvalidFolderError(f"{source} has the type {type_id!r:.80} of a token.")


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _template_ids(value: dict[str, Any], source: str) -> list[int]:
    """List the ids of the tokens that are put around a text."""
    ids: list[int] = []
    for part in _parts(value.get("post_processor"), "processors", source):
        tokens = part.get("special_tokens")
        if isinstance(tokens, dict):
            ids += [number for token in tokens.values() for number in token["ids"]]
        ids += [part[key][1] for key in ("cls", "sep") if isinstance(part.get(key), list)]
    return ids


def _parts(value: Any, children: str, source: str) -> list[dict[str, Any]]:
    """List a part of a tokenizer and those inside of it."""
    found: list[dict[str, Any]] = []
    rest = [value]
    while rest:
        part = rest.pop()
        if not isinstance(part, dict):
            continue
        found.append(part)
        if len(found) > _MOST_PARTS:
            raise InvalidFolderError(f"{source} chains more than {_MOST_PARTS} steps.")
        inner = part.get(children)
        rest += inner if isinstance(inner, list) else []
    return found


def _check_numbers(value: Any, source: str, largest: int) -> None:
    if isinstance(value, dict):
        for item in value.values():
            _check_numbers(item, source, largest)
    elif type(value) is int and not 0 <= value <= largest:
        raise InvalidFolderError(f"{source} pads or cuts texts to {value} tokens.")


def _check_same(value: Any, written: Any, source: str, place: str) -> None:
    """Check that each entry of a file is in what the library writes, and the same there."""
    if place in ("model.vocab", "model.merges") and value == written:
        return  # hundreds of thousands of entries, whose types the library has checked
    if isinstance(value, dict) and isinstance(written, dict):
        for key, item in value.items():
            if key not in written:
                raise InvalidFolderError(f"{source} has an unknown entry {key!r:.80} in {place!r}.")
            _check_same(item, written[key], source, f"{place}.{key}" if place else key)
    elif isinstance(value, list) and isinstance(written, list) and len(value) == len(written):
        for index, (item, other) in enumerate(zip(value, written, strict=True)):
            _check_same(item, other, source, f"{place}[{index}]")
    elif not same_json(value, written) and not _is_old_merge(value, written, place):
        raise InvalidFolderError(
            f"{source} has {value!r:.80} for {place!r:.200}, which is taken as {written!r:.80}."
        )


def _is_old_merge(value: Any, written: Any, place: str) -> bool:
    """Whether two tokens that are merged are written in one string, as they were before."""
    is_merge = place.startswith("model.merges[") and isinstance(value, str)
    return is_merge and value.split(" ") == written
