"""Any sentence-transformers model as an encoder."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sentence_transformers import SentenceTransformer
from torch import Tensor, nn
from typing_extensions import Self

from quaterion_core.encoders import Encoder
from quaterion_core.storage import InvalidFolderError, read_json, write_json
from quaterion_nlp.encoders.texts import check_texts

_CONFIG_FILE: Final = "config.json"
_MODEL_FOLDER: Final = "model"
_PICKLED_OR_CODE: Final = {".bin", ".ckpt", ".pickle", ".pkl", ".pt", ".pth", ".py"}


class SentenceTransformerEncoder(Encoder):
    """Embeds texts with a sentence-transformers model: its pooled output, after all its modules.

    The embeddings are those of the model's own ``encode``; they are normalised if the model ends
    with a ``Normalize`` module. Code that a model brings along is never run
    (``trust_remote_code`` stays ``False``). The saved encoder holds the whole model as
    safetensors, so that loading it needs no network.

    Source: Reimers and Gurevych, Sentence-BERT, EMNLP 2019.

    Args:
        model: The name of a model on the Hugging Face Hub, such as
            ``"sentence-transformers/all-MiniLM-L6-v2"``, which is fetched unless this machine has
            it already; the path of a local folder; or a ``SentenceTransformer``, which is used
            itself and not copied.
        trainable: Whether training changes the model. A frozen one can be cached.
        max_seq_length: Tokens after which a text is cut off; by default the model's own limit.
        prompt: What is put in front of every text, such as ``"query: "``; by default the model's
            own default prompt, which most models do not have.

    Raises:
        TypeError: ``model`` is something else.
        ValueError: The model cannot be opened or does not say how long its embeddings are, or
            ``max_seq_length`` is not a positive integer.

    Example:
        A model that counts words:

        >>> from sentence_transformers import SentenceTransformer
        >>> from sentence_transformers.sentence_transformer.modules import BoW
        >>> model = SentenceTransformer(modules=[BoW(["red", "green", "blue"])], device="cpu")
        >>> encoder = SentenceTransformerEncoder(model)
        >>> encoder(encoder.get_collate_fn()(["green green", "red blue"])).tolist()
        [[0.0, 2.0, 0.0], [1.0, 0.0, 1.0]]
    """

    def __init__(
        self,
        model: str | Path | SentenceTransformer,
        trainable: bool = False,
        max_seq_length: int | None = None,
        prompt: str | None = None,
    ):
        super().__init__()
        self._name: str | None = None
        if isinstance(model, (str, Path)):
            self._name = str(model)
            model = _open(self._name)
        elif not isinstance(model, SentenceTransformer):
            raise TypeError(
                "SentenceTransformerEncoder takes the name of a model, a folder or a "
                f"SentenceTransformer, but got a {type(model).__name__}."
            )
        size = model.get_embedding_dimension()
        if size is None:
            raise ValueError(
                "The SentenceTransformer does not say how long its embeddings are: none of its "
                "modules has get_embedding_dimension(). End it with a Pooling or a Dense module."
            )
        if max_seq_length is not None:
            if type(max_seq_length) is not int or max_seq_length < 1:
                raise ValueError(
                    f"max_seq_length should be a positive integer, but is {max_seq_length!r}."
                )
            model.max_seq_length = max_seq_length
        if prompt is None and model.default_prompt_name is not None:
            prompt = model.prompts[model.default_prompt_name]
        self._max_seq_length = max_seq_length
        self._embedding_size = size
        self._trainable = trainable
        self._prompt = prompt
        self.model = model
        self.disable_gradients_if_required()

    @property
    def trainable(self) -> bool:
        """Whether training changes the model."""
        return self._trainable

    @property
    def embedding_size(self) -> int:
        """Size D of the model's embeddings."""
        return self._embedding_size

    def get_collate_fn(self) -> Tokenization:
        """Return the function that tokenizes N strings; it holds no weights."""
        return Tokenization(_without_weights(self.model[0]), self._prompt)

    def get_length_fn(self) -> TokenCounts:
        """Return the function that counts the tokens of N strings."""
        return TokenCounts(self.get_collate_fn())

    def forward(self, batch: dict[str, Any]) -> Tensor:
        """Embed N tokenized texts.

        Args:
            batch: What the model's own tokenization made of them.

        Returns:
            Embeddings of shape (N, D), cut off to the model's ``truncate_dim`` if it has one.
        """
        embeddings: Tensor = self.model(dict(batch))["sentence_embedding"]
        return embeddings[:, : self._embedding_size]

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments of the constructor.

        Raises:
            NotImplementedError: The encoder was made from a ``SentenceTransformer``, which has no
                name. :meth:`save` works nevertheless.
        """
        if self._name is None:
            raise NotImplementedError(
                "This SentenceTransformerEncoder was made from a SentenceTransformer and not from "
                "a name, so there are no arguments that build it again. Use save(path)."
            )
        return {
            "model": self._name,
            "trainable": self.trainable,
            "max_seq_length": self._max_seq_length,
            "prompt": self._prompt,
        }

    def save(self, output_path: str | Path) -> None:
        """Save the whole model into an existing folder, in ``model/`` beside ``config.json``."""
        folder = Path(output_path)
        config = {"trainable": self.trainable, "prompt": self._prompt}
        write_json(folder / _CONFIG_FILE, config, owner=type(self).__name__)
        self.model.save(str(folder / _MODEL_FOLDER), create_model_card=False)

    @classmethod
    def load(cls, input_path: str | Path) -> Self:
        """Load an encoder from a folder that :meth:`save` filled, without the network.

        Raises:
            InvalidFolderError: The folder is incomplete or broken, or has files that
                :meth:`save` never writes: pickles or code.
        """
        folder = Path(input_path)
        config = read_json(folder / _CONFIG_FILE)
        model_folder = folder / _MODEL_FOLDER
        if config.keys() != {"trainable", "prompt"} or not model_folder.is_dir():
            raise InvalidFolderError(f"{folder} does not hold a saved {cls.__name__}.")
        for file in sorted(model_folder.rglob("*")):
            if file.suffix in _PICKLED_OR_CODE:
                raise InvalidFolderError(
                    f"{file} could run code when it is loaded. A saved {cls.__name__} has no such "
                    "file: save the model again from where it comes from."
                )
        try:
            return cls(str(model_folder), **config)
        except ValueError as error:
            raise InvalidFolderError(str(error)) from error


@dataclass(frozen=True)
class Tokenization:
    """Turns strings into the batch of a :class:`SentenceTransformerEncoder`.

    Args:
        module: The first module of the model, whose weights are not used.
        prompt: What is put in front of every text.
    """

    module: Any
    prompt: str | None = None

    def __call__(self, texts: list[str]) -> dict[str, Any]:
        """Tokenize texts.

        Args:
            texts: N strings.

        Returns:
            What the model takes: padded token ids, attention mask, and so on.

        Raises:
            TypeError: An object is not a string.
        """
        check_texts(texts, SentenceTransformerEncoder.__name__)
        return dict(self.module.preprocess(texts, prompt=self.prompt))


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


def _open(name: str) -> SentenceTransformer:
    """Open a local folder or what was fetched before, or else fetch it from the hub."""
    is_folder = Path(name).is_dir()
    try:
        return SentenceTransformer(name, device="cpu", local_files_only=True)
    except Exception as error:  # the hub, transformers and safetensors raise all kinds
        cause = error
    if not is_folder:
        try:
            return SentenceTransformer(name, device="cpu")
        except Exception as error:
            cause = error
    raise ValueError(
        f"The sentence-transformers model {name!r} cannot be opened: {cause}\n"
        "Give the name of a model on the Hugging Face Hub, which needs the network the first time, "
        "or a local folder that SentenceTransformer.save() wrote."
    ) from cause


def _without_weights(module: nn.Module) -> nn.Module:
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
