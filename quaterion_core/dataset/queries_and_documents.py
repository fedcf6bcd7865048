"""Dataset of pairs of queries and documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from quaterion_core.components import ComponentChoice, build_component
from quaterion_core.dataset.similarity_samples import SimilarityPairSample
from quaterion_core.dataset.split_dataset import SplitDataset
from quaterion_core.dataset.text_roles import with_roles
from quaterion_core.plugins import registry


class QueriesAndDocuments(SplitDataset):
    """Dataset of pairs that marks first objects as queries and second objects as documents.

    For encoders that treat the two differently, for example with different prompts. In a recipe::

        data:
          name: queries-and-documents
          data: {name: jsonl, files: {train: faq.jsonl}, obj_a: question, obj_b: answer}

    Args:
        data: A registered dataset of pairs, as its name or as a mapping of name and arguments, or a
            dataset object.

    Raises:
        MissingComponentError: The dataset is not registered.

    Example:
        >>> class Questions(SplitDataset):
        ...     splits = ("train",)
        ...     def load(self, split): return [SimilarityPairSample("Is it free?", "Yes.")]
        >>> QueriesAndDocuments(Questions()).load("train")[0].obj_a
        Query('Is it free?')
    """

    component_arguments: ClassVar[Mapping[str, str]] = {"data": "dataset"}

    def __init__(self, data: ComponentChoice | SplitDataset):
        self._dataset: SplitDataset = build_component("dataset", data)

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits of the wrapped dataset."""
        return self._dataset.splits

    def check_source(self, split: str) -> None:
        """Check a split of the wrapped dataset."""
        self._dataset.check_source(split)

    def load(self, split: str) -> list[SimilarityPairSample]:
        """Return the samples of a split, with plain strings as queries and documents.

        Raises:
            ValueError: There is no such split.
            TypeError: A sample is not a pair.
        """
        return with_roles(self._dataset.load(split))  # type: ignore[arg-type]  # it checks them

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this dataset, as JSON values.

        Raises:
            NotImplementedError: The wrapped dataset is not registered.
        """
        name = registry.id_of("dataset", type(self._dataset))
        if name is None:
            raise NotImplementedError(
                f"{type(self._dataset).__name__} is not registered, so a configuration cannot name "
                "it. Register it with quaterion_core.plugins.register_dataset."
            )
        return {"data": {"name": name, **self._dataset.get_config_dict()}}
