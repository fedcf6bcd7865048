"""Which columns of a table make a sample."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from quaterion_core.dataset.missing import is_missing, listed
from quaterion_core.dataset.similarity_samples import (
    SimilarityGroupSample,
    SimilarityPairSample,
    SimilaritySample,
)
from quaterion_core.dataset.targets import is_score
from quaterion_core.plugins.nearest import unknown_name

Row: TypeAlias = Mapping[Any, Any] | ValueError
"""The values of a row by column, or why the row is not readable, as the rest of a sentence."""

_TRUTHS: Final = {"true": 1.0, "false": 0.0}
"""How many tables write whether the objects of a pair are similar."""


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
        score_range: The lowest and the highest score of the data, such as ``[0, 5]``; they become
            0 and 1. By default scores stay as they are.

    A value is missing where it is ``null``, NaN, or a text of nothing but whitespace. A missing
    subgroup states nothing, as ``None`` does; a missing object, group or score is an error.

    Raises:
        ValueError: The columns name neither a pair nor a group sample, or both; or ``score_range``
            is no range, or there is no column of scores.

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
        score_range: Sequence[float] | None = None,
    ):
        self._score_range = _range(score_range, score)
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
        scores = {"score_range": list(self._score_range)} if self._score_range else {}
        return {**self._pair, **negatives, **self._single, **scores}

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

    def read(self, rows: Iterable[tuple[str, Row]]) -> list[SimilaritySample]:
        """Return the samples of all rows.

        Args:
            rows: The place of each row, for errors, and the row.

        Raises:
            ValueError: Some rows are not readable, lack a value or have an invalid score. The
                message counts them and lists the first ones.

        Example:
            >>> rows = [("line 2", {"q": "Free?", "a": ""}), ("line 3", {"q": " ", "a": "No"})]
            >>> SampleColumns(obj_a="q", obj_b="a").read(rows)
            Traceback (most recent call last):
            ValueError: line 2 has no value for 'a'; line 3 has no value for 'q' (2 of 2 rows).
        """
        samples: list[SimilaritySample] = []
        faults: list[str] = []
        count = 0
        for place, row in rows:
            count += 1
            if isinstance(row, ValueError):
                faults.append(f"{place} {row}")
            elif (fault := self._fault(row)) is not None:
                faults.append(f"{place} {fault}")
            else:
                samples += self._samples(row)
        if faults:
            total = f" ({len(faults):,} of {count:,} rows)" if len(faults) > 1 else ""
            raise ValueError(f"{listed(faults, len(faults))}{total}.")
        return samples

    def samples(self, row: Mapping[str, Any], place: str) -> Iterator[SimilaritySample]:
        """Yield the samples of a row: one, and for a pair one more for each hard negative.

        Args:
            row: The values by column.
            place: Where the row is, for errors.

        Raises:
            ValueError: A column or a value is missing, or a score is no number.
        """
        fault = self._fault(row)
        if fault is not None:
            raise ValueError(f"{place} {fault}.")
        yield from self._samples(row)

    def _fault(self, row: Mapping[str, Any]) -> str | None:
        """Say what is wrong with a row, if anything is."""
        columns = self._pair or self._single
        absent = [name for name in self.names if name not in row]
        if absent:
            fault = unknown_name("has no column", absent[0], row, known_as="Its columns", show=repr)
            return fault.removesuffix(".")
        missing = [
            column
            for field, column in columns.items()
            if field != "subgroup" and is_missing(row[column])
        ]
        if missing:
            return f"has no value for {', '.join(map(repr, missing))}"
        if "score" not in columns:
            return None
        given = row[columns["score"]]
        score = _number(given)
        if score is None:
            return f"has the score {given!r:.60}, which is not a finite number"
        if self._score_range and not self._score_range[0] <= score <= self._score_range[1]:
            low, high = self._score_range
            return f"has the score {score:g}, outside of the score_range [{low:g}, {high:g}]"
        return None

    def _samples(self, row: Mapping[str, Any]) -> Iterator[SimilaritySample]:
        columns = self._pair or self._single
        values = {field: row[column] for field, column in columns.items()}
        if self._single:
            yield SimilarityGroupSample(**values)
            return
        if is_missing(values.get("subgroup")):
            values["subgroup"] = None
        if "score" in values:
            score = _number(values["score"])
            assert score is not None
            values["score"] = self._scaled(score)
        yield SimilarityPairSample(**values)
        for column in self._negatives:
            for negative in _listed(row[column]):
                yield SimilarityPairSample(**{**values, "obj_b": negative, "score": 0.0})

    def _scaled(self, score: float) -> float:
        if self._score_range is None:
            return score
        low, high = self._score_range
        return (score - low) / (high - low)


def _range(given: Sequence[float] | None, column: str | None) -> tuple[float, float] | None:
    if given is None:
        return None
    if column is None:
        raise ValueError("score_range maps the scores of a column. Name it with score=...")
    if (
        isinstance(given, str)
        or len(given) != 2
        or not all(is_score(end) for end in given)
        or given[0] >= given[1]
    ):
        raise ValueError(
            f"Expected score_range as the lowest and the highest score, such as [0, 5], got "
            f"{given!r}."
        )
    return float(given[0]), float(given[1])


def _listed(value: Any) -> list[Any]:
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    return [item for item in values if not is_missing(item)]


def _number(value: Any) -> float | None:
    """Return a score as a number, also from a text; None if it is not a finite one."""
    if isinstance(value, str):
        try:
            value = float(_TRUTHS.get(value.strip().lower(), value))
        except ValueError:
            return None
    return float(value) if is_score(value) else None
