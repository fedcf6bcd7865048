"""Hostile tokenizers of a static encoder, whose table of vectors fits them."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from robustness.hostile_folders import write_tensors

_TOKENIZER: Final = "encoders/default/tokenizer.json"
_TENSORS: Final = "encoders/default/model.safetensors"
_COLUMNS: Final = 4
_WORDS: Final = {"[UNK]": 0, "a": 1, "b": 2}


def refused_tokenizers() -> dict[str, Callable[[Path], object]]:
    """Return changes of a saved model after which it has to be refused, by what they do."""
    expressions = {
        "repetitions in turn": ".*" * 900 + "x",
        "nested intervals": "(.{1,900}){1,900}x",
        "an interval that is repeated": ".{1,2}*x",
        "options in turn": ".?" * 500 + "x",
        "alternatives in turn": "(.|..)" * 200 + "x",
        "a comment before a class": "(?#[)(.+)+x(?#])",
        "a control character before a class": r"\c[(.+)+x]",
        "comments of the extended mode": "(?x)(.+ #)\n)+x",
        "flags in the middle": ".*.*.*(?i).*.*.*(?i).*.*.*x",
        "a billion parts": "((((x{1000}){1000}){1000}){1000})",
        "an absent group": "(?~abc)*x",
        "a condition": "(a)?(?(1)b|c)",
        "a named group": "(?<n>a|b)",
        "a recursion": r"(?<n>a|b\g<n>c)",
        "nothing, repeated": "(?:)*",
        "deep groups": "(" * 500 + "a" + ")" * 500,
    }
    replaced = {"Regex": ""}
    token = {"id": "x", "ids": [1] * 3000, "tokens": ["a"] * 3000}
    steps: dict[str, dict[str, Any]] = {
        **{
            f"an expression with {name}": {"pre_tokenizer": _split(pattern)}
            for name, pattern in expressions.items()
        },
        "nothing replaced": {"normalizer": _replace(replaced, "b" * 16)},
        "nothing replaced, as text": {"normalizer": _replace({"String": ""}, "b" * 16)},
        "bytes of bytes": {"normalizer": _chain([{"type": "ByteLevel"}] * 60)},
        "ligatures that are taken apart": {
            "normalizer": _chain([_replace({"String": "e"}, "\ufdfa"), {"type": "NFKD"}] * 6)
        },
        "pieces of no character": {"pre_tokenizer": {"type": "FixedLength", "length": 0}},
        "a template of 9 million tokens": {
            "post_processor": {
                "type": "TemplateProcessing",
                "single": [{"SpecialToken": {"id": "x", "type_id": 0}}] * 3000,
                "pair": [{"Sequence": {"id": "A", "type_id": 0}}],
                "special_tokens": {"x": token},
            }
        },
        "padding to 10 million tokens": {"padding": _padding(9_999_999)},
        "padding": {"padding": _padding(20)},
        "truncation": {
            "truncation": {
                "direction": "Right", "max_length": 5, "strategy": "LongestFirst", "stride": 0,
            }
        },
        **{
            f"a table of characters {name}": {"normalizer": _precompiled(data)}
            for name, data in {
                "that is empty": b"",
                "of random bytes": b"garbage" * 10,
                "of 4 GiB": struct.pack("<I", 2**32 - 1) + bytes(100),
                "without a trie": struct.pack("<I", 0) + bytes(100),
                "that leads out": struct.pack("<I", 1024) + b"\xff" * 1024 + b"x\0" * 50,
                "of long texts": struct.pack("<I", 1024) + bytes(1024) + b"x" * 100_000 + b"\0",
            }.items()
        },
    }  # fmt: skip
    models: dict[str, dict[str, Any]] = {
        "of words without unknown ones": {"type": "Unigram", "unk_id": None, "vocab": [["a", -1]]},
        "of merges that are not there": _byte_pairs({"a": 0, "b": 1}, [["a", "b"]]),
        "of prefixes longer than tokens": {
            **_byte_pairs({"a": 0, "b": 1, "ab": 2}, [["a", "b"]]),
            "continuing_subword_prefix": "##",
        },
        "of an id of 10**9": _byte_pairs({"a": 0, "b": 10**9}, []),
        "of an id of 2**32": {"type": "WordLevel", "vocab": {"[UNK]": 2**32}, "unk_token": "[UNK]"},
        "of one id twice": {
            "type": "WordLevel", "vocab": dict.fromkeys(_WORDS, 0), "unk_token": "[UNK]",
        },
    }  # fmt: skip
    return {
        **{f"a step: {name}": _changed(parts) for name, parts in steps.items()},
        **{f"a model {name}": _changed({"model": model}) for name, model in models.items()},
    }


def loaded_tokenizers() -> dict[str, Callable[[Path], object]]:
    """Return changes of a saved model after which it loads, and embeds as its tokenizer says."""
    return {
        "long prefixes": _changed({"model": _word_pieces("#" * 10**6)}),
        "words of no character": _changed({"model": _word_pieces("##", max_characters=0)}),
        "huge scores": _changed(
            {"model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0], ["e", 1e308]]}}
        ),
        "an expression of a published tokenizer": _changed(
            {"pre_tokenizer": _split(r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|\s+(?!\S)|\s+")}
        ),
    }


def _changed(parts: dict[str, Any]) -> Callable[[Path], object]:
    def apply(folder: Path) -> None:
        file = folder / _TOKENIZER
        value = json.loads(file.read_text())
        value.update(parts)
        file.write_text(json.dumps(value))
        vocabulary = value["model"]["vocab"]
        ids = vocabulary.values() if isinstance(vocabulary, dict) else range(len(vocabulary))
        added = [token["id"] for token in value["added_tokens"]]
        rows = 1 + max([0, *(number for number in ids if number < 1000), *added])
        data = np.ones((rows, _COLUMNS), np.float32).tobytes()
        write_tensors(folder / _TENSORS, {"embedding.weight": ("F32", [rows, _COLUMNS], data)})

    return apply


def _split(pattern: str) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


def _replace(pattern: dict[str, str], content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": pattern, "content": content}


def _chain(normalizers: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "Sequence", "normalizers": normalizers}


def _precompiled(data: bytes) -> dict[str, Any]:
    return {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(data).decode()}


def _padding(length: int) -> dict[str, Any]:
    return {
        "strategy": {"Fixed": length}, "direction": "Right", "pad_to_multiple_of": None,
        "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]",
    }  # fmt: skip


def _byte_pairs(vocabulary: dict[str, int], merges: list[list[str]]) -> dict[str, Any]:
    return {
        "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
        "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
        "ignore_merges": False, "vocab": vocabulary, "merges": merges,
    }  # fmt: skip


def _word_pieces(prefix: str, max_characters: int = 100) -> dict[str, Any]:
    return {
        "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": prefix,
        "max_input_chars_per_word": max_characters, "vocab": _WORDS,
    }  # fmt: skip
