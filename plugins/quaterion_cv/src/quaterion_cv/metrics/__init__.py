"""Metrics of images: retrieval and verification, as the field reports them."""

from quaterion_cv.metrics.map_at_r import MapAtR, map_at_r
from quaterion_cv.metrics.one_shot_accuracy import OneShotAccuracy, one_shot_accuracy
from quaterion_cv.metrics.recall_at_k import RecallAtK, recall_at_k
from quaterion_cv.metrics.roc_auc import PairRocAuc, RocAuc
from quaterion_cv.metrics.tar_at_far import PairTarAtFar, TarAtFar

__all__ = [
    "MapAtR",
    "OneShotAccuracy",
    "PairRocAuc",
    "PairTarAtFar",
    "RecallAtK",
    "RocAuc",
    "TarAtFar",
    "map_at_r",
    "one_shot_accuracy",
    "recall_at_k",
]
