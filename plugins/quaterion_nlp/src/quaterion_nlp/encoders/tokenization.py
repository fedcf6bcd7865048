"""Tokenization of texts for sentence-transformers models, in the workers of a loader."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from torch import nn

from quaterion_core.dataset.text_roles import RoleText
from quaterion_core.utils.objects import as_part_of
from quaterion_nlp.encoders.texts import check_texts, tokenizing
from quaterion_nlp.encoders.truncation import TruncationNotice

_COUNTED_AT_ONCE: Final = 256
"""Number of texts that are tokenized together to count their tokens."""


@dataclass(frozen=True)
class Tokenization:
    """Collate function of a ``SentenceTransformerEncoder``.

    For the workers of a loader, a copy without weights is pickled. In the process of the model
    nothing is copied, since that would take several times as long as embedding a query.

    Args:
        module: The first module of the model, whose weights are not used.
        prompt: Prefix of a text that has no prompt by its role.
        prompts: Prefixes of queries and documents, by role. With prompts, but without ``prompt``,
            a text without a role is refused.
        by_prompt: Whether texts of different prompts are tokenized and embedded separately, as
            required by a pooling that excludes prompts.
        by_role: Whether queries, documents and other texts are embedded separately, as required by
            a model with routes.
        notice: Warns of truncated texts.
    """

    module: Any
    prompt: str | None = None
    prompts: Mapping[str, str] = field(default_factory=dict)
    by_prompt: bool = False
    by_role: bool = False
    notice: TruncationNotice = field(default_factory=TruncationNotice)

    def __call__(self, texts: list[str]) -> dict[str, Any]:
        """Tokenize texts.

        Args:
            texts: N strings.

        Returns:
            What the model takes: padded token ids, attention mask, and so on. If the texts have to
            be embedded apart, ``parts``, a list of such batches, and ``rows``, a list of tensors
            with the positions of each part's texts among the N.

        Raises:
            TypeError: An object is not a string.
            ValueError: A text is not Unicode, has no role where the model needs one, or cannot be
                tokenized.
        """
        check_texts(texts, "SentenceTransformerEncoder")
        rows_of: dict[tuple[str | None, str | None], list[int]] = {}
        prompts = [self._prompt_of(text) for text in texts]
        for row, (text, prompt) in enumerate(zip(texts, prompts, strict=True)):
            task = text.role if self.by_role and isinstance(text, RoleText) else None
            rows_of.setdefault((task, prompt if self.by_prompt else None), []).append(row)
        with tokenizing("SentenceTransformerEncoder"):
            parts = [
                self._tokenize([texts[row] for row in rows], [prompts[row] for row in rows], task)
                for (task, _), rows in rows_of.items()
            ]
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return dict(self.module.preprocess([]))
        return {"parts": parts, "rows": [torch.tensor(rows) for rows in rows_of.values()]}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "module": without_weights(self.module)}

    def _tokenize(self, texts: list[str], prompts: list[str], task: str | None) -> dict[str, Any]:
        together = [prompt + text for prompt, text in zip(prompts, texts, strict=True)]
        # A model without routes need not take a task.
        arguments = {"task": task} if self.by_role else {}
        try:
            if len(set(prompts)) == 1:
                plain = [str(text) for text in texts]
                features = self.module.preprocess(plain, prompt=prompts[0], **arguments)
            else:
                features = self.module.preprocess(together, **arguments)
        except ValueError as error:
            if not self.by_role:
                raise
            raise ValueError(
                f"The model has no route for {f'a {task}' if task else 'a text without a role'}, "
                f"such as {texts[0]!r:.60}: {error} Make texts Query or Document of "
                "quaterion_core.dataset, in a recipe with the dataset queries-and-documents."
            ) from error
        features = dict(features)
        self.notice.tell(self.module, together, features, task)
        if self.by_role:
            features["task"] = task
        return features

    def _prompt_of(self, text: str) -> str:
        if isinstance(text, RoleText):
            return self.prompts.get(text.role, self.prompt or "")
        if self.prompt is None and self.prompts:
            raise ValueError(
                f"There are prompts for {' and '.join(self.prompts)}, but the text {text!r:.60} is "
                "neither a Query nor a Document of quaterion_core.dataset. Make it one: in a "
                "recipe with the dataset queries-and-documents, in Python with Query(text). Or "
                "give prompt='' to texts without a role."
            )
        return self.prompt or ""


@dataclass(frozen=True)
class TokenCounts:
    """Number of tokens of texts after truncation.

    Args:
        tokenization: The tokenization of the encoder.
    """

    tokenization: Tokenization

    def __call__(self, texts: list[str]) -> list[int]:
        """Count the tokens of each of N texts, or its characters if a model has no tokens.

        Texts are tokenized in blocks, so that a long one does not pad all the others.
        """
        counts: list[int] = []
        for start in range(0, len(texts), _COUNTED_AT_ONCE):
            block = texts[start : start + _COUNTED_AT_ONCE]
            with as_part_of(range(start, start + len(block))):
                counts += self._counts_of(block)
        return counts

    def _counts_of(self, texts: list[str]) -> list[int]:
        batch = self.tokenization(texts)
        counts = [len(text) for text in texts]
        for rows, part in zip(
            batch.get("rows", [torch.arange(len(texts))]), batch.get("parts", [batch]), strict=True
        ):
            if (mask := part.get("attention_mask")) is not None:
                for row, count in zip(rows.tolist(), mask.sum(1).tolist(), strict=True):
                    counts[row] = count
        return counts


def without_weights(module: nn.Module) -> nn.Module:
    """Copy a module with its tensors on the meta device, where they hold no data."""
    tensors = [*module.parameters(), *module.buffers()]
    empty = {
        id(tensor): nn.Parameter(tensor.to("meta"), requires_grad=False)
        if isinstance(tensor, nn.Parameter)
        else tensor.to("meta")
        for tensor in tensors
    }
    copied: nn.Module = copy.deepcopy(module, empty)
    return copied
