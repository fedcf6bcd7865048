"""Conformance checks for datasets."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from typing import Any, Final

from quaterion_core.dataset import (
    SimilarityGroupSample,
    SimilarityPairSample,
    SplitDataset,
)
from quaterion_core.plugins.loading import describe
from quaterion_core.testing.checks import CheckError, Checks
from quaterion_core.testing.comparing import rebuilt, require_interface
from quaterion_core.testing.dataset_digest import split_digest
from quaterion_core.testing.processes import WORLD_SIZE, process_pair, require_importable
from quaterion_core.testing.report import Report
from quaterion_core.testing.subject import Example, Subject, subject_of
from quaterion_core.testing.two_processes import dataset_digests

_UNKNOWN_SPLIT: Final = "no-such-split"


class DatasetSubject(Subject[SplitDataset]):
    """A dataset under test."""


DATASET_CHECKS: Final = Checks[DatasetSubject]("dataset")


def check_dataset(
    dataset: SplitDataset | Callable[[], SplitDataset],
    *,
    expected_failures: Mapping[str, str] | None = None,
) -> Report:
    """Check a dataset. All splits are loaded several times.

    Args:
        dataset: A dataset, which is not modified, or a function or class that builds one.
        expected_failures: Reasons for checks that are expected to fail, keyed by their names.

    Returns:
        A report with one result per check in :data:`DATASET_CHECKS`.

    Raises:
        ValueError: If ``expected_failures`` names an unknown check.

    Example:
        >>> class Opposites(SplitDataset):
        ...     splits = ("train",)
        ...     def load(self, split):
        ...         self.check_split(split)
        ...         return [SimilarityPairSample("hot", "cold", score=0.0)]
        >>> print(check_dataset(Opposites())["samples"])
        samples: passed
    """
    subject = subject_of(dataset, SplitDataset, Example(), DatasetSubject)
    return DATASET_CHECKS.run(subject, subject.name, expected_failures)


@DATASET_CHECKS.add
def construction(subject: DatasetSubject) -> None:
    """The dataset cannot be built from the arguments given, or cannot be copied.

    Pass the arguments that its constructor requires, such as paths: `Example(arguments={...})`
    under the dataset's name in `examples`; or fix the constructor.
    """
    subject.built()


@DATASET_CHECKS.add
def interface(subject: DatasetSubject) -> None:
    """The class is not derived from `SplitDataset`.

    Derive from `quaterion_core.dataset.SplitDataset`.
    """
    require_interface(subject.fresh(), SplitDataset)


@DATASET_CHECKS.add
def splits(subject: DatasetSubject) -> None:
    """`splits` is not a tuple of distinct names.

    Return names such as `("train", "validation")`.
    """
    names = subject.fresh().splits
    if (
        not isinstance(names, tuple)
        or not names
        or not all(isinstance(name, str) and name for name in names)
        or len(set(names)) < len(names)
    ):
        raise CheckError(f"splits: expected a tuple of distinct names, got {names!r:.80}")


@DATASET_CHECKS.add
def samples(subject: DatasetSubject) -> None:
    """A split is empty, or contains anything but similarity samples of one kind.

    Return a list of either `SimilarityPairSample` or `SimilarityGroupSample`, the same in all
    splits. Groups and subgroups are strings, numbers or tuples of these; scores are finite.
    """
    dataset = subject.fresh()
    kinds = set()
    for split in dataset.splits:
        loaded = dataset.load(split)
        if not len(loaded):
            raise CheckError(f"the split {split!r}: expected samples, got none")
        kinds |= {_kind(sample) for sample in loaded}
        split_digest(dataset, split)  # raises an error for a group without a stable id
    if kinds not in ({SimilarityPairSample.__name__}, {SimilarityGroupSample.__name__}):
        raise CheckError(
            "expected samples of either SimilarityPairSample or SimilarityGroupSample, got "
            f"{', '.join(sorted(kinds))}"
        )


@DATASET_CHECKS.add
def order(subject: DatasetSubject) -> None:
    """Loading a split again changes the samples or their order.

    Sort what is read from a set, a folder or a query, and shuffle with a seeded generator.
    """
    dataset = subject.fresh()
    for split in dataset.splits:
        first = split_digest(dataset, split)
        for again, how in (
            (dataset, "when loaded again"),
            (subject.fresh(), "in another instance"),
        ):
            _require_equal(split_digest(again, split), first, split, how)


@DATASET_CHECKS.add
def other_process(subject: DatasetSubject) -> None:
    """The samples or their order change from process to process.

    Sort what is read from a set, since its order depends on the hashes of strings, which differ
    between processes. Do not use `hash()` on strings.
    """
    dataset = subject.fresh()
    require_importable(dataset)
    digests = process_pair().call(dataset_digests, [(dataset,)] * WORLD_SIZE)
    for split in dataset.splits:
        for found in digests:
            _require_equal(found[split], split_digest(dataset, split), split, "in another process")


@DATASET_CHECKS.add
def unknown_split(subject: DatasetSubject) -> None:
    """An unknown split does not raise a `ValueError` that lists the available splits.

    Begin `load` with `self.check_split(split)`.
    """
    dataset = subject.fresh()
    try:
        dataset.load(_UNKNOWN_SPLIT)
    except ValueError as error:
        missing = [split for split in dataset.splits if split not in str(error)]
        if missing:
            raise CheckError(
                f"expected an error that lists the splits, but {str(error)!r:.120} lacks "
                f"{missing[0]!r}"
            ) from error
    except Exception as error:
        raise CheckError(
            f"an unknown split: expected a ValueError, got {describe(error)}"
        ) from error
    else:
        raise CheckError("an unknown split: expected a ValueError, but samples were returned")


@DATASET_CHECKS.add
def config_round_trip(subject: DatasetSubject) -> None:
    """The configuration does not restore the dataset.

    Return every constructor argument from `get_config_dict()` as a JSON value, with paths as
    strings.
    """
    dataset = subject.fresh()
    again = rebuilt(dataset)
    if again.splits != dataset.splits:
        raise CheckError(
            f"splits after a round trip: expected {dataset.splits}, got {again.splits}"
        )
    for split in dataset.splits:
        _require_equal(
            split_digest(again, split), split_digest(dataset, split), split, "after a round trip"
        )


@DATASET_CHECKS.add
def picklable(subject: DatasetSubject) -> None:
    """The dataset or its samples cannot be pickled, as loader workers require.

    Do not keep open files, connections or lambdas; open resources in `load`.
    """
    dataset = subject.fresh()
    parts: dict[str, Any] = {"the dataset": dataset}
    parts |= {f"the first sample of {split!r}": dataset.load(split)[0] for split in dataset.splits}
    for what, part in parts.items():
        try:
            pickle.loads(pickle.dumps(part))
        except Exception as error:  # pickle raises many types
            raise CheckError(f"{what} cannot be pickled: {describe(error)}") from error


def _kind(sample: object) -> str:
    """Return the name of a sample's kind; subclasses count as their base class."""
    for kind in (SimilarityPairSample, SimilarityGroupSample):
        if isinstance(sample, kind):
            return kind.__name__
    return type(sample).__name__


def _require_equal(found: str, expected: str, split: str, how: str) -> None:
    if found != expected:
        raise CheckError(
            f"expected the same samples in the same order in the split {split!r} {how}"
        )
