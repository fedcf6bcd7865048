"""Interface of registered datasets: named splits of similarity samples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from typing_extensions import Self

from quaterion_core.dataset.similarity_samples import SimilaritySample
from quaterion_core.plugins.nearest import unknown_name


class SplitDataset(ABC):
    """Base class of datasets that recipes and the command line refer to by name.

    Example:
        >>> from quaterion_core.dataset import SimilarityPairSample
        >>> class Opposites(SplitDataset):
        ...     @property
        ...     def splits(self): return ("train", "validation")
        ...     def load(self, split):
        ...         self.check_split(split)
        ...         return [SimilarityPairSample("hot", "cold", score=0.0)]
        >>> Opposites().load("train")[0].score
        0.0
        >>> Opposites().load("test")
        Traceback (most recent call last):
        ValueError: Opposites has no split 'test'. It has: train, validation.
    """

    @property
    @abstractmethod
    def splits(self) -> tuple[str, ...]:
        """Names of the splits: ``"train"`` and usually ``"validation"``, ``"test"``."""

    @abstractmethod
    def load(self, split: str) -> Sequence[SimilaritySample]:
        """Return the samples of a split, always in the same order.

        Raises:
            ValueError: There is no such split; see :meth:`check_split`.
        """

    def check_split(self, split: str) -> None:
        """Raise a ``ValueError`` that lists the splits if there is no split of this name."""
        if split not in self.splits:
            statement = f"{type(self).__name__} has no split"
            raise ValueError(unknown_name(statement, split, self.splits, known_as="It has"))

    def check_source(self, split: str) -> None:
        """Check that a split and its files exist, without reading them.

        By default only the name of the split is checked.

        Raises:
            ValueError: There is no such split.
            FileNotFoundError: A file or folder of the split does not exist.
        """
        self.check_split(split)

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this dataset, as JSON values; none by default."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Build a dataset from the result of :meth:`get_config_dict`."""
        return cls(**config)
