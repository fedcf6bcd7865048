"""Texts as arrays of token ids, by the tokenizer that lies beside an exported model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from quaterion_serving.exported.files import TOKENIZER_LIMIT, ExportedModelError, read_file
from quaterion_serving.exported.settings import ROLES, TextSettings

Arrays = dict[str, np.ndarray[Any, Any]]


class TextPreparation:
    """Turns texts into the inputs of a graph.

    Args:
        settings: How.
        folder: Where the tokenizer lies.

    Raises:
        ExportedModelError: The tokenizer is missing or broken.
    """

    def __init__(self, settings: TextSettings, folder: Path):
        self.settings = settings
        source = folder / settings.tokenizer
        data = read_file(source, TOKENIZER_LIMIT)
        try:
            self.tokenizer = Tokenizer.from_buffer(data)
        except BaseException as error:
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            raise ExportedModelError(f"{source} is no tokenizer: {error}.") from error
        if self.tokenizer.padding is None:
            raise ExportedModelError(f"{source} does not pad. Export the model again.")

    def lengths(self, texts: Sequence[Any]) -> list[int]:
        """Return what texts of similar length are batched by: their numbers of characters."""
        return [len(text) for text in texts]

    def check(self, objects: Sequence[Any]) -> None:
        """Refuse objects that are not strings.

        Raises:
            TypeError: An object is something else.
        """
        for index, value in enumerate(objects):
            if not isinstance(value, str):
                raise TypeError(
                    f"Expected texts, got a {type(value).__name__} as object {index}: "
                    f"{value!r:.60}."
                )

    def arrays(self, texts: Sequence[str], role: str | None) -> Arrays:
        """Return the inputs for N texts, each int64 of shape (N, L) with L at least 1.

        Args:
            texts: The texts.
            role: ``"query"``, ``"document"`` or ``None``.

        Raises:
            ValueError: The model needs a role, or a text cannot be tokenized.
        """
        prompt = self._prompt_of(role)
        try:
            encodings = self.tokenizer.encode_batch(
                [prompt + text for text in texts], add_special_tokens=self.settings.special_tokens
            )
        except BaseException as error:
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            raise ValueError(f"The tokenizer cannot tokenize a text: {error}") from error
        columns = {
            "input_ids": [encoding.ids for encoding in encodings],
            "attention_mask": [encoding.attention_mask for encoding in encodings],
            "token_type_ids": [encoding.type_ids for encoding in encodings],
        }
        arrays = {
            name: np.array(columns[own], dtype=np.int64).reshape(len(texts), -1)
            for own, name in self.settings.inputs.items()
        }
        if all(array.shape[1] for array in arrays.values()):
            return arrays
        # Nothing but empty texts: one position that is masked.
        return {name: np.zeros((len(texts), 1), dtype=np.int64) for name in arrays}

    def _prompt_of(self, role: str | None) -> str:
        prompt, prompts = self.settings.prompt, self.settings.prompts
        if role is not None:
            if role not in ROLES:
                raise ValueError(
                    f"Expected role to be one of {', '.join(ROLES)}, got {role!r:.60}."
                )
            return prompts.get(role, prompt or "")
        if prompt is None and prompts:
            raise ValueError(
                f"There are prompts for {' and '.join(prompts)}, but none for other texts. Pass "
                "role='query' or role='document'."
            )
        return prompt or ""
