"""Datasets of images."""

from quaterion_cv.datasets.digits import Digits
from quaterion_cv.datasets.image_csv_dataset import ImageCsvDataset
from quaterion_cv.datasets.image_folder_dataset import ImageFolderDataset
from quaterion_cv.datasets.two_views import TwoViews

__all__ = [
    "Digits",
    "ImageCsvDataset",
    "ImageFolderDataset",
    "TwoViews",
]
