"""Serving: search with a trained model, and its evaluation by mteb."""

from quaterion_core.serving.exact_search import ExactSearch, SearchResult
from quaterion_core.serving.mteb_model import MtebModel

__all__ = ["ExactSearch", "MtebModel", "SearchResult"]
