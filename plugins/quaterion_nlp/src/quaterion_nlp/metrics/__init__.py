"""Metrics of texts: correlations of similarities with labels."""

from quaterion_nlp.metrics.pearson_correlation import PearsonCorrelation, pearson_correlation
from quaterion_nlp.metrics.spearman_correlation import SpearmanCorrelation, spearman_correlation

__all__ = [
    "PearsonCorrelation",
    "SpearmanCorrelation",
    "pearson_correlation",
    "spearman_correlation",
]
