"""An embedding for each token, averaged: text embeddings learned from scratch in seconds."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from torch import Tensor, nn
from typing_extensions import Self

from quaterion_core.encoders import Encoder
from quaterion_core.storage import (
    InvalidFolderError,
    load_weights,
    read_json,
    save_weights,
    write_json,
)
from quaterion_nlp.encoders.texts import check_texts

_CONFIG_FILE: Final = "config.json"
_TOKENIZER_FILE: Final = "tokenizer.json"
_WEIGHTS_FILE: Final = "model.safetensors"
_BYTES: Final = 256


class StaticEncoder(Encoder):
    """Embeds a text as the mean of its tokens' embeddings, which know nothing of their context.

    It learns from scratch within seconds on a CPU and embeds tens of thousands of texts a second.
    :meth:`from_data` trains the tokenizer from the training texts; the table starts at random
    (normal, standard deviation ``embedding_size ** -0.5``, so that rows have a length of about 1)
    and is made for training with the cosine similarity and Adam at a learning rate around 0.01.
    Gradients are dense: ``torch.optim.Adam(..., fused=True)`` takes them faster than a sparse
    optimizer does, up to a vocabulary of 30,000 at least.

    A text without tokens, such as the empty one, has the embedding zero.

    The folder that :meth:`save` fills holds the tokenizer and the weights as sentence-transformers
    stores them for its ``StaticEmbedding``, which can load it.

    Args:
        tokenizer: A tokenizer of the ``tokenizers`` library. It is copied; padding, truncation
            and special tokens are not used. From a ``transformers`` tokenizer take its
            ``backend_tokenizer``.
        embedding_size: Columns of the table, D.
        trainable: Whether training changes the table.

    Raises:
        TypeError: The tokenizer is something else.
        ValueError: The embedding size is not a positive integer, or the tokenizer is empty.

    Example:
        >>> texts = ["delete a file", "remove a folder", "open a file", "a file or a folder"]
        >>> encoder = StaticEncoder.from_data(texts, vocab_size=300, embedding_size=8)
        >>> batch = encoder.get_collate_fn()(["delete a folder", ""])
        >>> encoder(batch).shape
        torch.Size([2, 8])
        >>> encoder(batch)[1].tolist() == [0.0] * 8
        True
    """

    def __init__(self, tokenizer: Tokenizer, embedding_size: int = 512, trainable: bool = True):
        super().__init__()
        if not isinstance(tokenizer, Tokenizer):
            raise TypeError(
                "StaticEncoder takes a tokenizers.Tokenizer, but got a "
                f"{type(tokenizer).__name__}. Use StaticEncoder.from_data(texts) to train one, "
                "tokenizers.Tokenizer.from_file(path) to load one, or the backend_tokenizer of a "
                "transformers tokenizer."
            )
        _check_positive("embedding_size", embedding_size)
        vocabulary = tokenizer.get_vocab()
        if not vocabulary:
            raise ValueError("The tokenizer has no vocabulary: train it, or load a trained one.")
        self._trainable = trainable
        self._tokenizer = Tokenizer.from_str(tokenizer.to_str())
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self.embedding = nn.EmbeddingBag(max(vocabulary.values()) + 1, embedding_size, mode="mean")
        nn.init.normal_(self.embedding.weight, std=embedding_size**-0.5)
        self.disable_gradients_if_required()

    @classmethod
    def from_data(  # type: ignore[override]  # states the arguments that the base leaves open
        cls,
        objects: Iterable[str],
        *,
        vocab_size: int = 2000,
        min_frequency: int = 2,
        lowercase: bool = True,
        embedding_size: int = 512,
        trainable: bool = True,
    ) -> Self:
        """Train a tokenizer on texts and build an encoder over it.

        The tokenizer is a byte-pair encoding (Sennrich et al. 2016) within words and punctuation
        marks, over bytes (Radford et al. 2019, section 2.2), so that no text is unknown to it. The
        same texts give the same tokenizer.

        Args:
            objects: The training texts; read once.
            vocab_size: The largest number of tokens, more than the 256 bytes. For a few thousand
                texts about 2,000 is best: a word that is rare is then made of parts that are not.
                Use 10,000 to 30,000 for hundreds of thousands of texts.
            min_frequency: How often two parts have to follow one another to become a token.
            lowercase: Whether upper and lower case are the same.
            embedding_size: Columns of the table, D.
            trainable: Whether training changes the table.

        Raises:
            TypeError: An object is not a string.
            ValueError: There are no texts, or an argument is out of range.
        """
        _check_positive("vocab_size", vocab_size)
        _check_positive("min_frequency", min_frequency)
        _check_positive("embedding_size", embedding_size)
        if vocab_size <= _BYTES:
            raise ValueError(
                f"vocab_size is {vocab_size}, but the {_BYTES} bytes are tokens already: give more."
            )
        tokenizer = Tokenizer(models.BPE())
        tokenizer.normalizer = normalizers.Sequence(
            [normalizers.NFKC(), *([normalizers.Lowercase()] if lowercase else [])]
        )
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.BertPreTokenizer(),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size,
            min_frequency=min_frequency,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        texts = list(objects)
        if not texts:
            raise ValueError(
                "StaticEncoder learns its vocabulary from training texts, but there are none."
            )
        check_texts(texts, cls.__name__)
        tokenizer.train_from_iterator(texts, trainer)
        return cls(tokenizer, embedding_size, trainable)

    @property
    def trainable(self) -> bool:
        """Whether training changes the table."""
        return self._trainable

    @property
    def embedding_size(self) -> int:
        """Columns of the table, D."""
        return self.embedding.embedding_dim

    @property
    def tokenizer(self) -> Tokenizer:
        """What splits a text into tokens."""
        return self._tokenizer

    def get_collate_fn(self) -> TokenBags:
        """Return the function that turns N strings into token ids and where each text begins."""
        return TokenBags(self._tokenizer)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """Average the embeddings of each text's tokens.

        Args:
            batch: ``input_ids``, int64, the tokens of all N texts one after the other, and
                ``offsets`` (N,), int64, where each text begins.

        Returns:
            Embeddings of shape (N, D).
        """
        embeddings: Tensor = self.embedding(batch["input_ids"], batch["offsets"])
        return embeddings

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments of the constructor, the tokenizer as its JSON."""
        return {
            "tokenizer": json.loads(self._tokenizer.to_str()),
            "embedding_size": self.embedding_size,
            "trainable": self.trainable,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Build an encoder from what :meth:`get_config_dict` returned, its table at random."""
        tokenizer = Tokenizer.from_str(json.dumps(config["tokenizer"]))
        return cls(**{**config, "tokenizer": tokenizer})

    def save(self, output_path: str | Path) -> None:
        """Save ``config.json``, ``tokenizer.json`` and ``model.safetensors`` into a folder."""
        folder = Path(output_path)
        config = self.get_config_dict()
        del config["tokenizer"]
        write_json(folder / _CONFIG_FILE, config, owner=type(self).__name__)
        self._tokenizer.save(str(folder / _TOKENIZER_FILE))
        save_weights(self, folder / _WEIGHTS_FILE)

    @classmethod
    def load(cls, input_path: str | Path) -> Self:
        """Load an encoder from a folder that :meth:`save` filled.

        Raises:
            InvalidFolderError: A file is missing or broken, or they do not belong together.
        """
        folder = Path(input_path)
        config = read_json(folder / _CONFIG_FILE)
        config["tokenizer"] = read_json(folder / _TOKENIZER_FILE)
        try:
            encoder = cls.from_config(config)
        except Exception as error:  # what tokenizers raises is a plain Exception
            raise InvalidFolderError(f"{folder} holds no {cls.__name__}: {error}") from error
        load_weights(encoder, folder / _WEIGHTS_FILE)
        return encoder


@dataclass(frozen=True)
class TokenBags:
    """Turns strings into the batch of a :class:`StaticEncoder`; knows the tokenizer alone.

    Args:
        tokenizer: What splits a text into tokens.
    """

    tokenizer: Tokenizer

    def __call__(self, texts: list[str]) -> dict[str, Tensor]:
        """Tokenize texts.

        Args:
            texts: N strings.

        Returns:
            ``input_ids``, the tokens of all texts one after the other, and ``offsets`` (N,), where
            each text begins; both int64.

        Raises:
            TypeError: An object is not a string.
        """
        check_texts(texts, "StaticEncoder")
        # One by one: encode_batch starts threads, which do not survive the fork into a worker.
        bags = [self.tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
        lengths = torch.tensor([len(bag) for bag in bags], dtype=torch.int64)
        return {
            "input_ids": torch.tensor([token for bag in bags for token in bag], dtype=torch.int64),
            "offsets": lengths.cumsum(0) - lengths,
        }


def _check_positive(name: str, value: int) -> None:
    if type(value) is not int or value < 1:
        raise ValueError(f"{name} should be a positive integer, but is {value!r}.")
