"""Serving: what a saved model is used for."""

from quaterion_core.serving.exact_search import ExactSearch, SearchResult

__all__ = ["ExactSearch", "SearchResult"]
