"""Data loaders of similarity samples."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Final, TypeVar, cast

import torch
from annotated_types import Ge
from torch.utils.data import DataLoader, Dataset, IterableDataset
from typing_extensions import Unpack

from quaterion_core.components import Argument, argument_faults, raise_faults
from quaterion_core.dataset.missing import is_missing, listed
from quaterion_core.dataset.object_digest import object_ids
from quaterion_core.dataset.similarity_samples import (
    SimilarityGroupSample,
    SimilarityPairSample,
    SimilaritySample,
)
from quaterion_core.dataset.sources import COLUMN_NAMES, Columns, samples_from
from quaterion_core.dataset.targets import score_tensor, subgroup_tensor, target_tensor
from quaterion_core.types import Targets
from quaterion_core.utils.items import items_of

_BATCH_SIZE: Final = 32
"""Batch size for data without a loader."""

SampleT = TypeVar("SampleT", bound=SimilaritySample)


_ARGUMENTS: Final = {
    "batch_size": Annotated[int, Ge(1)],
    "shuffle": bool,
    "num_workers": Annotated[int, Ge(0)],
    "pin_memory": bool,
    "drop_last": bool,
    "timeout": Annotated[float, Ge(0)],
    "prefetch_factor": Annotated[int, Ge(1)],
    "persistent_workers": bool,
}
"""Types and ranges of the arguments of PyTorch's loader."""


class SimilarityDataLoader(DataLoader[SampleT]):
    """Base class of data loaders of similarity samples.

    A :class:`torch.utils.data.DataLoader` that accepts all of its arguments. Datasets with
    ``__getitems__`` are read in whole batches. Iteration yields the raw objects and the targets of
    each batch. :meth:`Quaterion.fit <quaterion_core.Quaterion.fit>` does not change the loader: it
    derives one that also collates the objects for the encoders.

    Args:
        dataset: Samples, as a list or a map-style or iterable PyTorch dataset; or a table, list or
            dataset with the columns of samples, such as a pandas frame, as for
            :func:`~quaterion_core.dataset.samples_from`.
        **kwargs: Names of columns, such as ``obj_a="question"``, and arguments of
            :class:`torch.utils.data.DataLoader`. A ``collate_fn`` given here replaces
            :meth:`pre_collate_fn`: it gets a list of what the dataset yields and returns the raw
            objects and the targets.

    Raises:
        TypeError: ``dataset`` is a loader, can be read only once, or is not a dataset.
        ValueError: Columns do not exist or are not those of this loader's samples, or rows lack a
            value.
    """

    sample_type: ClassVar[type[Any]]
    required_fields: ClassVar[tuple[str, ...]] = ()

    def __init__(self, dataset: Dataset[SampleT] | Iterable[SampleT], **kwargs: Any):
        if isinstance(dataset, DataLoader):
            raise TypeError(
                f"Expected a dataset for {type(self).__name__}, got a {type(dataset).__name__}. "
                "Pass the dataset of that loader instead."
            )
        columns: Any = {name: kwargs.pop(name) for name in COLUMN_NAMES & kwargs.keys()}
        self._original_params = dict(kwargs)
        if columns or "collate_fn" not in kwargs:
            dataset = self._samples(dataset, columns)
        kwargs.setdefault("collate_fn", self.pre_collate_fn)
        _check_arguments(kwargs)
        try:
            super().__init__(cast("Dataset[SampleT]", dataset), **kwargs)
        except ValueError as error:
            message = str(error).rstrip(".")
            raise ValueError(f"The {type(self).__name__} cannot be built: {message}.") from error

    @classmethod
    def _samples(cls, data: Any, columns: Any) -> Any:
        if isinstance(data, Iterator):
            raise _read_once(data)
        return samples_from(data, sample_type=cls.sample_type, **columns)

    @property
    def original_params(self) -> dict[str, Any]:
        """Keyword arguments of this loader."""
        return dict(self._original_params)

    def with_collate(
        self, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]
    ) -> DataLoader[Any]:
        """Create a plain loader of the same dataset with another collate function.

        Args:
            wrap: Function that takes the collate function of this loader and returns the new one.
        """
        return DataLoader(
            self.dataset, **{**self._original_params, "collate_fn": wrap(self.collate_fn)}
        )

    @classmethod
    def pre_collate_fn(cls, batch: list[SampleT]) -> tuple[list[Any], Targets]:
        """Split samples into N raw objects and the targets of a loss.

        In addition to the result of :meth:`collate_labels`, the targets contain ``objects``, shape
        (N,), int64: the ids of the objects, which are equal for equal content.

        Raises:
            TypeError: A sample is not of this loader's type.
        """
        cls.check_samples(batch)
        objects, _ = cls.flatten_objects(batch, list(range(len(batch))))
        return objects, {"objects": object_ids(objects), **cls.collate_labels(batch)}

    @classmethod
    def check_samples(cls, samples: Iterable[Any]) -> None:
        """Raise an error if samples are of another type, or lack an object or a group.

        Raises:
            TypeError: A sample is not of this loader's type.
            ValueError: An object or a group is ``None``, NaN or a blank text.
        """
        faults = []
        count = 0
        for position, sample in enumerate(samples):
            if not isinstance(sample, cls.sample_type):
                raise TypeError(_wrong_sample(cls, sample, position))
            count += 1
            faults += [
                f"sample {position} has the {field} {getattr(sample, field)!r:.60}"
                for field in cls.required_fields
                if is_missing(getattr(sample, field))
            ]
        if faults:
            values = "value" if len(faults) == 1 else "values"
            raise ValueError(
                f"Expected {' and '.join(cls.required_fields)} for every sample, got "
                f"{len(faults):,} missing {values} in {count:,} samples: "
                f"{listed(faults, len(faults))}. Leave these samples out."
            )

    @classmethod
    def collate_labels(cls, batch: list[SampleT]) -> Targets:
        """Return the targets of a list of samples."""
        return cls.batch_targets(cls.sample_targets(batch))

    @classmethod
    @abstractmethod
    def sample_targets(cls, samples: list[SampleT]) -> Targets:
        """Return the targets of samples, as tensors with one row per sample."""

    @classmethod
    @abstractmethod
    def batch_targets(cls, sample_targets: Targets) -> Targets:
        """Convert the rows of :meth:`sample_targets` that form a batch into targets of a loss."""

    @classmethod
    @abstractmethod
    def flatten_objects(
        cls, batch: list[SampleT], hash_ids: list[int]
    ) -> tuple[list[Any], list[int]]:
        """Return the raw objects of a list of samples, and a number for each.

        Args:
            batch: B samples.
            hash_ids: A number for each sample.

        Returns:
            N raw objects in the order of the targets, and N numbers, which differ where the
            samples' numbers differ.
        """


class PairsSimilarityDataLoader(SimilarityDataLoader[SimilarityPairSample]):
    """Data loader of :class:`~quaterion_core.dataset.SimilarityPairSample`, for pairwise losses.

    A batch of B samples has N = 2B objects, first all ``obj_a``, then all ``obj_b``.

    Example:
        >>> loader = PairsSimilarityDataLoader(
        ...     [SimilarityPairSample("lemon", "lime"), SimilarityPairSample("lime", "bread", 0.0)],
        ...     batch_size=2,
        ... )
        >>> objects, targets = next(iter(loader))
        >>> objects
        ['lemon', 'lime', 'lime', 'bread']
        >>> targets["pairs"].tolist(), targets["labels"].tolist()
        ([[0, 2], [1, 3]], [1.0, 0.0])
    """

    sample_type = SimilarityPairSample
    required_fields = ("obj_a", "obj_b")

    @classmethod
    def sample_targets(cls, samples: list[SimilarityPairSample]) -> Targets:
        """Return ``labels`` (B,) float32 and ``subgroups`` (B,) int64.

        Other targets of the objects are added under their own names, with shape (B, 2, ...).
        """
        targets = {
            "labels": score_tensor([sample.score for sample in samples]),
            "subgroups": subgroup_tensor(sample.subgroup for sample in samples),
        }
        if samples and samples[0].object_targets():
            told = [sample.object_targets() for sample in samples]
            targets.update({name: torch.stack([of[name] for of in told]) for name in told[0]})
        return targets

    @classmethod
    def batch_targets(cls, sample_targets: Targets) -> Targets:
        """Return ``pairs`` (B, 2) int64, ``labels`` (B,) float32 and ``subgroups`` (2B,) int64.

        Other targets of the objects are added under their own names, with shape (2B, ...).
        """
        told = dict(sample_targets)
        labels, subgroups = told.pop("labels"), told.pop("subgroups")
        first = torch.arange(len(labels))
        return {
            "pairs": torch.stack((first, first + len(first)), dim=1),
            "labels": labels,
            "subgroups": subgroups.repeat(2),
            **{name: values.transpose(0, 1).flatten(0, 1) for name, values in told.items()},
        }

    @classmethod
    def flatten_objects(
        cls, batch: list[SimilarityPairSample], hash_ids: list[int]
    ) -> tuple[list[Any], list[int]]:
        """Return all ``obj_a``, then all ``obj_b``; the latter get the numbers ``-id - 1``."""
        objects = [sample.obj_a for sample in batch] + [sample.obj_b for sample in batch]
        return objects, [*hash_ids, *(-number - 1 for number in hash_ids)]


class GroupSimilarityDataLoader(SimilarityDataLoader[SimilarityGroupSample]):
    """Data loader of :class:`~quaterion_core.dataset.SimilarityGroupSample`, for group losses.

    Example:
        >>> loader = GroupSimilarityDataLoader(
        ...     [SimilarityGroupSample("elon.jpg", 555), SimilarityGroupSample("nimoy.jpg", 209)],
        ...     batch_size=2,
        ... )
        >>> objects, targets = next(iter(loader))
        >>> objects, targets["groups"]
        (['elon.jpg', 'nimoy.jpg'], tensor([555, 209]))
    """

    sample_type = SimilarityGroupSample
    required_fields = ("obj", "group")

    @classmethod
    def sample_targets(cls, samples: list[SimilarityGroupSample]) -> Targets:
        """Return ``groups`` (B,) int64."""
        return {"groups": target_tensor(sample.group for sample in samples)}

    @classmethod
    def batch_targets(cls, sample_targets: Targets) -> Targets:
        """Return ``groups`` (B,) int64."""
        return sample_targets

    @classmethod
    def flatten_objects(
        cls, batch: list[SimilarityGroupSample], hash_ids: list[int]
    ) -> tuple[list[Any], list[int]]:
        """Return the object of each sample, and the numbers as given."""
        return [sample.obj for sample in batch], list(hash_ids)


def as_loader(data: Any, *, shuffle: bool, **columns: Unpack[Columns]) -> Any:
    """Return data as a loader with batches of 32 samples; a loader is returned as it is.

    Args:
        data: A loader, or data as for :func:`~quaterion_core.dataset.samples_from`.
        shuffle: Whether to draw the samples in random order; a stream decides itself.
        **columns: Names of columns of the data, as for
            :func:`~quaterion_core.dataset.samples_from`.

    Raises:
        TypeError: It is no data, or holds no similarity samples, or can be read only once; or
            columns are named for a loader.
        ValueError: There are no samples.

    Example:
        >>> rows = [{"anchor": "lemon", "positive": "lime"}, {"anchor": "rye", "positive": "oat"}]
        >>> type(as_loader(rows, shuffle=True)).__name__
        'PairsSimilarityDataLoader'
    """
    if isinstance(data, DataLoader):
        if columns:
            raise TypeError(
                f"Expected data to read the columns {', '.join(columns)} of, got a "
                f"{type(data).__name__}, which makes samples itself. Name the columns when you "
                "make the loader, or pass the data."
            )
        return data
    if isinstance(data, Iterator):
        raise _read_once(data)
    samples = samples_from(data, **columns)
    first = next(iter(items_of(samples)), None)
    if first is None:
        raise ValueError(f"Expected samples, got an empty {type(data).__name__}.")
    is_stream = isinstance(samples, IterableDataset)
    order = {} if is_stream else {"shuffle": shuffle}
    return loader_for(first)(samples, batch_size=_BATCH_SIZE, **order)


def _read_once(data: Any) -> TypeError:
    return TypeError(
        f"Expected data that can be read again in each epoch, got a {type(data).__name__}, which "
        "can be read once. Pass list(data), or an IterableDataset."
    )


def loader_for(sample: object) -> type[SimilarityDataLoader[Any]]:
    """Return the loader class for samples of this type.

    Raises:
        TypeError: ``sample`` is not a similarity sample.

    Example:
        >>> loader_for(SimilarityGroupSample("a", 1)).__name__
        'GroupSimilarityDataLoader'
    """
    for loader in (PairsSimilarityDataLoader, GroupSimilarityDataLoader):
        if isinstance(sample, loader.sample_type):
            return loader
    raise TypeError(
        f"Expected samples of type SimilarityPairSample or SimilarityGroupSample, got "
        f"{_brief(sample)} of type {type(sample).__name__}. Wrap each object in one of these, or "
        "name what dictionaries or tuples hold: samples_from(data, obj_a='question', "
        "obj_b='answer') for pairs, samples_from(data, obj=0, group=1) for groups."
    )


def _wrong_sample(loader: type[SimilarityDataLoader[Any]], sample: object, position: int) -> str:
    expected = loader.sample_type.__name__
    message = (
        f"{loader.__name__} takes {expected}, but sample {position} of the batch is "
        f"{_brief(sample)} of type {type(sample).__name__}. "
    )
    if isinstance(sample, (SimilarityPairSample, SimilarityGroupSample)):
        return message + (
            f"Use {loader_for(sample).__name__} for such samples, and do not mix pairs and groups "
            "in one dataset."
        )
    return message + (
        "Let the dataset yield similarity samples, or name what its dictionaries or tuples hold: "
        "obj_a='question', obj_b='answer' or obj_a=0, obj_b=1 for pairs, obj=..., group=... for "
        "groups."
    )


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _check_arguments(given: Mapping[str, Any]) -> None:
    """Check arguments of a loader, whose wrong types PyTorch reports late or in its own terms.

    Raises:
        TypeError: The first wrong value is of the wrong type; the message lists all of them.
        ValueError: The first wrong value is out of range.
    """
    plain = {
        name: value for name, value in given.items() if isinstance(value, (bool, int, float, str))
    }
    known = {name: Argument(name, annotation, None) for name, annotation in _ARGUMENTS.items()}
    chosen = {name: value for name, value in plain.items() if name in known}
    raise_faults("The data loader", argument_faults("The data loader", known, chosen))
