"""What is checked of a dataset."""

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
    """A dataset."""


DATASET_CHECKS: Final = Checks[DatasetSubject]("dataset")


def check_dataset(
    dataset: SplitDataset | Callable[[], SplitDataset],
    *,
    expected_failures: Mapping[str, str] | None = None,
) -> Report:
    """Check a dataset; all of its splits are loaded, several times.

    Args:
        dataset: A dataset, which is left as it is, or a function or class that builds one.
        expected_failures: Why a check fails that cannot be passed, by the name of the check.

    Returns:
        One result for each check of :data:`DATASET_CHECKS`.

    Raises:
        ValueError: There is no check of a name.

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
    """The dataset cannot be built from the arguments given, or not be copied.

    Give what its constructor needs, such as paths: `Example(arguments={...})` under the dataset's
    name in `examples`; or mend the constructor.
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
    """The splits are no tuple of different names.

    Return names such as `("train", "validation")`.
    """
    names = subject.fresh().splits
    if (
        not isinstance(names, tuple)
        or not names
        or not all(isinstance(name, str) and name for name in names)
        or len(set(names)) < len(names)
    ):
        raise CheckError(f"splits is {names!r:.80}, expected was a tuple of different names")


@DATASET_CHECKS.add
def samples(subject: DatasetSubject) -> None:
    """A split is empty, or holds other things than similarity samples of one kind.

    Return a list of `SimilarityPairSample` or of `SimilarityGroupSample`, of the same kind in all
    splits; groups and subgroups are strings, numbers or tuples of them, scores are finite.
    """
    dataset = subject.fresh()
    kinds = set()
    for split in dataset.splits:
        loaded = dataset.load(split)
        if not len(loaded):
            raise CheckError(f"the split {split!r} has no samples")
        kinds |= {_kind(sample) for sample in loaded}
        split_digest(dataset, split)  # raises for a group that has no identity
    if kinds not in ({SimilarityPairSample.__name__}, {SimilarityGroupSample.__name__}):
        raise CheckError(
            f"the samples are {', '.join(sorted(kinds))}, expected was either "
            "SimilarityPairSample or SimilarityGroupSample"
        )


@DATASET_CHECKS.add
def order(subject: DatasetSubject) -> None:
    """The samples, or their order, are others when a split is loaded again.

    Sort what comes from a set, a folder or a query; shuffle with a generator that has a seed.
    """
    dataset = subject.fresh()
    for split in dataset.splits:
        first = split_digest(dataset, split)
        for again, how in ((dataset, "a second time"), (subject.fresh(), "from another instance")):
            _require_equal(split_digest(again, split), first, split, how)


@DATASET_CHECKS.add
def other_process(subject: DatasetSubject) -> None:
    """The samples, or their order, are others in another process.

    Sort what comes from a set: its order changes with how Python hashes strings, which differs
    from one process to the next. Use no `hash()` of strings.
    """
    dataset = subject.fresh()
    require_importable(dataset)
    digests = process_pair().call(dataset_digests, [(dataset,)] * WORLD_SIZE)
    for split in dataset.splits:
        for found in digests:
            _require_equal(found[split], split_digest(dataset, split), split, "in another process")


@DATASET_CHECKS.add
def unknown_split(subject: DatasetSubject) -> None:
    """A split that there is not is not refused, or without saying which there are.

    Begin `load` with `self.check_split(split)`.
    """
    dataset = subject.fresh()
    try:
        dataset.load(_UNKNOWN_SPLIT)
    except ValueError as error:
        missing = [split for split in dataset.splits if split not in str(error)]
        if missing:
            raise CheckError(
                f"the error {str(error)!r:.120} does not name the split {missing[0]!r}"
            ) from error
    except Exception as error:
        raise CheckError(f"it raises {describe(error)}, expected was a ValueError") from error
    else:
        raise CheckError("it is loaded, expected was a ValueError")


@DATASET_CHECKS.add
def config_round_trip(subject: DatasetSubject) -> None:
    """The configuration does not build the same dataset again.

    Return every argument of the constructor from `get_config_dict()`, as JSON values; paths are
    strings.
    """
    dataset = subject.fresh()
    again = rebuilt(dataset)
    if again.splits != dataset.splits:
        raise CheckError(f"splits come back as {again.splits}, expected were {dataset.splits}")
    for split in dataset.splits:
        _require_equal(split_digest(again, split), split_digest(dataset, split), split, "rebuilt")


@DATASET_CHECKS.add
def picklable(subject: DatasetSubject) -> None:
    """The dataset or its samples cannot be pickled, as workers of a loader need.

    Keep no open file, no connection and no lambda; open what is needed in `load`.
    """
    dataset = subject.fresh()
    parts: dict[str, Any] = {"the dataset": dataset}
    parts |= {f"the first sample of {split!r}": dataset.load(split)[0] for split in dataset.splits}
    for what, part in parts.items():
        try:
            pickle.loads(pickle.dumps(part))
        except Exception as error:  # pickle raises all kinds
            raise CheckError(f"{what} cannot be pickled: {describe(error)}") from error


def _kind(sample: object) -> str:
    """Name the kind of a sample; a class derived from one of the two counts as that."""
    for kind in (SimilarityPairSample, SimilarityGroupSample):
        if isinstance(sample, kind):
            return kind.__name__
    return type(sample).__name__


def _require_equal(found: str, expected: str, split: str, how: str) -> None:
    if found != expected:
        raise CheckError(f"the samples of {split!r}, or their order, are others {how}")
