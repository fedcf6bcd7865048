"""Datasets of groups of texts with the names of the groups as further texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from quaterion_core.components import ComponentChoice, build_component
from quaterion_core.dataset import (
    GroupSimilarityDataLoader,
    SimilarityGroupSample,
    SplitDataset,
)


class NamedGroups(SplitDataset):
    """Dataset of groups of texts, with the name of each group as an additional text of it.

    A name that describes its group, such as ``lost_or_stolen_card``, is worth a sample, in
    particular if there are few samples.

    In a recipe::

        data:
          name: named-groups
          data: {name: csv, files: {train: intents.csv}, obj: text, group: intent}

    Args:
        data: A registered dataset of groups, as its name or as a mapping of name and arguments, or
            an object, which a configuration cannot contain.
        splits: Splits that get the names; by default the training split.

    Raises:
        MissingComponentError: The dataset is not registered.
        ValueError: The dataset has no split of ``splits``.

    Example:
        >>> class Intents(SplitDataset):
        ...     splits = ("train",)
        ...     def load(self, split):
        ...         return [SimilarityGroupSample("Where is it?", "card_arrival")]
        >>> NamedGroups(Intents()).load("train")
        [SimilarityGroupSample(obj='Where is it?', group='card_arrival'),
        SimilarityGroupSample(obj='card arrival', group='card_arrival')]
    """

    def __init__(self, data: ComponentChoice | SplitDataset, splits: Sequence[str] = ("train",)):
        self._data = data
        self._named = tuple(splits)
        self._dataset: SplitDataset = build_component("dataset", data)
        for split in self._named:
            self._dataset.check_split(split)

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits of the wrapped dataset."""
        return self._dataset.splits

    def check_source(self, split: str) -> None:
        """Check a split of the wrapped dataset."""
        self._dataset.check_source(split)

    def load(self, split: str) -> Sequence[Any]:
        """Return the samples of a split, followed by the names in the order of the groups.

        Underscores in names become spaces. Names without any other character are left out.

        Raises:
            ValueError: There is no such split, or an object or a group is missing.
            TypeError: A sample is not a group sample, or its group is not a string.
        """
        samples: Sequence[Any] = self._dataset.load(split)
        if split not in self._named:
            return samples
        GroupSimilarityDataLoader.check_samples(samples)
        names: dict[str, str] = {}
        for position, sample in enumerate(samples):
            if not isinstance(sample.group, str):
                raise TypeError(
                    "Expected the groups of all samples to be strings, but sample "
                    f"{position} of {type(self._dataset).__name__} is {sample!r:.100}."
                )
            names[sample.group] = sample.group.replace("_", " ").strip()
        return [
            *samples,
            *(SimilarityGroupSample(name, group) for group, name in names.items() if name),
        ]

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this dataset, as JSON values."""
        return {"data": self._data, "splits": list(self._named)}
