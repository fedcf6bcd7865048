from .datasets.digits import Digits
from .datasets.image_csv_dataset import ImageCsvDataset
from .datasets.image_folder_dataset import ImageFolderDataset
from .datasets.two_views import TwoViews
from .encoders.timm_encoder import TimmEncoder
from .heads.bn_neck_head import BNNeckHead
from .losses.multi_similarity_loss import MultiSimilarityLoss
from .losses.nt_xent_loss import NTXentLoss
from .losses.proxy_anchor_loss import ProxyAnchorLoss
from .losses.sub_center_arcface_loss import SubCenterArcFaceLoss
from .losses.sup_con_loss import SupConLoss
from .metrics.map_at_r import MapAtR
from .metrics.one_shot_accuracy import OneShotAccuracy
from .metrics.recall_at_k import RecallAtK
from .metrics.roc_auc import PairRocAuc, RocAuc
from .metrics.tar_at_far import PairTarAtFar, TarAtFar

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
