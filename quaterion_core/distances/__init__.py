"""Distances between embeddings, and the corresponding similarities."""

from quaterion_core.distances.base_distance import BaseDistance
from quaterion_core.distances.cosine import Cosine
from quaterion_core.distances.distance import Distance
from quaterion_core.distances.dot_product import DotProduct
from quaterion_core.distances.euclidean import Euclidean
from quaterion_core.distances.manhattan import Manhattan

__all__ = ["BaseDistance", "Cosine", "Distance", "DotProduct", "Euclidean", "Manhattan"]
