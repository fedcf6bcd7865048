"""Metrics over objects that belong to groups."""

from quaterion_core.eval.group.group_metric import GroupMetric
from quaterion_core.eval.group.knn_accuracy import KNNAccuracy, is_group_of_nearest
from quaterion_core.eval.group.retrieval_r_precision import (
    RetrievalRPrecision,
    retrieval_r_precision,
)
from quaterion_core.eval.group.whole_groups_metric import WholeGroupsMetric

__all__ = [
    "GroupMetric",
    "KNNAccuracy",
    "RetrievalRPrecision",
    "WholeGroupsMetric",
    "is_group_of_nearest",
    "retrieval_r_precision",
]
