"""ROC AUC, under the path that it had before it moved to core."""

from quaterion_core.eval.verification.roc_auc import PairRocAuc, RocAuc

__all__ = ["PairRocAuc", "RocAuc"]
