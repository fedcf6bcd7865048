"""Recognition of data: what the columns of a file, or a folder, hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal

from quaterion_core.components import build_component
from quaterion_core.dataset.file_kinds import IMAGES, reader_of

Kind = Literal["pairs", "scored pairs", "groups"]
Modality = Literal["text", "image"]

SHARE: Final = 0.15
"""Share of the samples of the validation split, and of the test split."""

_ROWS: Final = 2000
_FIRST: Final = (
    "anchor", "query", "question", "sentence1", "text1", "obja", "premise", "title", "source", "q",
)  # fmt: skip
_SECOND: Final = (
    "positive", "answer", "document", "passage", "sentence2", "text2", "objb", "hypothesis",
    "response", "context", "target", "a",
)  # fmt: skip
_OBJECT: Final = (
    "text", "sentence", "utterance", "message", "content", "obj", "object", "query", "question",
)  # fmt: skip
_GROUP: Final = ("label", "group", "category", "class", "intent", "topic", "labeltext")
_SCORE: Final = ("score", "similarity", "similarityscore", "rating", "relevance", "isduplicate",
                 "label")  # fmt: skip
_NEGATIVE: Final = re.compile(r"(hard)?neg(ative)?s?\d*")
_GRADES: Final = 0.5


@dataclass(frozen=True)
class Recognised:
    """Data as they were recognised.

    Attributes:
        data: The dataset as a recipe chooses it, with the splits ``train``, ``validation`` and
            ``test``, which have no object in common.
        kind: What the samples are.
        modality: What the objects are.
        reason: What was recognised, for people.
    """

    data: dict[str, Any]
    kind: Kind
    modality: Modality
    reason: str


def recognise(path: Path, columns: Mapping[str, str] | None = None) -> Recognised:
    r"""Recognise the data of a file or a folder of images.

    Columns are recognised by their names, such as ``question`` and ``answer``, ``anchor``,
    ``positive`` and ``negative_1``, ``sentence1``, ``sentence2`` and ``score``, or ``text`` and
    ``label``; else by their content: a column whose values repeat is that of groups.

    Args:
        path: A table (CSV, JSON lines, Parquet, Excel), or a folder with one folder of images for
            each group.
        columns: Columns by field, such as ``{"obj": "text", "group": "intent"}``, instead.

    Raises:
        FileNotFoundError: There is nothing at the path.
        ValueError: The columns are not recognised.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "faq.csv")
        >>> _ = file.write_text("question,answer\nIs it free?,Yes.\n")
        >>> recognise(file).reason
        "pairs that match: 'question' with 'answer'"
    """
    path = path.absolute()
    if path.is_dir():
        return _folder(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} cannot be read: no such file or directory.")
    reader = reader_of(path)
    rows = _first_rows(reader, path)
    fields = dict(columns) if columns else _fields(rows, path)
    _check_texts(fields, rows, path)
    data: dict[str, Any] = {
        "name": reader,
        "files": {"train": str(path), "validation": SHARE, "test": SHARE},
        **fields,
    }
    if "group" in fields:
        return Recognised(
            data, "groups", "text", f"objects {fields['obj']!r} in groups {fields['group']!r}"
        )
    pairs = f"{fields['obj_a']!r} with {fields['obj_b']!r}"
    if "score" not in fields:
        negatives = f" and not with {', '.join(map(repr, fields['negatives']))}" if (
            "negatives" in fields
        ) else ""  # fmt: skip
        return Recognised(data, "pairs", "text", f"pairs that match: {pairs}{negatives}")
    scores = [float(row[fields["score"]]) for row in rows if _is_number(row[fields["score"]])]
    low, high = min(scores, default=0.0), max(scores, default=1.0)
    if low < 0 or high > 1:
        data["score_range"] = [min(0.0, low), high]
    return Recognised(
        data, "scored pairs", "text", f"pairs {pairs} with scores {fields['score']!r}"
    )


def _folder(path: Path) -> Recognised:
    groups = [
        folder.name
        for folder in sorted(path.iterdir())
        if folder.is_dir() and any(file.suffix.lower() in IMAGES for file in folder.rglob("*"))
    ]
    if len(groups) < 2:
        raise ValueError(
            f"Expected a folder of images in at least two folders, one for each group, got {path}."
        )
    data = {
        "name": "image-folder",
        "root": str(path),
        "shares": {"validation": SHARE, "test": SHARE},
    }
    if {"train", "validation", "test"} & set(groups):
        raise ValueError(
            f"Expected the folders of groups in {path}, got those of splits: "
            f"{', '.join(groups[:5])}. Give the folder of the training split."
        )
    return Recognised(data, "groups", "image", f"images in {len(groups):,} groups, one per folder")


def _first_rows(reader: str, path: Path) -> list[Mapping[str, Any]]:
    dataset = build_component(
        "dataset", {"name": reader, "files": {"train": str(path)}, "obj": "_", "group": "_"}
    )
    rows = list(islice(dataset.rows_of_any_columns("train"), _ROWS))
    if not rows:
        raise ValueError(f"{path} has no rows.")
    return rows


def _fields(rows: Sequence[Mapping[str, Any]], path: Path) -> dict[str, Any]:
    names = list(dict.fromkeys(name for row in rows for name in row))
    first, second = _named(names, _FIRST), _named(names, _SECOND)
    if first and second:
        return _pair_fields(rows, names, first, second)
    obj, group = _named(names, _OBJECT), _named(names, _GROUP)
    if obj and group:
        return {"obj": obj, "group": group}
    texts = [name for name in names if _are_texts(row.get(name) for row in rows)]
    repeated = [name for name in names if _repeat([row.get(name) for row in rows])]
    others = [name for name in texts if name not in repeated]
    if len(repeated) == 1 and len(others) == 1:
        return {"obj": others[0], "group": repeated[0]}
    if len(texts) == 2:
        return _pair_fields(rows, names, *texts)
    raise ValueError(
        f"The columns of {path.name} are not recognised: {', '.join(map(repr, names[:20]))}. Say "
        "which they are: --column obj_a=COLUMN --column obj_b=COLUMN for pairs, or --column "
        "obj=COLUMN --column group=COLUMN for groups."
    )


def _pair_fields(
    rows: Sequence[Mapping[str, Any]], names: Sequence[str], first: str, second: str
) -> dict[str, Any]:
    fields: dict[str, Any] = {"obj_a": first, "obj_b": second}
    negatives = [name for name in names if _NEGATIVE.fullmatch(_plain(name))]
    score = _named([name for name in names if name not in (first, second)], _SCORE)
    if negatives:
        fields["negatives"] = negatives
    elif score and all(_is_number(row.get(score)) for row in rows):
        fields["score"] = score
    return fields


def _check_texts(fields: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Check that the columns exist and hold texts.

    Raises:
        ValueError: They do not.
    """
    objects = [fields[name] for name in ("obj", "obj_a", "obj_b") if name in fields]
    if ("group" in fields) != ("obj" in fields) or ("obj_a" in fields) != ("obj_b" in fields):
        raise ValueError(
            "Expected the columns obj and group, or obj_a and obj_b, got "
            f"{', '.join(fields) or 'none'}."
        )
    known = {name for row in rows for name in row}
    for name in objects:
        if name not in known:
            raise ValueError(
                f"{path.name} has no column {name!r}, but {', '.join(map(repr, sorted(known)))}."
            )
        values = [row.get(name) for row in rows]
        if any(isinstance(value, str) and Path(value).suffix.lower() in IMAGES for value in values):
            raise ValueError(
                f"The column {name!r} of {path.name} names images. Write a recipe with the dataset "
                "'image-csv', or give a folder with one folder of images for each group."
            )


def _named(names: Sequence[str], known: Sequence[str]) -> str | None:
    """Return the column whose name is the first of some known ones."""
    plain = {_plain(name): name for name in reversed(names)}
    return next((plain[name] for name in known if name in plain), None)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _are_texts(values: Iterable[Any]) -> bool:
    found = [value for value in values if value is not None]
    texts = [value for value in found if isinstance(value, str) and not _is_number(value)]
    return bool(found) and len(texts) > _GRADES * len(found)


def _repeat(values: Sequence[Any]) -> bool:
    """Return whether values are those of groups: of few kinds, and short."""
    found = [str(value) for value in values if value is not None]
    if len(found) < 2 or max(map(len, found)) > 80:
        return False
    return 2 <= len(set(found)) <= len(found) / 2


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
