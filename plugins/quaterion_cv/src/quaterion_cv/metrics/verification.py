"""Verification, under the path that it had before it moved to core."""

from quaterion_core.eval.verification.verification_metric import (
    ScoredPairs,
    VerificationMetric,
    area_under_roc,
    true_accept_rate,
)

__all__ = ["ScoredPairs", "VerificationMetric", "area_under_roc", "true_accept_rate"]
