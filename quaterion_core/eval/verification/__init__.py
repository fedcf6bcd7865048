"""Metrics of verification: whether two objects are of one group, by a threshold."""

from quaterion_core.eval.verification.average_precision import PairAveragePrecision
from quaterion_core.eval.verification.best_threshold import PairAccuracy, PairF1, PairMCC
from quaterion_core.eval.verification.roc_auc import PairRocAuc, RocAuc
from quaterion_core.eval.verification.tar_at_far import PairTarAtFar, TarAtFar
from quaterion_core.eval.verification.thresholds import ThresholdCounts, threshold_counts
from quaterion_core.eval.verification.verification_metric import (
    ScoredPairs,
    VerificationMetric,
    area_under_roc,
    true_accept_rate,
)

__all__ = [
    "PairAccuracy",
    "PairAveragePrecision",
    "PairF1",
    "PairMCC",
    "PairRocAuc",
    "PairTarAtFar",
    "RocAuc",
    "ScoredPairs",
    "TarAtFar",
    "ThresholdCounts",
    "VerificationMetric",
    "area_under_roc",
    "threshold_counts",
    "true_accept_rate",
]
