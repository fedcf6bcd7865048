"""Metrics over objects that belong to groups."""

from quaterion_core.eval.group.group_metric import GroupMetric
from quaterion_core.eval.group.retrieval_r_precision import (
    RetrievalRPrecision,
    retrieval_r_precision,
)

__all__ = ["GroupMetric", "RetrievalRPrecision", "retrieval_r_precision"]
