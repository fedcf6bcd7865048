"""Metrics over objects that come in pairs."""

from quaterion_core.eval.pair.pair_metric import PairMetric
from quaterion_core.eval.pair.pair_score_metric import PairScoreMetric
from quaterion_core.eval.pair.retrieval_precision import RetrievalPrecision, retrieval_precision
from quaterion_core.eval.pair.retrieval_reciprocal_rank import (
    RetrievalReciprocalRank,
    retrieval_reciprocal_rank,
)

__all__ = [
    "PairMetric",
    "PairScoreMetric",
    "RetrievalPrecision",
    "RetrievalReciprocalRank",
    "retrieval_precision",
    "retrieval_reciprocal_rank",
]
