"""Any sentence-transformers model as an encoder."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
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


class SentenceTransformerEncoder(Encoder):
    """Embeds texts with a sentence-transformers model: its pooled output, after all its modules.

    The embeddings are those of the model's own ``encode``. The saved encoder holds the whole model,
    so that loading it needs no network.

    Source: Reimers and Gurevych, Sentence-BERT, EMNLP 2019.

    Args:
        model: Name of a model on the Hugging Face hub, such as
            ``"sentence-transformers/all-MiniLM-L6-v2"``, or a local folder, or a
            ``SentenceTransformer``.
        trainable: Whether training changes the model. A frozen one can be cached.
        max_seq_length: Tokens after which a text is cut off; by default the model's own limit.

    Raises:
        TypeError: ``model`` is something else.
        ValueError: The model cannot be opened, or ``max_seq_length`` is not positive.
    """

    def __init__(
        self,
        model: str | Path | SentenceTransformer,
        trainable: bool = False,
        max_seq_length: int | None = None,
    ):
        super().__init__()
        if isinstance(model, (str, Path)):
            self._name = str(model)
            model = _open(self._name, local_files_only=Path(model).is_dir())
        elif isinstance(model, SentenceTransformer):
            self._name = ""
        else:
            raise TypeError(
                "SentenceTransformerEncoder takes the name of a model, a folder or a "
                f"SentenceTransformer, but got a {type(model).__name__}."
            )
        if max_seq_length is not None:
            if max_seq_length < 1:
                raise ValueError(f"max_seq_length should be positive, but is {max_seq_length}.")
            model.max_seq_length = max_seq_length
        self._trainable = trainable
        self.model = model
        self.disable_gradients_if_required()

    @property
    def trainable(self) -> bool:
        """Whether training changes the model."""
        return self._trainable

    @property
    def embedding_size(self) -> int:
        """Size D of the model's embeddings."""
        # Renamed in sentence-transformers 5.4; the old name warns.
        read = getattr(self.model, "get_embedding_dimension", None)
        size: int = read() if read else self.model.get_sentence_embedding_dimension()
        return size

    def get_collate_fn(self) -> Tokenization:
        """Return the function that tokenises N strings; it holds no weights."""
        return Tokenization(_without_weights(self.model[0]))

    def get_length_fn(self) -> Callable[[Any], int]:
        """Return the length of a text in characters, by which it is cached."""
        return len

    def forward(self, batch: dict[str, Any]) -> Tensor:
        """Embed N tokenised texts: shape (N, D)."""
        embeddings: Tensor = self.model(dict(batch))["sentence_embedding"]
        return embeddings

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments of the constructor.

        Raises:
            NotImplementedError: The encoder was made from a ``SentenceTransformer``, which has no
                name. :meth:`save` works nevertheless.
        """
        if not self._name:
            raise NotImplementedError(
                "This SentenceTransformerEncoder was made from a SentenceTransformer and not from "
                "a name, so there are no arguments that build it again. Use save(path)."
            )
        return {
            "model": self._name,
            "trainable": self.trainable,
            "max_seq_length": self.model.max_seq_length,
        }

    def save(self, output_path: str | Path) -> None:
        """Save the whole model into an existing folder."""
        folder = Path(output_path)
        write_json(folder / _CONFIG_FILE, {"trainable": self.trainable}, owner=type(self).__name__)
        self.model.save_pretrained(str(folder / _MODEL_FOLDER), create_model_card=False)

    @classmethod
    def load(cls, input_path: str | Path) -> Self:
        """Load an encoder from a folder that :meth:`save` filled, without the network.

        Raises:
            InvalidFolderError: The folder is incomplete or broken.
        """
        folder = Path(input_path)
        trainable = read_json(folder / _CONFIG_FILE).get("trainable")
        if not isinstance(trainable, bool):
            raise InvalidFolderError(f"{folder / _CONFIG_FILE} does not say what is trainable.")
        _check_module_types(folder / _MODEL_FOLDER)
        try:
            model = _open(str(folder / _MODEL_FOLDER), local_files_only=True)
        except ValueError as error:
            raise InvalidFolderError(f"{folder} holds no sentence-transformers model.") from error
        return cls(model, trainable)


class Tokenization:
    """Tokenises strings for a sentence-transformers model.

    Args:
        module: The first module of the model, whose weights are not used.
    """

    def __init__(self, module: Any):
        self._module = module

    def __call__(self, texts: list[str]) -> dict[str, Any]:
        """Tokenise texts.

        Args:
            texts: N strings.

        Returns:
            What the model takes: padded token ids, attention mask, and so on.

        Raises:
            TypeError: An object is not a string.
        """
        check_texts(texts, "SentenceTransformerEncoder")
        tokenize = getattr(self._module, "preprocess", None) or self._module.tokenize
        return dict(tokenize(texts))


def _open(name: str, *, local_files_only: bool) -> SentenceTransformer:
    try:
        return SentenceTransformer(
            name, device="cpu", local_files_only=local_files_only, trust_remote_code=False
        )
    except Exception as error:  # the hub, transformers and safetensors raise all kinds
        raise ValueError(
            f"The sentence-transformers model {name!r} cannot be opened: {error}\nGive the name of "
            "a model on the Hugging Face hub, which needs the network the first time, or a local "
            "folder that SentenceTransformer.save_pretrained() wrote."
        ) from error


def _check_module_types(folder: Path) -> None:
    """Refuse a model whose list of modules names classes from elsewhere: that would run code."""
    try:
        modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
        types = [module["type"] for module in modules]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InvalidFolderError(f"{folder} has no readable modules.json: {error}") from error
    for name in types:
        if not isinstance(name, str) or not name.startswith("sentence_transformers."):
            raise InvalidFolderError(
                f"{folder / 'modules.json'} names the class {name!r}, which is not part of "
                "sentence-transformers. Such a model is not loaded from a saved encoder."
            )


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
