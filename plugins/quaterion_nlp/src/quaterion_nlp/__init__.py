"""Encoders, heads, losses, metrics and datasets of texts, each imported on first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quaterion_nlp.datasets.guided_pairs import GuidedPairs, GuidedPairSample, with_guide
    from quaterion_nlp.datasets.named_groups import NamedGroups
    from quaterion_nlp.datasets.python_docs import PythonDocs
    from quaterion_nlp.encoders.fasttext_encoder import FasttextEncoder
    from quaterion_nlp.encoders.sentence_transformer_encoder import SentenceTransformerEncoder
    from quaterion_nlp.encoders.static_encoder import StaticEncoder
    from quaterion_nlp.heads.normalized_projection_head import NormalizedProjectionHead
    from quaterion_nlp.losses.angle_loss import AnglELoss
    from quaterion_nlp.losses.cosent_loss import CoSENTLoss
    from quaterion_nlp.losses.cosine_regression_loss import CosineRegressionLoss
    from quaterion_nlp.losses.guided_negatives_ranking_loss import GuidedNegativesRankingLoss
    from quaterion_nlp.losses.kl_distillation_loss import KLDistillationLoss
    from quaterion_nlp.losses.margin_mse_loss import MarginMSELoss
    from quaterion_nlp.metrics.pearson_correlation import PearsonCorrelation
    from quaterion_nlp.metrics.spearman_correlation import SpearmanCorrelation

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

_HOMES = {
    "AnglELoss": "quaterion_nlp.losses.angle_loss",
    "CoSENTLoss": "quaterion_nlp.losses.cosent_loss",
    "CosineRegressionLoss": "quaterion_nlp.losses.cosine_regression_loss",
    "FasttextEncoder": "quaterion_nlp.encoders.fasttext_encoder",
    "GuidedNegativesRankingLoss": "quaterion_nlp.losses.guided_negatives_ranking_loss",
    "GuidedPairSample": "quaterion_nlp.datasets.guided_pairs",
    "GuidedPairs": "quaterion_nlp.datasets.guided_pairs",
    "KLDistillationLoss": "quaterion_nlp.losses.kl_distillation_loss",
    "MarginMSELoss": "quaterion_nlp.losses.margin_mse_loss",
    "NamedGroups": "quaterion_nlp.datasets.named_groups",
    "NormalizedProjectionHead": "quaterion_nlp.heads.normalized_projection_head",
    "PearsonCorrelation": "quaterion_nlp.metrics.pearson_correlation",
    "PythonDocs": "quaterion_nlp.datasets.python_docs",
    "SentenceTransformerEncoder": "quaterion_nlp.encoders.sentence_transformer_encoder",
    "SpearmanCorrelation": "quaterion_nlp.metrics.spearman_correlation",
    "StaticEncoder": "quaterion_nlp.encoders.static_encoder",
    "with_guide": "quaterion_nlp.datasets.guided_pairs",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
