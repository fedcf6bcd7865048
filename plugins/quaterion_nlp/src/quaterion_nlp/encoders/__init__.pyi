from .fasttext_encoder import FasttextEncoder
from .sentence_transformer_encoder import SentenceTransformerEncoder
from .static_encoder import StaticEncoder

__all__ = [
    "FasttextEncoder",
    "SentenceTransformerEncoder",
    "StaticEncoder",
]
