"""Small tools that know nothing of models, and the names that Quaterion 0.1 has for them."""

from quaterion_core.utils.tensors import move_to_device
from quaterion_core.utils.utils import (
    get_anchor_negative_mask,
    get_anchor_positive_mask,
    get_masked_maximum,
    get_masked_minimum,
    get_triplet_mask,
    info_value_of_dtype,
    iter_by_batch,
    l2_norm,
    max_value_of_dtype,
    min_value_of_dtype,
)

__all__ = [
    "get_anchor_negative_mask",
    "get_anchor_positive_mask",
    "get_masked_maximum",
    "get_masked_minimum",
    "get_triplet_mask",
    "info_value_of_dtype",
    "iter_by_batch",
    "l2_norm",
    "max_value_of_dtype",
    "min_value_of_dtype",
    "move_to_device",
]
