"""Models of sentence-transformers in the form in which they are exported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer
from sentence_transformers.sentence_transformer.modules import Dense, Normalize, StaticEmbedding
from tokenizers import Tokenizer
from torch import Tensor, nn

from quaterion_core.encoders import ExportForm, TextInputs
from quaterion_core.utils.precision import at_least_float32
from quaterion_nlp.encoders.mean_form import mean_form
from quaterion_nlp.encoders.pretrained import fast_tokenizer

_INPUTS: Final = ("input_ids", "attention_mask", "token_type_ids")
_UNLIMITED: Final = 1_000_000
"""Lengths from here on are what transformers writes for no limit."""


def static_modules(table: Tensor, tokenizer: Tokenizer, length: float | None) -> list[nn.Module]:
    """Return modules of sentence-transformers that average the embeddings of tokens.

    Args:
        table: Embeddings of the tokens (V, D).
        tokenizer: The tokenizer, which is copied.
        length: Length to which the means are scaled, if they are.
    """
    copied = Tokenizer.from_str(tokenizer.to_str())
    weights = table.detach().cpu().numpy()
    modules: list[nn.Module] = [StaticEmbedding(copied, embedding_weights=weights)]
    if length is not None:
        modules.append(Normalize())
    if length not in (None, 1.0):
        size = table.shape[1]
        scale = Dense(size, size, bias=False, activation_function=nn.Identity())
        scale.linear.weight.data.copy_(torch.eye(size) * length)
        modules.append(scale)
    return modules


def sentence_transformer_form(
    model: SentenceTransformer,
    size: int,
    batch: Mapping[str, Any],
    prompt: str | None,
    prompts: Mapping[str, str],
) -> ExportForm:
    """Return the form of a sentence-transformers model.

    Args:
        model: The model.
        size: Size of its embeddings, to which they are cut off.
        batch: What it makes of a text.
        prompt: See :class:`~quaterion_core.encoders.TextInputs`.
        prompts: The same.

    Raises:
        NotImplementedError: Its first module is neither a ``Transformer`` nor a
            ``StaticEmbedding``, or takes other inputs than exported texts have.
    """
    first = model[0]
    if isinstance(first, StaticEmbedding):
        after = _Modules(list(model)[1:], size)
        return mean_form(first.embedding.weight, first.tokenizer, after, prompt, prompts)
    given = {name for name, value in batch.items() if isinstance(value, Tensor)}
    if not isinstance(first, Transformer) or not {"input_ids"} <= given <= {*_INPUTS}:
        raise NotImplementedError(
            f"A sentence-transformers model that begins with a {type(first).__name__}, of the "
            f"inputs {', '.join(sorted(given)) or 'of its own'}, cannot be exported. Expected a "
            f"Transformer of some of {', '.join(_INPUTS)}, or a StaticEmbedding."
        )
    names = tuple(name for name in _INPUTS if name in given)
    tokenizer = _padding_tokenizer(first)
    return ExportForm(
        _Features(model, names, size), TextInputs(tokenizer, names, True, prompt, dict(prompts))
    )


def _padding_tokenizer(module: Transformer) -> str:
    """Return the tokenizer of a transformer, with its settings of truncation and padding."""
    outer: Any = module.tokenizer
    tokenizer = Tokenizer.from_str(fast_tokenizer(outer, "the model").to_str())
    limit = module.max_seq_length
    if limit is not None and limit < _UNLIMITED:
        tokenizer.enable_truncation(limit, direction=outer.truncation_side)
    if outer.pad_token_id is None:
        raise NotImplementedError(
            "A model whose tokenizer has no token for padding cannot be exported. Give it one: "
            "tokenizer.pad_token = tokenizer.eos_token."
        )
    tokenizer.enable_padding(
        direction=outer.padding_side,
        pad_id=outer.pad_token_id,
        pad_type_id=outer.pad_token_type_id,
        pad_token=outer.pad_token,
    )
    return tokenizer.to_str()


class _Features(nn.Module):
    """A sentence-transformers model over tensors instead of a dictionary."""

    def __init__(self, model: SentenceTransformer, names: Sequence[str], size: int):
        super().__init__()
        self.model = model
        self.names = tuple(names)
        self.size = size

    def forward(self, *inputs: Tensor) -> Tensor:
        features: dict[str, Any] = dict(zip(self.names, inputs, strict=True))
        embeddings: Tensor = self.model(features)["sentence_embedding"]
        return at_least_float32(embeddings[:, : self.size])


class _Modules(nn.Module):
    """The modules of a sentence-transformers model after the first one, over embeddings."""

    def __init__(self, modules: Sequence[nn.Module], size: int):
        super().__init__()
        self.layers = nn.ModuleList(modules)
        self.size = size

    def forward(self, embeddings: Tensor) -> Tensor:
        features: dict[str, Any] = {"sentence_embedding": embeddings}
        for layer in self.layers:
            features = layer(features)
        cut: Tensor = features["sentence_embedding"][:, : self.size]
        return at_least_float32(cut)
