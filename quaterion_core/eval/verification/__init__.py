"""Metrics of verification: whether two objects are of one group, by a threshold."""

from quaterion_core.eval.verification.roc_auc import PairRocAuc, RocAuc
from quaterion_core.eval.verification.tar_at_far import PairTarAtFar, TarAtFar
from quaterion_core.eval.verification.verification_metric import (
    ScoredPairs,
    VerificationMetric,
    area_under_roc,
    true_accept_rate,
)

__all__ = [
    "PairRocAuc",
    "PairTarAtFar",
    "RocAuc",
    "ScoredPairs",
    "TarAtFar",
    "VerificationMetric",
    "area_under_roc",
    "true_accept_rate",
]
