"""The two ways to say what is similar: pairs and groups."""

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
        obj_a: Any object that the encoders understand; for retrieval, the query.
        obj_b: The other object; for retrieval, what is to be found.
        score: 1.0 for similar, 0.0 for not similar, or a graded similarity between them.
        subgroup: Any hashable value. Objects of different subgroups are negatives of one
            another; those of the same subgroup never are, unless a pair says so with score 0.
            ``None``, the default, states nothing: a loss that lives on the other objects of the
            batch, such as multiple negatives ranking, takes them as negatives, and one that
            does not, such as contrastive, learns from what pairs state alone.

    Example:
        >>> SimilarityPairSample("cheesecake", "muffins", score=1.0, subgroup="sweet")
        SimilarityPairSample(obj_a='cheesecake', obj_b='muffins', score=1.0, subgroup='sweet')
    """

    obj_a: Any
    obj_b: Any
    score: float = 1.0
    subgroup: Hashable = None

    def object_targets(self) -> dict[str, Tensor]:
        """Return what else is known of the two objects, for losses that ask for it by name.

        Returns:
            By name a tensor whose first dimension is 2, of one shape for all samples. A loss gets
            those of a batch as one tensor (N, ...), as a keyword argument. Nothing by default.
        """
        return {}


@dataclass(slots=True)
class SimilarityGroupSample:
    """An object and the group that it belongs to.

    Args:
        obj: Any object that the encoders understand.
        group: Objects of the same group are similar, those of different groups are not. Any
            hashable value: a number, a name, a tuple.

    Example:
        >>> SimilarityGroupSample("leonard_nimoy_1.jpg", group="nimoy")
        SimilarityGroupSample(obj='leonard_nimoy_1.jpg', group='nimoy')
    """

    obj: Any
    group: Hashable


SimilaritySample: TypeAlias = SimilarityPairSample | SimilarityGroupSample
