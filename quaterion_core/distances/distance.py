"""Names of the distances that losses, metrics and search use."""

from __future__ import annotations

from enum import Enum

from quaterion_core.distances.base_distance import BaseDistance
from quaterion_core.distances.cosine import Cosine
from quaterion_core.distances.dot_product import DotProduct
from quaterion_core.distances.euclidean import Euclidean
from quaterion_core.distances.manhattan import Manhattan


class Distance(str, Enum):
    """Names of distances. A member equals its name as a string.

    Example:
        >>> Distance("cosine") is Distance.COSINE
        True
        >>> type(Distance.get_by_name("cosine")).__name__
        'Cosine'
    """

    EUCLIDEAN = "euclidean"
    COSINE = "cosine"
    DOT_PRODUCT = "dot_product"
    MANHATTAN = "manhattan"

    @classmethod
    def _missing_(cls, value: object) -> Distance:
        names = ", ".join(repr(member.value) for member in cls)
        raise ValueError(f"There is no distance {value!r}. Choose one of {names}.")

    @staticmethod
    def get_by_name(name: Distance | str) -> BaseDistance:
        """Return the distance of that name.

        Raises:
            ValueError: There is none.
        """
        return _DISTANCES[Distance(name)]


_DISTANCES = {
    Distance.EUCLIDEAN: Euclidean(),
    Distance.COSINE: Cosine(),
    Distance.DOT_PRODUCT: DotProduct(),
    Distance.MANHATTAN: Manhattan(),
}
