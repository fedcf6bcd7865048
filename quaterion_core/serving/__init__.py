"""Serving: stores of vectors, search with a trained model, and its evaluation by mteb."""

from quaterion_core.serving.exact_search import ExactSearch, SearchResult
from quaterion_core.serving.index import Added, Index, IndexHit
from quaterion_core.serving.mteb_model import MtebModel
from quaterion_core.serving.stores import ExactStore, Hit, Record, Store

__all__ = [
    "Added",
    "ExactSearch",
    "ExactStore",
    "Hit",
    "Index",
    "IndexHit",
    "MtebModel",
    "Record",
    "SearchResult",
    "Store",
]
