"""Encoders, heads, losses, metrics and datasets of images, each imported on first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quaterion_cv.datasets.digits import Digits
    from quaterion_cv.datasets.image_csv_dataset import ImageCsvDataset
    from quaterion_cv.datasets.image_folder_dataset import ImageFolderDataset
    from quaterion_cv.datasets.two_views import TwoViews
    from quaterion_cv.encoders.timm_encoder import TimmEncoder
    from quaterion_cv.heads.bn_neck_head import BNNeckHead
    from quaterion_cv.losses.multi_similarity_loss import MultiSimilarityLoss
    from quaterion_cv.losses.nt_xent_loss import NTXentLoss
    from quaterion_cv.losses.proxy_anchor_loss import ProxyAnchorLoss
    from quaterion_cv.losses.sub_center_arcface_loss import SubCenterArcFaceLoss
    from quaterion_cv.losses.sup_con_loss import SupConLoss
    from quaterion_cv.metrics.map_at_r import MapAtR
    from quaterion_cv.metrics.one_shot_accuracy import OneShotAccuracy
    from quaterion_cv.metrics.recall_at_k import RecallAtK
    from quaterion_cv.metrics.roc_auc import PairRocAuc, RocAuc
    from quaterion_cv.metrics.tar_at_far import PairTarAtFar, TarAtFar

__all__ = [
    "BNNeckHead",
    "Digits",
    "ImageCsvDataset",
    "ImageFolderDataset",
    "MapAtR",
    "MultiSimilarityLoss",
    "NTXentLoss",
    "OneShotAccuracy",
    "PairRocAuc",
    "PairTarAtFar",
    "ProxyAnchorLoss",
    "RecallAtK",
    "RocAuc",
    "SubCenterArcFaceLoss",
    "SupConLoss",
    "TarAtFar",
    "TimmEncoder",
    "TwoViews",
]

_HOMES = {
    "BNNeckHead": "quaterion_cv.heads.bn_neck_head",
    "Digits": "quaterion_cv.datasets.digits",
    "ImageCsvDataset": "quaterion_cv.datasets.image_csv_dataset",
    "ImageFolderDataset": "quaterion_cv.datasets.image_folder_dataset",
    "MapAtR": "quaterion_cv.metrics.map_at_r",
    "MultiSimilarityLoss": "quaterion_cv.losses.multi_similarity_loss",
    "NTXentLoss": "quaterion_cv.losses.nt_xent_loss",
    "OneShotAccuracy": "quaterion_cv.metrics.one_shot_accuracy",
    "PairRocAuc": "quaterion_cv.metrics.roc_auc",
    "PairTarAtFar": "quaterion_cv.metrics.tar_at_far",
    "ProxyAnchorLoss": "quaterion_cv.losses.proxy_anchor_loss",
    "RocAuc": "quaterion_cv.metrics.roc_auc",
    "RecallAtK": "quaterion_cv.metrics.recall_at_k",
    "SubCenterArcFaceLoss": "quaterion_cv.losses.sub_center_arcface_loss",
    "SupConLoss": "quaterion_cv.losses.sup_con_loss",
    "TarAtFar": "quaterion_cv.metrics.tar_at_far",
    "TimmEncoder": "quaterion_cv.encoders.timm_encoder",
    "TwoViews": "quaterion_cv.datasets.two_views",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
