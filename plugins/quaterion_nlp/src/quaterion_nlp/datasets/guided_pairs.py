"""Datasets of pairs with the embeddings of a guide model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from quaterion_core import SimilarityModel
from quaterion_core.components import ComponentChoice, build_component
from quaterion_core.dataset import (
    PairsSimilarityDataLoader,
    SimilarityPairSample,
    SplitDataset,
)
from quaterion_core.dataset.distinct_objects import DistinctObjects
from quaterion_core.dataset.object_digest import object_digests
from quaterion_core.encoders import Encoder
from quaterion_core.heads import EmptyHead


@dataclass(slots=True)
class GuidedPairSample(SimilarityPairSample):
    """Pair with the guide's embeddings of its objects.

    Args:
        obj_a: As in :class:`~quaterion_core.dataset.SimilarityPairSample`.
        obj_b: As there.
        score: As there.
        subgroup: As there.
        guide_embeddings: Guide's embeddings of ``obj_a`` and ``obj_b``, shape (2, E), for losses
            such as :class:`~quaterion_nlp.GuidedNegativesRankingLoss`.

    Example:
        >>> GuidedPairSample("a", "b", guide_embeddings=torch.eye(2)).object_targets()
        {'guide_embeddings': tensor([[1., 0.],
                [0., 1.]])}
    """

    guide_embeddings: Tensor = field(default_factory=lambda: torch.empty(2, 0), compare=False)

    def object_targets(self) -> dict[str, Tensor]:
        """Return the guide's embeddings."""
        return {"guide_embeddings": self.guide_embeddings}


def with_guide(
    samples: Iterable[SimilarityPairSample],
    guide: SimilarityModel | Encoder,
    batch_size: int = 32,
) -> list[GuidedPairSample]:
    """Embed the objects of pairs with a guide, each distinct object once.

    Args:
        samples: Pairs.
        guide: An already trained model or encoder. It runs in evaluation mode and is not trained.
        batch_size: Number of objects embedded at once.

    Returns:
        The pairs with the guide's embeddings, which take 8 · E bytes per pair.

    Raises:
        TypeError: A sample is not a pair.
        ValueError: An object is missing.

    Example:
        >>> class Lengths(Encoder):
        ...     trainable, embedding_size = False, 1
        ...     def get_collate_fn(self):
        ...         return lambda texts: torch.tensor([[float(len(text))] for text in texts])
        ...     def forward(self, batch): return batch
        >>> pairs = with_guide([SimilarityPairSample("a", "bcd")], Lengths())
        >>> pairs[0].guide_embeddings.tolist()
        [[1.0], [3.0]]
    """
    pairs = list(samples)
    PairsSimilarityDataLoader.check_samples(pairs)
    if not pairs:
        return []
    if isinstance(guide, Encoder):
        guide = SimilarityModel(guide, EmptyHead(guide.embedding_size))
    objects = [obj for pair in pairs for obj in (pair.obj_a, pair.obj_b)]
    found = DistinctObjects.from_digests(object_digests(objects))
    distinct = [objects[number] for number in found.first.tolist()]
    embeddings = guide.encode(distinct, batch_size=batch_size, to_numpy=False).float().cpu()
    rows = torch.from_numpy(found.rows).reshape(-1, 2)
    return [
        GuidedPairSample(pair.obj_a, pair.obj_b, pair.score, pair.subgroup, embeddings[of_pair])
        for pair, of_pair in zip(pairs, rows, strict=True)
    ]


class GuidedPairs(SplitDataset):
    """Dataset of pairs with a guide's embeddings.

    In a recipe::

        data:
          name: guided-pairs
          data: python-docs
          guide: {name: sentence-transformer, model: sentence-transformers/all-MiniLM-L6-v2}
        loss: guided-negatives-ranking

    Args:
        data: A registered dataset of pairs, as its name or as a mapping of name and arguments.
        guide: A registered encoder, given in the same way. Both may also be objects, which a
            configuration cannot contain.
        batch_size: Number of objects embedded at once.

    Raises:
        MissingComponentError: The dataset or the encoder is not registered.
    """

    def __init__(
        self,
        data: ComponentChoice | SplitDataset,
        guide: ComponentChoice | Encoder,
        batch_size: int = 32,
    ):
        self._data = data
        self._guide = guide
        self._batch_size = batch_size
        self._dataset: SplitDataset = build_component("dataset", data)
        self._encoder: Encoder = build_component("encoder", guide)

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits of the wrapped dataset."""
        return self._dataset.splits

    def check_source(self, split: str) -> None:
        """Check a split of the wrapped dataset."""
        self._dataset.check_source(split)

    def load(self, split: str) -> list[GuidedPairSample]:
        """Return the samples of a split, with the guide's embeddings.

        Raises:
            ValueError: There is no such split, or an object is missing.
            TypeError: A sample is not a pair.
        """
        samples: list[SimilarityPairSample] = []
        for position, sample in enumerate(self._dataset.load(split)):
            if not isinstance(sample, SimilarityPairSample):
                raise TypeError(
                    "Expected a dataset of SimilarityPairSample, but sample "
                    f"{position} of {type(self._dataset).__name__} "
                    f"is a {type(sample).__name__}."
                )
            samples.append(sample)
        return with_guide(samples, self._encoder, self._batch_size)

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this dataset, as JSON values."""
        return {"data": self._data, "guide": self._guide, "batch_size": self._batch_size}
