"""Columns of a table that form samples."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Final, TypeAlias

from typing_extensions import Self

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

Column: TypeAlias = str | int
"""The name of a column, or its position in a tuple."""

_NEGATIVE: Final = re.compile(r"(?:negatives?|neg)(?:_?\d+)?")
"""Usual names of columns of hard negatives."""

_MOST_KEPT: Final = 10
"""Maximum number of faults listed in a message."""

_TRUTHS: Final = {"true": 1.0, "false": 0.0}
"""Common spellings of whether the objects of a pair are similar."""


class SampleColumns:
    """The columns of either pairs or group samples, by name.

    Args:
        obj_a: Column of a pair's first object, the anchor; for retrieval, the query.
        obj_b: Column of a pair's second object, the positive.
        negatives: Column or columns of hard negatives of ``obj_a``. A value is an object or a list
            of objects; a missing value or an empty list is none. Each hard negative adds a pair
            with score 0 and the subgroup of its row.
        score: Column of a pair's score; by default every pair has score 1.
        subgroup: Column of a pair's subgroup.
        obj: Column of a group sample's object.
        group: Column of a group sample's group.
        score_range: Lowest and highest score of the data, such as ``[0, 5]``, which are mapped to 0
            and 1. By default, scores are unchanged.

    Missing values are ``null``, NaN and blank strings. A missing subgroup becomes ``None``; a
    missing object, group or score is an error.

    Raises:
        ValueError: The columns describe neither pairs nor group samples, or both; or
            ``score_range`` is not a valid range, or is given without a column of scores.

    Example:
        >>> columns = SampleColumns(obj_a="q", obj_b="a", negatives=["wrong"])
        >>> row = {"q": "Is it free?", "a": "Yes.", "wrong": ["In May.", "Bread."]}
        >>> [(sample.obj_b, sample.score) for sample in columns.samples(row, "line 1")]
        [('Yes.', 1.0), ('In May.', 0.0), ('Bread.', 0.0)]
    """

    def __init__(
        self,
        obj_a: Column | None = None,
        obj_b: Column | None = None,
        negatives: Column | Sequence[Column] | None = None,
        score: Column | None = None,
        subgroup: Column | None = None,
        obj: Column | None = None,
        group: Column | None = None,
        score_range: Sequence[float] | None = None,
    ):
        self._score_range = _range(score_range, score)
        pair = {"obj_a": obj_a, "obj_b": obj_b, "score": score, "subgroup": subgroup}
        single = {"obj": obj, "group": group}
        self._pair = {field: column for field, column in pair.items() if column is not None}
        self._single = {field: column for field, column in single.items() if column is not None}
        self._negatives: list[Column] = (
            [negatives] if isinstance(negatives, (str, int)) else list(negatives or [])
        )
        of_pair = [*self._pair, *(["negatives"] if self._negatives else [])]
        if of_pair and not self._single and {"obj_a", "obj_b"} <= self._pair.keys():
            return
        if self._single.keys() == {"obj", "group"} and not of_pair:
            return
        raise ValueError(
            "Expected the columns of pairs (obj_a and obj_b, optionally negatives, score and "
            "subgroup) or of group samples (obj and group), got: "
            f"{', '.join([*of_pair, *self._single]) or 'none'}."
        )

    @classmethod
    def recognised(cls, names: Collection[Any], place: str) -> Self:
        """Recognise columns by their names, for a table whose columns the user did not name.

        Pairs have ``obj_a`` and ``obj_b``, or ``anchor`` and ``positive``, and optionally
        ``score``, ``subgroup``, ``negative``, ``negatives``, ``negative_1``, and so on. Group
        samples have ``obj`` and ``group``.

        Args:
            names: The columns of the table.
            place: Name of the table for the error, such as ``"The DataFrame"``.

        Raises:
            ValueError: The names match neither pairs nor group samples, or both.

        Example:
            >>> SampleColumns.recognised(["anchor", "positive", "negative"], "a.csv").names
            ['anchor', 'positive', 'negative']
        """
        pairs = [
            (first, second)
            for first, second in (("obj_a", "obj_b"), ("anchor", "positive"))
            if first in names and second in names
        ]
        groups = "obj" in names and "group" in names
        if len(pairs) + groups == 1:
            if groups:
                return cls(obj="obj", group="group")
            ((first, second),) = pairs
            return cls(
                obj_a=first,
                obj_b=second,
                negatives=[n for n in names if isinstance(n, str) and _NEGATIVE.fullmatch(n)],
                score="score" if "score" in names else None,
                subgroup="subgroup" if "subgroup" in names else None,
            )
        given = list(names)
        first, second = (*given, "question", "answer")[:2] if len(given) > 1 else ("q", "a")
        raise ValueError(
            f"The columns of {place[:1].lower()}{place[1:]} are {', '.join(map(repr, given))}. Say "
            f"which of them make a sample: obj_a={first!r}, obj_b={second!r} for pairs, or "
            f"obj={first!r}, group={second!r} for groups, as arguments of a data loader or of "
            "samples_from()."
        )

    @property
    def sample_type(self) -> type[SimilarityPairSample] | type[SimilarityGroupSample]:
        """The kind of sample that the columns make."""
        return SimilarityPairSample if self._pair else SimilarityGroupSample

    @property
    def negatives(self) -> list[Column]:
        """The columns of hard negatives."""
        return list(self._negatives)

    def count_negatives(self, row: Mapping[Any, Any]) -> int:
        """Return how many hard negatives a row has."""
        return sum(len(_listed(row[column])) for column in self._negatives)

    @cached_property
    def names(self) -> list[Any]:
        """The columns that are needed, each once."""
        return list(dict.fromkeys([*(self._pair or self._single).values(), *self._negatives]))

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that name these columns."""
        negatives = {"negatives": self._negatives} if self._negatives else {}
        scores = {"score_range": list(self._score_range)} if self._score_range else {}
        return {**self._pair, **negatives, **self._single, **scores}

    def check(self, present: Collection[Any], place: str) -> None:
        """Raise an error if a table, or a row of one, lacks a column.

        Args:
            present: The columns of the table.
            place: Name of the table for the error.

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
        samples, faults = self._sorted_out(rows)
        if faults.count:
            raise ValueError(f"{faults}.")
        return samples

    def read_sound(self, rows: Iterable[tuple[str, Row]], source: str) -> list[SimilaritySample]:
        """Return the samples of all valid rows; a warning counts the faulty ones.

        Args:
            rows: The place of each row, for the warning, and its values by column.
            source: Origin of the rows, for the warning.

        Raises:
            ValueError: All rows are faulty.
        """
        samples, faults = self._sorted_out(rows)
        _warn_of_skipped(faults, source)
        return samples

    def iterate(self, rows: Iterable[tuple[str, Row]]) -> Iterator[SimilaritySample]:
        """Yield the samples of rows that are read one after another.

        Raises:
            ValueError: A row is faulty.
        """
        for place, row in rows:
            fault = self._fault(row)
            if fault is not None:
                raise ValueError(f"{place} {fault}.")
            yield from self._samples(row)

    def iterate_sound(
        self, rows: Iterable[tuple[str, Row]], source: str
    ) -> Iterator[SimilaritySample]:
        """Yield the samples of all valid rows; at the end, a warning counts the faulty ones."""
        faults = _Faults()
        for place, row in rows:
            fault = self._fault(row)
            faults.add(place, fault)
            if fault is None:
                yield from self._samples(row)
        _warn_of_skipped(faults, source)

    def _sorted_out(
        self, rows: Iterable[tuple[str, Row]]
    ) -> tuple[list[SimilaritySample], _Faults]:
        samples: list[SimilaritySample] = []
        faults = _Faults()
        for place, row in rows:
            fault = self._fault(row)
            faults.add(place, fault)
            if fault is None:
                samples += self._samples(row)
        return samples, faults

    def samples(self, row: Mapping[Any, Any], place: str) -> Iterator[SimilaritySample]:
        """Yield the samples of a row: one, and for a pair one more for each hard negative.

        Args:
            row: The values by column.
            place: Where the row is, for errors.

        Raises:
            ValueError: A column or a value is missing, or a score is not a number.
        """
        fault = self._fault(row)
        if fault is not None:
            raise ValueError(f"{place} {fault}.")
        yield from self._samples(row)

    def _fault(self, row: Row) -> str | None:
        """Return what is wrong with a row, or None."""
        if isinstance(row, ValueError):
            return str(row)
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

    def _samples(self, row: Row) -> Iterator[SimilaritySample]:
        assert not isinstance(row, ValueError)
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


class _Faults:
    """Number of faulty rows, with descriptions of the first ones.

    Attributes:
        count: Number of faulty rows.
        total: Number of all rows.
    """

    def __init__(self) -> None:
        self.count = self.total = 0
        self._first: list[str] = []

    def add(self, place: str, fault: str | None) -> None:
        """Count a row, with its fault if it has one."""
        self.total += 1
        if fault is None:
            return
        self.count += 1
        if len(self._first) < _MOST_KEPT:
            self._first.append(f"{place} {fault}")

    def __str__(self) -> str:
        of = f" ({self.count:,} of {self.total:,} rows)" if self.count > 1 else ""
        return f"{listed(self._first, self.count)}{of}"


def _warn_of_skipped(faults: _Faults, source: str) -> None:
    """Warn about skipped rows; raise an error if no row is left."""
    if not faults.count:
        return
    if faults.count == faults.total:
        raise ValueError(f"No row of {source} is left: {faults}.")
    warnings.warn(
        f"{faults.count:,} of {faults.total:,} rows of {source} are left out: {faults}.",
        stacklevel=2,
    )


def _range(given: Sequence[float] | None, column: Column | None) -> tuple[float, float] | None:
    if given is None:
        return None
    if column is None:
        raise ValueError("Expected a column of scores for score_range. Name it with score=...")
    if (
        isinstance(given, str)
        or len(given) != 2
        or not all(is_score(end) for end in given)
        or given[0] >= given[1]
    ):
        raise ValueError(
            f"Expected score_range to be the lowest and the highest score, such as [0, 5], got "
            f"{given!r}."
        )
    return float(given[0]), float(given[1])


def _listed(value: Any) -> list[Any]:
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    return [item for item in values if not is_missing(item)]


def _number(value: Any) -> float | None:
    """Return a score, which may be a string, as a number, or None if it is not finite."""
    if isinstance(value, str):
        try:
            value = float(_TRUTHS.get(value.strip().lower(), value))
        except ValueError:
            return None
    return float(value) if is_score(value) else None
