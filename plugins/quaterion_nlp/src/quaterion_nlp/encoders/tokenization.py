"""From texts to what a sentence-transformers model takes, in the workers of a loader."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from quaterion_core.dataset.text_roles import RoleText
from quaterion_nlp.encoders.texts import check_texts


@dataclass(frozen=True)
class Tokenization:
    """Turns strings into the batch of a ``SentenceTransformerEncoder``.

    What is pickled for the workers of a loader is a copy without weights. In the process of the
    model there is no copy, which would take several times as long as embedding a query.

    Args:
        module: The first module of the model, whose weights are not used.
        prompt: What is put in front of a text that has no prompt by its role.
        prompts: What is put in front of queries and documents, by role. With prompts, but without
            ``prompt``, a text without a role is refused.
        one_prompt: Whether all texts of a batch have to have the same prompt, as a pooling that
            leaves prompts out needs.
    """

    module: Any
    prompt: str | None = None
    prompts: Mapping[str, str] = field(default_factory=dict)
    one_prompt: bool = False

    def __call__(self, texts: list[str]) -> dict[str, Any]:
        """Tokenize texts.

        Args:
            texts: N strings.

        Returns:
            What the model takes: padded token ids, attention mask, and so on.

        Raises:
            TypeError: An object is not a string.
            ValueError: A text without a role is given where roles are needed, or texts of several
                prompts where there can be only one.
        """
        check_texts(texts, "SentenceTransformerEncoder")
        prompts = [self._prompt_of(text) for text in texts]
        plain = [str(text) for text in texts]
        if len(set(prompts)) <= 1:
            return dict(self.module.preprocess(plain, prompt=prompts[0] if prompts else None))
        if self.one_prompt:
            raise ValueError(
                f"The model leaves prompts out of its pooling, and can do so for one prompt in a "
                f"batch only, but got {sorted(set(prompts))}. Give all texts the same prompt=..., "
                "or encode queries and documents apart."
            )
        together = [prompt + text for prompt, text in zip(prompts, plain, strict=True)]
        return dict(self.module.preprocess(together))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "module": without_weights(self.module)}

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
    """Counts the tokens of texts, after they are cut off.

    Args:
        tokenization: What the encoder's texts are tokenized with.
    """

    tokenization: Tokenization

    def __call__(self, texts: list[str]) -> list[int]:
        """Count the tokens of each of N texts; its characters where a model has no tokens."""
        mask = self.tokenization(texts).get("attention_mask")
        counts: list[int] = [len(text) for text in texts] if mask is None else mask.sum(1).tolist()
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
