"""Losses over groups and losses over pairs."""

from quaterion_core.loss.anchored_group_loss import AnchoredGroupLoss
from quaterion_core.loss.arcface_loss import ArcFaceLoss
from quaterion_core.loss.batch_hard_triplet_loss import BatchHardTripletLoss
from quaterion_core.loss.center_loss import CenterLoss
from quaterion_core.loss.circle_loss import CircleLoss
from quaterion_core.loss.contrastive_loss import ContrastiveLoss
from quaterion_core.loss.cos_face_loss import CosFaceLoss
from quaterion_core.loss.fast_ap_loss import FastAPLoss
from quaterion_core.loss.group_loss import GroupLoss
from quaterion_core.loss.hard_pair_contrastive_loss import HardPairContrastiveLoss
from quaterion_core.loss.matryoshka_loss import MatryoshkaLoss
from quaterion_core.loss.multi_similarity_loss import MultiSimilarityLoss
from quaterion_core.loss.multiple_negatives_ranking_loss import MultipleNegativesRankingLoss
from quaterion_core.loss.nt_xent_loss import NTXentLoss
from quaterion_core.loss.online_contrastive_loss import OnlineContrastiveLoss
from quaterion_core.loss.pairwise_loss import PairwiseLoss
from quaterion_core.loss.proxy_anchor_loss import ProxyAnchorLoss
from quaterion_core.loss.similarity_loss import SimilarityLoss
from quaterion_core.loss.softmax_loss import SoftmaxLoss
from quaterion_core.loss.sup_con_loss import SupConLoss
from quaterion_core.loss.triplet_loss import TripletLoss

__all__ = [
    "AnchoredGroupLoss",
    "ArcFaceLoss",
    "BatchHardTripletLoss",
    "CenterLoss",
    "CircleLoss",
    "ContrastiveLoss",
    "CosFaceLoss",
    "FastAPLoss",
    "GroupLoss",
    "HardPairContrastiveLoss",
    "MatryoshkaLoss",
    "MultiSimilarityLoss",
    "MultipleNegativesRankingLoss",
    "NTXentLoss",
    "OnlineContrastiveLoss",
    "PairwiseLoss",
    "ProxyAnchorLoss",
    "SimilarityLoss",
    "SoftmaxLoss",
    "SupConLoss",
    "TripletLoss",
]
