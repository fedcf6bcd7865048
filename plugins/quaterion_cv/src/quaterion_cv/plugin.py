"""What quaterion-cv brings to Quaterion: encoders, heads, losses, metrics, datasets of images."""

from __future__ import annotations

from quaterion_core.plugins import hookimpl

quaterion_api = 1


@hookimpl
def quaterion_encoders() -> dict[str, str]:
    """Declare the encoders of images."""
    return {"timm": "quaterion_cv.encoders.timm_encoder:TimmEncoder"}


@hookimpl
def quaterion_heads() -> dict[str, str]:
    """Declare the heads for images."""
    return {"bn-neck": "quaterion_cv.heads.bn_neck_head:BNNeckHead"}


@hookimpl
def quaterion_losses() -> dict[str, str]:
    """Declare the losses for images."""
    return {
        "multi-similarity": "quaterion_cv.losses.multi_similarity_loss:MultiSimilarityLoss",
        "nt-xent": "quaterion_cv.losses.nt_xent_loss:NTXentLoss",
        "proxy-anchor": "quaterion_cv.losses.proxy_anchor_loss:ProxyAnchorLoss",
        "sub-center-arcface": "quaterion_cv.losses.sub_center_arcface_loss:SubCenterArcFaceLoss",
        "supcon": "quaterion_cv.losses.sup_con_loss:SupConLoss",
    }


@hookimpl
def quaterion_metrics() -> dict[str, str]:
    """Declare the metrics of images."""
    return {
        "map-at-r": "quaterion_cv.metrics.map_at_r:MapAtR",
        "one-shot-accuracy": "quaterion_cv.metrics.one_shot_accuracy:OneShotAccuracy",
        "pair-roc-auc": "quaterion_cv.metrics.roc_auc:PairRocAuc",
        "pair-tar-at-far": "quaterion_cv.metrics.tar_at_far:PairTarAtFar",
        "recall-at-k": "quaterion_cv.metrics.recall_at_k:RecallAtK",
        "roc-auc": "quaterion_cv.metrics.roc_auc:RocAuc",
        "tar-at-far": "quaterion_cv.metrics.tar_at_far:TarAtFar",
    }


@hookimpl
def quaterion_datasets() -> dict[str, str]:
    """Declare the datasets of images."""
    return {
        "digits": "quaterion_cv.datasets.digits:Digits",
        "image-csv": "quaterion_cv.datasets.image_csv_dataset:ImageCsvDataset",
        "image-folder": "quaterion_cv.datasets.image_folder_dataset:ImageFolderDataset",
    }
