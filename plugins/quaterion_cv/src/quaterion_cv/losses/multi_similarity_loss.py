"""Multi-similarity loss, under the path that it had before it moved to core."""

from quaterion_core.loss.multi_similarity_loss import MultiSimilarityLoss

__all__ = ["MultiSimilarityLoss"]
