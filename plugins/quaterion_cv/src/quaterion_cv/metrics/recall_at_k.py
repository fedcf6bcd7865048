"""Recall@k, under the path that it had before it moved to core."""

from quaterion_core.eval.group.recall_at_k import RecallAtK, recall_at_k

__all__ = ["RecallAtK", "recall_at_k"]
