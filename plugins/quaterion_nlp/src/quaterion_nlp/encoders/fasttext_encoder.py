"""Word vectors of fastText, aggregated over the tokens of a text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import Self

from quaterion_core.encoders import Encoder
from quaterion_core.storage import SavedFolder, write_json
from quaterion_core.utils.faults import Faults
from quaterion_nlp.encoders.checks import check_flag
from quaterion_nlp.encoders.subword_vectors import SubwordVectors
from quaterion_nlp.encoders.texts import check_texts
from quaterion_nlp.saved.schemas import Schema, check, explained

if TYPE_CHECKING:
    from gensim.models import FastText, KeyedVectors

_CONFIG_FILE: Final = "config.json"
_FASTTEXT_MAGIC: Final = (793712314).to_bytes(4, "little")


class FasttextEncoder(Encoder):
    """Frozen encoder of texts: the minimum, maximum or mean of its tokens' word vectors.

    The vectors are those of fastText or of any other table of word vectors. fastText finds a vector
    for a word that it has never seen by the word's character n-grams. Tokens without a vector are
    left out, and a text without any has the embedding zero.

    :meth:`get_tokens` splits texts at white space; a subclass may split them otherwise.

    A saved encoder holds the vectors as safetensors: loading it needs neither gensim nor pickle.

    Args:
        model_path: The path of a fastText model (``.bin``), which takes gensim to read
            (``quaterion-nlp[fasttext]``); or what gensim trained or loaded, ``FastText`` or
            ``KeyedVectors``; or ``SubwordVectors``.
        on_disk: Whether the encoder, once saved and loaded, leaves the vectors in their file and
            maps it into memory instead of reading gigabytes. The folder must not be removed.
        aggregations: One or more of ``"min"``, ``"max"`` and ``"avg"``, whose results are
            concatenated; ``["avg"]`` by default.

    Raises:
        TypeError: ``model_path`` is something else, or ``on_disk`` is not a boolean.
        ValueError: An aggregation is unknown, the file is not a fastText model, or arguments are
            wrong for both reasons; all faults are listed.
        ImportError: gensim is missing.

    Example:
        >>> vectors = np.array([[1.0, 4.0], [3.0, 2.0]], dtype=np.float32)
        >>> vectors = SubwordVectors(["red", "house"], vectors, np.empty((0, 2)), 0, 0)
        >>> encoder = FasttextEncoder(vectors, aggregations=["avg", "max"])
        >>> encoder(encoder.get_collate_fn()(["red house", "unknown"]))
        tensor([[2., 3., 3., 4.],
                [0., 0., 0., 0.]])
    """

    aggregation_options: ClassVar[list[str]] = ["min", "max", "avg"]

    def __init__(
        self,
        model_path: str | Path | FastText | KeyedVectors | SubwordVectors,
        on_disk: bool = False,
        aggregations: Sequence[str] | None = None,
    ):
        super().__init__()
        is_path = isinstance(model_path, (str, Path))
        self._model_path = str(model_path) if is_path else None
        aggregations = ["avg"] if aggregations is None else aggregations
        faults = Faults()
        with faults.collected():
            is_list = isinstance(aggregations, (list, tuple)) and len(aggregations) > 0
            if not is_list or not all(a in self.aggregation_options for a in aggregations):
                raise ValueError(
                    "Expected aggregations to be a list of one or more of "
                    f"{', '.join(self.aggregation_options)}, got {aggregations!r:.80}."
                )
        with faults.collected():
            check_flag("on_disk", on_disk)
        with faults.collected():
            self._vectors = _vectors_of(model_path)
        faults.raise_all()
        self._on_disk = on_disk
        self._aggregations = list(aggregations)
        # Moves with the module, and so gives the device of the embeddings.
        self.register_buffer("_device_marker", torch.empty(0), persistent=False)

    @property
    def trainable(self) -> bool:
        """``False``: word vectors are looked up and not trained."""
        return False

    @property
    def embedding_size(self) -> int:
        """Dimensions of the word vectors times the number of aggregations."""
        return self._vectors.size * len(self._aggregations)

    @classmethod
    def get_tokens(cls, batch: list[Any]) -> list[list[str]]:
        """Split texts into tokens, here at white space.

        Args:
            batch: N raw objects, here strings.

        Returns:
            N lists of tokens.

        Raises:
            TypeError: An object is not a string.
        """
        check_texts(batch, cls.__name__)
        return [text.split() for text in batch]

    def get_collate_fn(self) -> Any:
        """Return :meth:`get_tokens`."""
        return self.get_tokens

    @classmethod
    def aggregate(cls, embeddings: Tensor, operation: str) -> Tensor:
        """Aggregate the vectors of a text.

        Args:
            embeddings: Vectors of T tokens, (T, D), T at least 1.
            operation: ``"min"``, ``"max"`` or ``"avg"``.

        Returns:
            One vector, (D,).

        Raises:
            ValueError: The operation is another.
        """
        if operation == "min":
            return embeddings.amin(dim=0)
        if operation == "max":
            return embeddings.amax(dim=0)
        if operation == "avg":
            return embeddings.mean(dim=0)
        raise ValueError(
            f"There is no aggregation {operation!r}: use one of "
            f"{', '.join(cls.aggregation_options)}."
        )

    def forward(self, batch: list[list[str]]) -> Tensor:
        """Look up the vectors of tokens and aggregate them.

        Args:
            batch: N lists of tokens.

        Returns:
            Embeddings of shape (N, D × number of aggregations), on the device of the module.
        """
        embeddings = torch.zeros(len(batch), self.embedding_size)
        for row, tokens in enumerate(batch):
            found = [v for token in tokens if (v := self._vectors.find(token)) is not None]
            if found:
                vectors = torch.from_numpy(np.stack(found))
                embeddings[row] = torch.cat(
                    [self.aggregate(vectors, a) for a in self._aggregations]
                )
        return embeddings.to(self.get_buffer("_device_marker"))

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments of the constructor.

        Raises:
            NotImplementedError: The encoder was not made from the path of a fastText model.
                :meth:`save` works nevertheless.
        """
        if self._model_path is None:
            raise NotImplementedError(
                f"This {type(self).__name__} was not made from the path of a fastText model, so "
                "there are no arguments that build it again. Use save(path)."
            )
        return {
            "model_path": self._model_path,
            "on_disk": self._on_disk,
            "aggregations": self._aggregations,
        }

    def save(self, output_path: str | Path) -> None:
        """Save ``config.json``, ``vocabulary.json`` and ``vectors.safetensors`` into a folder."""
        folder = Path(output_path)
        config = {"on_disk": self._on_disk, "aggregations": self._aggregations}
        write_json(folder / _CONFIG_FILE, config, owner=type(self).__name__)
        self._vectors.save(folder)

    @classmethod
    def load_from(cls, folder: SavedFolder) -> Self:
        """Load an encoder from an opened folder that :meth:`save` filled; does not need gensim.

        Raises:
            InvalidFolderError: A file is missing, surplus or broken, or they do not belong
                together.
        """
        folder.require({_CONFIG_FILE, *SubwordVectors.FILES})
        source = str(folder.path / _CONFIG_FILE)
        config = check(_SavedConfig, folder.read_json(_CONFIG_FILE), source)
        vectors = SubwordVectors.load(folder, on_disk=config.on_disk)
        with explained(source):
            return cls(vectors, **config.model_dump())


class _SavedConfig(Schema):
    """Content of the saved ``config.json``."""

    on_disk: bool
    aggregations: list[Literal["min", "max", "avg"]] = Field(min_length=1, max_length=3)


def load_fasttext_model(path: str | Path) -> KeyedVectors:
    """Load word vectors from a file of fastText or of gensim.

    gensim's own files are pickles: loading one can run any code that is in it. Open only what you
    trust.

    Args:
        path: A fastText model (``.bin``), or what gensim's ``FastText.save`` or
            ``KeyedVectors.save`` wrote.

    Returns:
        The vectors, for :class:`FasttextEncoder`.

    Raises:
        FileNotFoundError: There is no such file.
        ImportError: gensim is missing.
    """
    keyed_vectors, fasttext = _gensim()
    if _is_fasttext_binary(Path(path)):
        return fasttext.load_facebook_vectors(str(path))
    loaded = keyed_vectors.KeyedVectors.load(str(path), mmap="r")
    return getattr(loaded, "wv", loaded)


def _vectors_of(model: object) -> SubwordVectors:
    if isinstance(model, SubwordVectors):
        return model
    keyed_vectors, fasttext = _gensim()
    if isinstance(model, (str, Path)):
        if not _is_fasttext_binary(Path(model)):
            raise ValueError(
                f"{model} is no fastText model (.bin). If gensim saved it, it is a pickle, which "
                "can run code when it is opened. If you trust it, open it yourself: "
                "FasttextEncoder(load_fasttext_model(path))."
            )
        model = fasttext.load_facebook_vectors(str(model))
    if isinstance(model, fasttext.FastText):
        model = model.wv
    if isinstance(model, keyed_vectors.KeyedVectors):
        return SubwordVectors.of_gensim(model)
    raise TypeError(
        "Expected FasttextEncoder to get the path of a fastText model, or gensim's FastText or "
        f"KeyedVectors, got a {type(model).__name__}."
    )


def _is_fasttext_binary(path: Path) -> bool:
    try:
        is_file = path.is_file()  # a named pipe would block
    except (OSError, ValueError):  # too long, or with a null character
        is_file = False
    if not is_file:
        raise FileNotFoundError(f"There is no file {str(path)!r:.200} with word vectors.")
    with path.open("rb") as file:
        return file.read(len(_FASTTEXT_MAGIC)) == _FASTTEXT_MAGIC


def _gensim() -> tuple[ModuleType, ModuleType]:
    """Import gensim lazily: loading a saved encoder does not need it."""
    try:
        from gensim.models import fasttext, keyedvectors
    except ImportError as error:
        raise ImportError(
            "Reading vectors of fastText or gensim requires gensim: "
            'pip install "quaterion-nlp[fasttext]"'
        ) from error
    return keyedvectors, fasttext
