"""An embedding for each token, averaged: text embeddings learned from scratch in seconds."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import torch
import torch.nn.functional as F
from pydantic import Field
from tokenizers import Tokenizer
from torch import Tensor, nn
from typing_extensions import Self

from quaterion_core.encoders import Encoder, ExportForm
from quaterion_core.storage import InvalidFolderError, SavedFolder, save_weights, write_json
from quaterion_core.storage.modules import assign_weights
from quaterion_core.utils.faults import Faults
from quaterion_core.utils.ranges import Count
from quaterion_nlp.encoders.byte_pairs import check_byte_pairs, train_byte_pairs
from quaterion_nlp.encoders.checks import check_flag, check_positive
from quaterion_nlp.encoders.mean_form import Scale, mean_form
from quaterion_nlp.encoders.pretrained import open_sentence_transformer, open_tokenizer
from quaterion_nlp.encoders.texts import check_texts, tokenizing
from quaterion_nlp.encoders.token_vectors import (
    model_tokenizer,
    principal_components,
    sif_weights,
    token_vectors,
)
from quaterion_nlp.progress_bars import without_progress_bars
from quaterion_nlp.saved.schemas import Schema, Size, check, explained
from quaterion_nlp.saved.tokenizers import read_tokenizer

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_CONFIG_FILE: Final = "config.json"
_TOKENIZER_FILE: Final = "tokenizer.json"
_WEIGHTS_FILE: Final = "model.safetensors"
_TABLE: Final = "embedding.weight"


class StaticEncoder(Encoder):
    """Encoder of texts: the mean of the tokens' embeddings, without any context.

    It learns from scratch within seconds on a CPU and embeds tens of thousands of texts a second.
    :meth:`from_data` trains the tokenizer from the training texts, or takes a pretrained one. The
    table starts at random (normal, standard deviation ``embedding_size ** -0.5``), or with the
    vectors of a pretrained model; either way its rows have a length of about 1. It is made for
    training with the cosine similarity and Adam at a learning rate around 0.01.
    Gradients are dense: ``torch.optim.Adam(..., fused=True)`` takes them faster than a sparse
    optimizer does, up to a vocabulary of 30,000 at least.

    A text without tokens, such as the empty one, has the embedding zero.

    Combined with a transformer, it adds lexical information to contextual embeddings: set
    ``length``, so that it has the same weight in each text.

    :meth:`save` stores the tokenizer and the weights in the format of sentence-transformers'
    ``StaticEmbedding``, which can load them, but ignores ``length``.

    Args:
        tokenizer: A tokenizer of the ``tokenizers`` library. It is copied; padding, truncation
            and special tokens are not used. From a ``transformers`` tokenizer take its
            ``backend_tokenizer``.
        embedding_size: Columns of the table, D.
        trainable: Whether training changes the table.
        length: Scale every mean to this Euclidean length; by default it stays as it is. Among
            several encoders, whose embeddings are concatenated, it is the weight of this one: most
            transformers for texts make embeddings of the length 1.

    Raises:
        TypeError: The tokenizer is something else.
        ValueError: The embedding size is not a positive integer, the tokenizer is empty, or
            ``length`` is not positive.

    Example:
        >>> texts = ["delete a file", "remove a folder", "open a file", "a file or a folder"]
        >>> encoder = StaticEncoder.from_data(texts, vocab_size=300, embedding_size=8)
        >>> batch = encoder.get_collate_fn()(["delete a folder", ""])
        >>> encoder(batch).shape
        torch.Size([2, 8])
        >>> encoder(batch)[1].tolist() == [0.0] * 8
        True
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        embedding_size: Count = 512,
        trainable: bool = True,
        length: float | None = None,
    ):
        super().__init__()
        faults = Faults()
        with faults.collected():
            if not isinstance(tokenizer, Tokenizer):
                raise TypeError(
                    f"Expected tokenizer to be a tokenizers.Tokenizer, got a "
                    f"{type(tokenizer).__name__}. Use StaticEncoder.from_data(texts) to train one, "
                    "tokenizers.Tokenizer.from_file(path) to load one, or the backend_tokenizer of "
                    "a transformers tokenizer."
                )
        with faults.collected():
            check_positive("embedding_size", embedding_size)
        _check_training(faults, trainable, length)
        faults.raise_all()
        self._trainable = trainable
        self._length = length
        self._tokenizer = Tokenizer.from_str(tokenizer.to_str())
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self.embedding = nn.EmbeddingBag(_count_rows(tokenizer), embedding_size, mode="mean")
        nn.init.normal_(self.embedding.weight, std=embedding_size**-0.5)
        self.disable_gradients_if_required()

    @classmethod
    def from_data(  # type: ignore[override]  # states the arguments that the base leaves open
        cls,
        objects: Iterable[str],
        *,
        vocab_size: Count | None = None,
        min_frequency: int | None = None,
        lowercase: bool | None = None,
        tokenizer: str | Path | Tokenizer | None = None,
        model: str | Path | SentenceTransformer | None = None,
        embedding_size: Count | None = None,
        pca: int | None = None,
        weighting: str | None = None,
        trainable: bool = True,
        length: float | None = None,
    ) -> Self:
        """Build an encoder with a tokenizer trained from texts, or a pretrained one.

        By default the tokenizer is a byte-pair encoding of the texts, see
        :func:`~quaterion_nlp.encoders.byte_pairs.train_byte_pairs`, and the table starts at random.

        With ``model``, the table starts with what a pretrained model makes of each token alone, as
        in model2vec, and the tokenizer is the model's. That takes the time of embedding as many
        short texts as there are tokens, half a minute for a small model on one core.

        Args:
            objects: The training texts. They are read once, or not at all with a pretrained
                tokenizer or model and without ``weighting``.
            vocab_size: Maximum number of tokens, more than the 256 bytes; 2,000 by default, which
                suits a few thousand texts, since rare words are then split into frequent parts.
                Use 10,000 to 30,000 for hundreds of thousands of texts.
            min_frequency: Minimum number of occurrences of a pair of tokens that is merged into
                one; 2 by default.
            lowercase: Whether to convert texts to lower case; ``True`` by default.
            tokenizer: Alternative to these three: a tokenizer, or the folder or the name on the
                Hugging Face Hub of a sentence-transformers or transformers model that has one.
                Opening one by name imports transformers, which takes seconds.
            model: Alternative to a tokenizer: a sentence-transformers model with a transformer,
                its name on the hub or its folder.
            embedding_size: Columns of the table, D; 512 by default. With ``model``, it is the
                model's.
            pca: With ``model``: number of principal components to reduce its vectors to.
            weighting: ``"sif"`` to multiply the rows by the smooth inverse frequency of their
                tokens in the texts, see
                :func:`~quaterion_nlp.encoders.token_vectors.sif_weights`; not at all by default.
            trainable: Whether training changes the table.
            length: Scale every mean to this length; not at all by default.

        Raises:
            TypeError: An object is not a string.
            ValueError: There are no texts where some are needed; an argument is out of range, or
                does not go with another one; a tokenizer or model cannot be opened.
        """
        given = {"vocab_size": vocab_size, "min_frequency": min_frequency, "lowercase": lowercase}
        training = {name: value for name, value in given.items() if value is not None}
        faults = Faults()
        with faults.collected():
            if weighting not in (None, "sif"):
                raise ValueError(f"Expected weighting to be 'sif' or None, got {weighting!r:.60}.")
        for name, count in (("embedding_size", embedding_size), ("pca", pca)):
            with faults.collected():
                if count is not None:
                    check_positive(name, count)
        with faults.collected():
            check_byte_pairs(**training)  # type: ignore[arg-type]
        with faults.collected():
            if model is not None:
                unused = {**training, "tokenizer": tokenizer, "embedding_size": embedding_size}
                _check_unused(
                    unused, "model", "The model has a tokenizer; pca=... reduces its size."
                )
            elif tokenizer is not None:
                _check_unused(training, "tokenizer", "They are for training one from the texts.")
        with faults.collected():
            if model is None and pca is not None:
                raise ValueError(
                    f"pca={pca!r} reduces the vectors of a model, but there is no model. Use "
                    "embedding_size instead."
                )
        _check_training(faults, trainable, length)
        faults.raise_all()
        are_needed = weighting == "sif" or (tokenizer is None and model is None)
        texts = list(objects) if are_needed else []
        check_texts(texts, cls.__name__)
        if model is not None:
            encoder = cls._of_model(model, pca, trainable, length)
        else:
            size = 512 if embedding_size is None else embedding_size
            if tokenizer is None:
                tokenizer = train_byte_pairs(texts, **training)  # type: ignore[arg-type]
            if not isinstance(tokenizer, Tokenizer):
                tokenizer = open_tokenizer(str(tokenizer))
            encoder = cls(tokenizer, size, trainable, length)
        if weighting == "sif":
            rows = encoder.embedding.num_embeddings
            weights = sif_weights(encoder.tokenizer, texts, rows)
            encoder.embedding.weight.data.mul_(weights.unsqueeze(1))
        return encoder

    @classmethod
    def _of_model(
        cls,
        model: str | Path | SentenceTransformer,
        pca: int | None,
        trainable: bool,
        length: float | None,
    ) -> Self:
        """Build an encoder whose table is what a pretrained model makes of its tokens.

        The rows are scaled by one number to a mean length of 1, which training expects.
        """
        name = str(model) if isinstance(model, (str, Path)) else type(model).__name__
        opened = open_sentence_transformer(name) if isinstance(model, (str, Path)) else model
        tokenizer = model_tokenizer(opened, name)
        vectors = token_vectors(opened, _count_rows(tokenizer))
        if pca is not None:
            vectors = principal_components(vectors, pca)
        encoder = cls(tokenizer, vectors.shape[1], trainable, length)
        encoder.embedding.weight.data.copy_(vectors / vectors.norm(dim=1).mean())
        return encoder

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
        """The tokenizer."""
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
        if self._length is None:
            return embeddings
        return self._length * F.normalize(embeddings, dim=1)

    def get_export_form(self) -> ExportForm:
        """Return a module over padded token ids, and the tokenizer that makes them."""
        after = nn.Identity() if self._length is None else Scale(self._length)
        return mean_form(self.embedding.weight, self._tokenizer, after)

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments of the constructor, the tokenizer as its JSON."""
        return {
            "tokenizer": json.loads(self._tokenizer.to_str()),
            "embedding_size": self.embedding_size,
            "trainable": self.trainable,
            "length": self._length,
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

    def save_sentence_transformer(self, path: Path) -> None:
        """Save the encoder to a new folder for ``SentenceTransformer``.

        A ``length`` becomes a ``Normalize`` and a ``Dense`` with the length on its diagonal.
        """
        from sentence_transformers import SentenceTransformer

        from quaterion_nlp.encoders.sentence_transformer_form import static_modules

        model = SentenceTransformer(
            modules=static_modules(self.embedding.weight, self._tokenizer, self._length),
            device="cpu",
        )
        with without_progress_bars():
            model.save(str(path), create_model_card=False)

    @classmethod
    def load_from(cls, folder: SavedFolder) -> Self:
        """Load an encoder from an opened folder that :meth:`save` filled.

        Raises:
            InvalidFolderError: A file is missing, surplus or broken, or they do not belong
                together.
        """
        folder.require({_CONFIG_FILE, _TOKENIZER_FILE, _WEIGHTS_FILE})
        source = str(folder.path / _CONFIG_FILE)
        config = check(_SavedConfig, folder.read_json(_CONFIG_FILE), source)
        tokenizer, largest_id, _ = read_tokenizer(folder, _TOKENIZER_FILE)
        if tokenizer.padding is not None or tokenizer.truncation is not None:
            raise InvalidFolderError(
                f"{folder.path / _TOKENIZER_FILE} pads or cuts texts, which a saved {cls.__name__} "
                "does not do."
            )
        with folder.open_tensors(_WEIGHTS_FILE) as weights:
            table = weights.tensors.get(_TABLE)
            shape = (largest_id + 1, config.embedding_size)
            if weights.tensors.keys() != {_TABLE} or table is None or table.shape != shape:
                raise InvalidFolderError(
                    f"{folder.path / _WEIGHTS_FILE} does not fit {cls.__name__}: expected "
                    f"{_TABLE!r} of shape {shape} alone, got "
                    f"{list(weights.tensors)[:3]!r:.200}, {table}."
                )
            with explained(source):
                encoder = cls(tokenizer, **config.model_dump())
            assign_weights(encoder, weights, str(folder.path / _WEIGHTS_FILE))
        return encoder


class _SavedConfig(Schema):
    """Content of the saved ``config.json``; older ones lack ``length``."""

    embedding_size: Size
    trainable: bool
    length: Annotated[float, Field(gt=0, le=1e9)] | None = None


@dataclass(frozen=True)
class TokenBags:
    """Collate function of a :class:`StaticEncoder`, without its weights.

    Args:
        tokenizer: The tokenizer.
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
            ValueError: The tokenizer cannot tokenize a text.
        """
        check_texts(texts, "StaticEncoder")
        # One by one: encode_batch starts threads, which do not survive the fork into a worker.
        with tokenizing("StaticEncoder"):
            bags = [self.tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
        lengths = torch.tensor([len(bag) for bag in bags], dtype=torch.int64)
        return {
            "input_ids": torch.tensor([token for bag in bags for token in bag], dtype=torch.int64),
            "offsets": lengths.cumsum(0) - lengths,
        }


def _count_rows(tokenizer: Tokenizer) -> int:
    """Return the number of rows of a table for all ids, which may have gaps."""
    ids = tokenizer.get_vocab().values()
    if not ids:
        raise ValueError("The tokenizer has no vocabulary: train it, or load a trained one.")
    return max(ids) + 1


def _check_training(faults: Faults, trainable: object, length: object) -> None:
    """Check the arguments that every way of building an encoder has."""
    with faults.collected():
        check_flag("trainable", trainable)
    with faults.collected():
        if length is not None and not (
            isinstance(length, (int, float)) and type(length) is not bool and 0 < length < math.inf
        ):
            raise ValueError(
                "Expected length to be a positive number, or None to keep means as they are, got "
                f"{length!r:.60}."
            )


def _check_unused(arguments: dict[str, Any], given: str, hint: str) -> None:
    """Refuse arguments that another one leaves without a meaning."""
    names = [name for name, value in arguments.items() if value is not None]
    if names:
        raise ValueError(f"{', '.join(names)} cannot be combined with {given}. {hint}")
