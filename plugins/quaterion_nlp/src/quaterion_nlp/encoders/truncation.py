"""Maximum text length of transformers, and warnings of truncated texts."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Final

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Router, Transformer
from sentence_transformers.sentence_transformer.modules import WordEmbeddings
from torch import nn

_POSITION_TABLES: Final = {"position_embeddings", "position_embedding", "embed_positions", "wpe"}


class TruncationWarning(UserWarning):
    """Texts exceed the maximum length of the model and are truncated."""


def position_limit(transformer: nn.Module) -> int | None:
    """Return the number of positions that a transformer has learned.

    Args:
        transformer: A model of transformers.

    Returns:
        The rows of its table of absolute positions, without those that it reserves, as RoBERTa
        does for padding; ``None`` for a model without such a table, which takes any length.

    Example:
        >>> from transformers import BertConfig, BertModel
        >>> config = BertConfig(
        ...     vocab_size=9, hidden_size=4, num_hidden_layers=1, num_attention_heads=1,
        ...     intermediate_size=4, max_position_embeddings=64,
        ... )
        >>> position_limit(BertModel(config))
        64
    """
    limits = [
        module.num_embeddings - _reserved(module)
        for name, module in transformer.named_modules()
        if isinstance(module, nn.Embedding) and name.rpartition(".")[2] in _POSITION_TABLES
    ]
    return min(limits, default=None)


def limit_length(model: SentenceTransformer, max_seq_length: int | None) -> None:
    """Set the number of tokens after which texts are truncated, within the model's positions.

    Args:
        model: The model; changed in place.
        max_seq_length: The number of tokens; ``None`` for the model's own limit, which is lowered
            where it exceeds the table of positions.

    Raises:
        ValueError: The model has no positions for so many tokens, or does not cut texts off.
    """
    transformers = [module for module in model.modules() if isinstance(module, Transformer)]
    limits = [limit for module in transformers if (limit := position_limit(module.model))]
    most = min(limits, default=None)
    if max_seq_length is not None:
        if most is not None and max_seq_length > most:
            raise ValueError(
                f"max_seq_length is {max_seq_length}, but the model has learned positions for "
                f"{most} tokens only. Give at most {most}, or choose a model for longer texts."
            )
        if not transformers and not any(isinstance(m, WordEmbeddings) for m in model.modules()):
            raise ValueError(
                f"max_seq_length is {max_seq_length}, but the model does not cut texts off: its "
                f"modules are {', '.join(type(module).__name__ for module in model)}. Leave "
                "max_seq_length out."
            )
        model.max_seq_length = max_seq_length
    for module in transformers:
        own = module.max_seq_length
        limit = position_limit(module.model)
        if limit is not None and own is not None and own > limit:
            module.max_seq_length = limit


class TruncationNotice:
    """Warning of truncated texts, given once over all processes of a run."""

    def __init__(self) -> None:
        self._given = torch.zeros((), dtype=torch.bool).share_memory_()  # type: ignore[no-untyped-call]

    def tell(
        self, module: nn.Module, texts: Sequence[str], features: dict[str, Any], task: str | None
    ) -> None:
        """Warn if any of the texts were cut off and no warning was given before.

        Args:
            module: The first module of the model, which tokenized the texts.
            texts: N texts, with their prompts.
            features: What the module made of them.
            task: ``"query"``, ``"document"`` or ``None``.
        """
        transformer = _transformer(module, task)
        mask = features.get("attention_mask")
        if self._given or transformer is None or mask is None or transformer.tokenizer is None:
            return
        own = transformer.query_length if task == "query" else None
        own = transformer.document_length if task == "document" else own
        limit = own or transformer.max_seq_length
        kept = mask.sum(1).tolist()
        full = [
            len(transformer.tokenizer(text, truncation=False, verbose=False)["input_ids"])
            if limit is not None and length >= limit
            else length
            for text, length in zip(texts, kept, strict=True)
        ]
        lost = [length - limit for length in full if limit is not None and length > limit]
        if not lost:
            return
        self._given.fill_(True)
        warnings.warn(
            f"{len(lost)} of {len(texts)} texts ({len(lost) / len(texts):.0%}) are longer than the "
            f"{limit} tokens that the model reads, and are cut off: {sum(lost) / sum(full):.0%} of "
            "all tokens are lost. Raise max_seq_length if the model allows it, or split the texts. "
            "There will be no further warning.",
            TruncationWarning,
            stacklevel=2,
        )


def _reserved(table: nn.Embedding) -> int:
    offset = getattr(table, "offset", None)  # OPT and others
    if isinstance(offset, int):
        return offset
    return 0 if table.padding_idx is None else table.padding_idx + 1


def _transformer(module: nn.Module, task: str | None) -> Transformer | None:
    """Return the transformer that tokenizes the texts of a task, if it can be determined."""
    if isinstance(module, Router):
        routes = {name: list(modules.children()) for name, modules in module.sub_modules.items()}
        route = task if task in routes else module.default_route
        if route is None or module.route_mappings:
            return None
        module = routes[route][0]
    return module if isinstance(module, Transformer) else None
