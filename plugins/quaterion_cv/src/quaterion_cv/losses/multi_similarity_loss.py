"""Multi-similarity loss, under its path before it moved to core."""

from quaterion_core.loss.multi_similarity_loss import MultiSimilarityLoss

__all__ = ["MultiSimilarityLoss"]
