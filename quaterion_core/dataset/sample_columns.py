"""Which columns of a table make a sample."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from quaterion_core.dataset.similarity_samples import (
    SimilarityGroupSample,
    SimilarityPairSample,
    SimilaritySample,
)
from quaterion_core.plugins.nearest import unknown_name


class SampleColumns:
    """The columns of either pairs or group samples, by name.

    Args:
        obj_a: Column of a pair's first object, the anchor; for retrieval, the query.
        obj_b: Column of a pair's second object, the positive.
        negatives: Column of hard negatives of ``obj_a``, or several. A value is one object or a
            list of them; nothing, an empty text or an empty list is none. Each makes one more
            pair, of score 0, with the subgroup of its row.
        score: Column of a pair's score; without it every pair has score 1.
        subgroup: Column of a pair's subgroup.
        obj: Column of a group sample's object.
        group: Column of a group sample's group.

    Raises:
        ValueError: The columns name neither a pair nor a group sample, or both.

    Example:
        >>> columns = SampleColumns(obj_a="q", obj_b="a", negatives=["wrong"])
        >>> row = {"q": "Is it free?", "a": "Yes.", "wrong": ["In May.", "Bread."]}
        >>> [(sample.obj_b, sample.score) for sample in columns.samples(row, "line 1")]
        [('Yes.', 1.0), ('In May.', 0.0), ('Bread.', 0.0)]
    """

    def __init__(
        self,
        obj_a: str | None = None,
        obj_b: str | None = None,
        negatives: str | Sequence[str] | None = None,
        score: str | None = None,
        subgroup: str | None = None,
        obj: str | None = None,
        group: str | None = None,
    ):
        pair = {"obj_a": obj_a, "obj_b": obj_b, "score": score, "subgroup": subgroup}
        single = {"obj": obj, "group": group}
        self._pair = {field: column for field, column in pair.items() if column is not None}
        self._single = {field: column for field, column in single.items() if column is not None}
        self._negatives = [negatives] if isinstance(negatives, str) else list(negatives or [])
        of_pair = [*self._pair, *(["negatives"] if self._negatives else [])]
        if of_pair and not self._single and {"obj_a", "obj_b"} <= self._pair.keys():
            return
        if self._single.keys() == {"obj", "group"} and not of_pair:
            return
        raise ValueError(
            "Name the columns of a pair (obj_a and obj_b, optionally negatives, score and subgroup)"
            " or of a group sample (obj and group), but got: "
            f"{', '.join([*of_pair, *self._single]) or 'none'}."
        )

    @property
    def names(self) -> list[str]:
        """The columns that are needed, each once."""
        return list(dict.fromkeys([*(self._pair or self._single).values(), *self._negatives]))

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that name these columns."""
        negatives = {"negatives": self._negatives} if self._negatives else {}
        return {**self._pair, **negatives, **self._single}

    def check(self, present: Collection[str], place: str) -> None:
        """Refuse a table, or a row of one, that lacks a column.

        Args:
            present: The columns that there are.
            place: Where, for the error.

        Raises:
            ValueError: The message suggests the nearest columns.

        Example:
            >>> SampleColumns(obj="text", group="intent").check(["Text", "group"], "a.csv")
            Traceback (most recent call last):
            ValueError: a.csv has no column 'text': did you mean 'Text'? Its columns: 'Text',
            'group'.
        """
        for name in self.names:
            if name not in present:
                statement = f"{place} has no column"
                raise ValueError(
                    unknown_name(statement, name, present, known_as="Its columns", show=repr)
                )

    def samples(self, row: Mapping[str, Any], place: str) -> Iterator[SimilaritySample]:
        """Yield the samples of a row: one, and for a pair one more for each hard negative.

        Args:
            row: The values by column.
            place: Where the row is, for errors.

        Raises:
            ValueError: A column or a value is missing, or a score is no number.
        """
        self.check(row, place)
        columns = self._pair or self._single
        missing = [column for column in columns.values() if row[column] is None]
        if missing:
            raise ValueError(f"{place} has no value for {', '.join(map(repr, missing))}.")
        values = {field: row[column] for field, column in columns.items()}
        if self._single:
            yield SimilarityGroupSample(**values)
            return
        if "score" in values:
            values["score"] = _number(values["score"], place)
        yield SimilarityPairSample(**values)
        for column in self._negatives:
            for negative in _listed(row[column]):
                yield SimilarityPairSample(**{**values, "obj_b": negative, "score": 0.0})


def _listed(value: Any) -> list[Any]:
    if value is None or (isinstance(value, str) and not value):
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _number(value: Any, place: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{place} has the score {value!r:.60}, which is not a number.") from None
