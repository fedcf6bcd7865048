"""Pearson's correlation, under the path that it had before it moved to core."""

from quaterion_core.eval.pair.pearson_correlation import PearsonCorrelation, pearson_correlation

__all__ = ["PearsonCorrelation", "pearson_correlation"]
