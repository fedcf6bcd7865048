"""What quaterion-nlp brings to Quaterion: encoders, heads, losses, datasets of texts."""

from __future__ import annotations

from quaterion_core.plugins import Component, hookimpl

quaterion_api = 1


@hookimpl
def quaterion_encoders() -> dict[str, str | Component]:
    """Declare the encoders of texts."""
    return {
        "fasttext": Component(
            "quaterion_nlp.encoders.fasttext_encoder:FasttextEncoder", extra="fasttext"
        ),
        "sentence-transformer": (
            "quaterion_nlp.encoders.sentence_transformer_encoder:SentenceTransformerEncoder"
        ),
        "static": "quaterion_nlp.encoders.static_encoder:StaticEncoder",
    }


@hookimpl
def quaterion_heads() -> dict[str, str]:
    """Declare the heads for texts."""
    return {
        "normalized-projection": (
            "quaterion_nlp.heads.normalized_projection_head:NormalizedProjectionHead"
        ),
    }


@hookimpl
def quaterion_losses() -> dict[str, str]:
    """Declare the losses for texts."""
    return {
        "angle": "quaterion_nlp.losses.angle_loss:AnglELoss",
        "cosent": "quaterion_nlp.losses.cosent_loss:CoSENTLoss",
        "cosine-regression": "quaterion_nlp.losses.cosine_regression_loss:CosineRegressionLoss",
        "guided-negatives-ranking": (
            "quaterion_nlp.losses.guided_negatives_ranking_loss:GuidedNegativesRankingLoss"
        ),
        "kl-distillation": "quaterion_nlp.losses.kl_distillation_loss:KLDistillationLoss",
        "margin-mse": "quaterion_nlp.losses.margin_mse_loss:MarginMSELoss",
    }


@hookimpl
def quaterion_datasets() -> dict[str, str]:
    """Declare the datasets of texts."""
    return {
        "guided-pairs": "quaterion_nlp.datasets.guided_pairs:GuidedPairs",
        "named-groups": "quaterion_nlp.datasets.named_groups:NamedGroups",
        "python-docs": "quaterion_nlp.datasets.python_docs:PythonDocs",
    }
