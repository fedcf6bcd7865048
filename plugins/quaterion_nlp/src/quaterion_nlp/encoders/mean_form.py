"""The mean of token embeddings in the form in which it is exported."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from quaterion_core.encoders import ExportForm, TextInputs


class MeanOfTokens(nn.Module):
    """Mean of the embeddings of each text's tokens; zero for a text without any.

    Args:
        table: Embeddings of the tokens (V, D).
    """

    def __init__(self, table: Tensor):
        super().__init__()
        self.table = nn.Parameter(table.detach(), requires_grad=False)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Average the embeddings of tokens (N, L) under a mask (N, L), which gives (N, D)."""
        mask = attention_mask.unsqueeze(-1).to(self.table.dtype)
        total = (self.table[input_ids] * mask).sum(1)
        return total / mask.sum(1).clamp(min=1)


def mean_form(
    table: Tensor,
    tokenizer: Tokenizer,
    after: nn.Module,
    prompt: str | None = "",
    prompts: Mapping[str, str] | None = None,
) -> ExportForm:
    """Return the form of an encoder that averages the embeddings of tokens.

    Args:
        table: Embeddings of the tokens (V, D).
        tokenizer: The tokenizer.
        after: What is applied to the means.
        prompt: See :class:`~quaterion_core.encoders.TextInputs`.
        prompts: The same.
    """
    padding = Tokenizer.from_str(tokenizer.to_str())
    padding.enable_padding(pad_id=0)
    return ExportForm(
        _Then(MeanOfTokens(table), after),
        TextInputs(
            padding.to_str(),
            ("input_ids", "attention_mask"),
            special_tokens=False,
            prompt=prompt,
            prompts=dict(prompts or {}),
        ),
    )


class _Then(nn.Module):
    """The mean of tokens, and what comes after it."""

    def __init__(self, mean: MeanOfTokens, after: nn.Module):
        super().__init__()
        self.mean = mean
        self.after = after

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        embeddings: Tensor = self.after(self.mean(input_ids, attention_mask))
        return embeddings


class Scale(nn.Module):
    """Scale vectors (N, D) to a given length; those of zero stay.

    Args:
        length: The length.
    """

    def __init__(self, length: float):
        super().__init__()
        self.length = length

    def forward(self, embeddings: Tensor) -> Tensor:
        """Scale each row."""
        return self.length * torch.nn.functional.normalize(embeddings, dim=1)
