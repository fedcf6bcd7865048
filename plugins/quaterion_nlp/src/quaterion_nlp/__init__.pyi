from .datasets.guided_pairs import GuidedPairs, GuidedPairSample, with_guide
from .datasets.named_groups import NamedGroups
from .datasets.python_docs import PythonDocs
from .encoders.fasttext_encoder import FasttextEncoder
from .encoders.sentence_transformer_encoder import SentenceTransformerEncoder
from .encoders.static_encoder import StaticEncoder
from .heads.normalized_projection_head import NormalizedProjectionHead
from .losses.angle_loss import AnglELoss
from .losses.cosent_loss import CoSENTLoss
from .losses.cosine_regression_loss import CosineRegressionLoss
from .losses.guided_negatives_ranking_loss import GuidedNegativesRankingLoss
from .losses.kl_distillation_loss import KLDistillationLoss
from .losses.margin_mse_loss import MarginMSELoss
from .metrics.pearson_correlation import PearsonCorrelation
from .metrics.spearman_correlation import SpearmanCorrelation

__all__ = [
    "AnglELoss",
    "CoSENTLoss",
    "CosineRegressionLoss",
    "FasttextEncoder",
    "GuidedNegativesRankingLoss",
    "GuidedPairSample",
    "GuidedPairs",
    "KLDistillationLoss",
    "MarginMSELoss",
    "NamedGroups",
    "NormalizedProjectionHead",
    "PearsonCorrelation",
    "PythonDocs",
    "SentenceTransformerEncoder",
    "SpearmanCorrelation",
    "StaticEncoder",
    "with_guide",
]
