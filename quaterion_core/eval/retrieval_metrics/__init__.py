"""Metrics of a ranking, over pairs as well as over groups."""

from quaterion_core.eval.retrieval_metrics.average_precision import MeanAveragePrecision
from quaterion_core.eval.retrieval_metrics.hit_rate import HitRate
from quaterion_core.eval.retrieval_metrics.ndcg import NDCG
from quaterion_core.eval.retrieval_metrics.precision import Precision
from quaterion_core.eval.retrieval_metrics.recall import Recall
from quaterion_core.eval.retrieval_metrics.reciprocal_rank import MeanReciprocalRank
from quaterion_core.eval.retrieval_metrics.retrieval_metric import (
    RetrievalMetric,
    RetrievalMetricAtK,
)

__all__ = [
    "NDCG",
    "HitRate",
    "MeanAveragePrecision",
    "MeanReciprocalRank",
    "Precision",
    "Recall",
    "RetrievalMetric",
    "RetrievalMetricAtK",
]
