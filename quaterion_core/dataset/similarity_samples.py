"""Similarity samples: pairs and groups."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(slots=True)
class SimilarityPairSample:
    """Two objects and how similar they are.

    Args:
        obj_a: Any object that the encoders accept; for retrieval, the query.
        obj_b: The other object; for retrieval, the document.
        score: 1.0 for similar, 0.0 for dissimilar, or a graded similarity in between.
        subgroup: Any hashable value. Objects of different subgroups are negatives of each other,
            objects of the same subgroup only if they form a pair with score 0. With ``None``, the
            default, losses with in-batch negatives, such as multiple negatives ranking, use the
            objects of all other pairs as negatives; other losses, such as contrastive, learn from
            the given pairs only.

    Example:
        >>> SimilarityPairSample("cheesecake", "muffins", score=1.0, subgroup="sweet")
        SimilarityPairSample(obj_a='cheesecake', obj_b='muffins', score=1.0, subgroup='sweet')
    """

    obj_a: Any
    obj_b: Any
    score: float = 1.0
    subgroup: Hashable = None

    def object_targets(self) -> dict[str, Tensor]:
        """Return additional targets of the two objects, for losses that accept them by name.

        Returns:
            Tensors by name, with 2 as the first dimension and the same shape for all samples. A
            loss receives those of a batch as a keyword argument, as one tensor (N, ...). By
            default, there are none.
        """
        return {}


@dataclass(slots=True)
class SimilarityGroupSample:
    """An object and the group that it belongs to.

    Args:
        obj: Any object that the encoders accept.
        group: Objects of the same group are similar, those of different groups are not. Any
            hashable value: a number, a name, a tuple.

    Example:
        >>> SimilarityGroupSample("leonard_nimoy_1.jpg", group="nimoy")
        SimilarityGroupSample(obj='leonard_nimoy_1.jpg', group='nimoy')
    """

    obj: Any
    group: Hashable


SimilaritySample: TypeAlias = SimilarityPairSample | SimilarityGroupSample
