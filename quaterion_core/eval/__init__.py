"""Metrics of retrieval, and their evaluation over batches and whole datasets."""

from quaterion_core.eval.attached_metric import AttachedMetric
from quaterion_core.eval.base_metric import BaseMetric
from quaterion_core.eval.evaluator import Evaluator
from quaterion_core.eval.group import (
    GroupMetric,
    KNNAccuracy,
    RetrievalRPrecision,
    WholeGroupsMetric,
)
from quaterion_core.eval.pair import (
    PairMetric,
    PairScoreMetric,
    RetrievalPrecision,
    RetrievalReciprocalRank,
)
from quaterion_core.eval.samplers import BaseSampler, GroupSampler, PairSampler

__all__ = [
    "AttachedMetric",
    "BaseMetric",
    "BaseSampler",
    "Evaluator",
    "GroupMetric",
    "GroupSampler",
    "KNNAccuracy",
    "PairMetric",
    "PairSampler",
    "PairScoreMetric",
    "RetrievalPrecision",
    "RetrievalRPrecision",
    "RetrievalReciprocalRank",
    "WholeGroupsMetric",
]
