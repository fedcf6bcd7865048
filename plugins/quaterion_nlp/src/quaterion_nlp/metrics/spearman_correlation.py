"""Spearman's rank correlation, under the path that it had before it moved to core."""

from quaterion_core.eval.pair.spearman_correlation import SpearmanCorrelation, spearman_correlation

__all__ = ["SpearmanCorrelation", "spearman_correlation"]
