"""Serving: search with a trained model."""

from quaterion_core.serving.exact_search import ExactSearch, SearchResult

__all__ = ["ExactSearch", "SearchResult"]
