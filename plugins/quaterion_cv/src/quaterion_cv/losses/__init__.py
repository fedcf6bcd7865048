"""Losses for images, and former paths of losses that moved to core."""

from quaterion_cv.losses.multi_similarity_loss import MultiSimilarityLoss
from quaterion_cv.losses.nt_xent_loss import NTXentLoss
from quaterion_cv.losses.proxy_anchor_loss import ProxyAnchorLoss
from quaterion_cv.losses.sub_center_arcface_loss import SubCenterArcFaceLoss
from quaterion_cv.losses.sup_con_loss import SupConLoss

__all__ = [
    "MultiSimilarityLoss",
    "NTXentLoss",
    "ProxyAnchorLoss",
    "SubCenterArcFaceLoss",
    "SupConLoss",
]
