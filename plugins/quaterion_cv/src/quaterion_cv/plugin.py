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
        "sub-center-arcface": "quaterion_cv.losses.sub_center_arcface_loss:SubCenterArcFaceLoss",
    }


@hookimpl
def quaterion_metrics() -> dict[str, str]:
    """Declare the metrics of images."""
    return {"one-shot-accuracy": "quaterion_cv.metrics.one_shot_accuracy:OneShotAccuracy"}


@hookimpl
def quaterion_datasets() -> dict[str, str]:
    """Declare the datasets of images."""
    return {
        "digits": "quaterion_cv.datasets.digits:Digits",
        "image-csv": "quaterion_cv.datasets.image_csv_dataset:ImageCsvDataset",
        "image-folder": "quaterion_cv.datasets.image_folder_dataset:ImageFolderDataset",
    }


@hookimpl
def quaterion_augmentations() -> dict[str, str]:
    """Declare transforms of torchvision that encoders of images take as they are."""
    transforms = "torchvision.transforms.v2"
    return {
        "auto-contrast": f"{transforms}:RandomAutocontrast",
        "equalize": f"{transforms}:RandomEqualize",
        "perspective": f"{transforms}:RandomPerspective",
    }
