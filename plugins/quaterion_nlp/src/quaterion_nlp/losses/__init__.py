"""Losses for texts: graded similarity, distillation, guided negatives."""

from quaterion_nlp.losses.angle_loss import AnglELoss
from quaterion_nlp.losses.cosent_loss import CoSENTLoss
from quaterion_nlp.losses.cosine_regression_loss import CosineRegressionLoss
from quaterion_nlp.losses.distillation_loss import DistillationLoss
from quaterion_nlp.losses.guided_negatives_ranking_loss import GuidedNegativesRankingLoss
from quaterion_nlp.losses.kl_distillation_loss import KLDistillationLoss
from quaterion_nlp.losses.margin_mse_loss import MarginMSELoss
from quaterion_nlp.losses.pair_order_loss import PairOrderLoss

__all__ = [
    "AnglELoss",
    "CoSENTLoss",
    "CosineRegressionLoss",
    "DistillationLoss",
    "GuidedNegativesRankingLoss",
    "KLDistillationLoss",
    "MarginMSELoss",
    "PairOrderLoss",
]
