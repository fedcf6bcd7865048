"""Metrics over objects that belong to groups."""

from quaterion_core.eval.group.group_metric import GroupMetric
from quaterion_core.eval.group.knn_accuracy import KNNAccuracy, is_group_of_nearest
from quaterion_core.eval.group.map_at_r import MapAtR, map_at_r
from quaterion_core.eval.group.recall_at_k import RecallAtK, recall_at_k
from quaterion_core.eval.group.retrieval_r_precision import (
    RetrievalRPrecision,
    retrieval_r_precision,
)
from quaterion_core.eval.group.whole_groups_metric import WholeGroupsMetric

__all__ = [
    "GroupMetric",
    "KNNAccuracy",
    "MapAtR",
    "RecallAtK",
    "RetrievalRPrecision",
    "WholeGroupsMetric",
    "is_group_of_nearest",
    "map_at_r",
    "recall_at_k",
    "retrieval_r_precision",
]
