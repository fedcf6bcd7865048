"""Metrics over objects that come in pairs."""

from quaterion_core.eval.pair.pair_metric import PairMetric
from quaterion_core.eval.pair.pair_score_metric import PairScoreMetric
from quaterion_core.eval.pair.pearson_correlation import PearsonCorrelation, pearson_correlation
from quaterion_core.eval.pair.retrieval_precision import RetrievalPrecision, retrieval_precision
from quaterion_core.eval.pair.retrieval_reciprocal_rank import (
    RetrievalReciprocalRank,
    retrieval_reciprocal_rank,
)
from quaterion_core.eval.pair.spearman_correlation import (
    SpearmanCorrelation,
    spearman_correlation,
)
from quaterion_core.eval.pair.triplet_accuracy import TripletAccuracy, triplet_accuracy

__all__ = [
    "PairMetric",
    "PairScoreMetric",
    "PearsonCorrelation",
    "RetrievalPrecision",
    "RetrievalReciprocalRank",
    "SpearmanCorrelation",
    "TripletAccuracy",
    "pearson_correlation",
    "retrieval_precision",
    "retrieval_reciprocal_rank",
    "spearman_correlation",
    "triplet_accuracy",
]
