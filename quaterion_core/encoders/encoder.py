"""The interface of encoders."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from inspect import getattr_static
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.utils.data import default_collate
from typing_extensions import Self

from quaterion_core.encoders.export_form import ExportForm
from quaterion_core.plugins import registry
from quaterion_core.storage import SavedFolder, load_module, open_saved_folder, save_module
from quaterion_core.types import CollateFnType, MetaExtractorFnType, TensorTree
from quaterion_core.utils.child_components import remembered_classes, remembering_classes
from quaterion_core.utils.config_migration import VersionedConfig


class Encoder(nn.Module, VersionedConfig, ABC):
    """Base class of encoders, which turn batches of raw objects into embeddings.

    A subclass defines whether it is trained (:attr:`trainable`), the size of its embeddings
    (:attr:`embedding_size`), how a list of raw objects is collated into a batch
    (:meth:`get_collate_fn`) and how a batch is embedded (:meth:`forward`).

    An encoder that is not trainable is frozen: it always runs in evaluation mode and without a
    graph, and its parameters do not require grad.

    An encoder that declares its configuration with :meth:`get_config_dict` needs no code to be
    saved. One that wraps a model of another library overrides :meth:`save` and
    :meth:`load` instead.

    Example:
        >>> import torch
        >>> class LetterCounts(Encoder):
        ...     def __init__(self, letters: str):
        ...         super().__init__()
        ...         self.letters = letters
        ...     @property
        ...     def trainable(self): return False
        ...     @property
        ...     def embedding_size(self): return len(self.letters)
        ...     def get_collate_fn(self): return self.count
        ...     def count(self, words):
        ...         return torch.tensor([[float(w.count(c)) for c in self.letters] for w in words])
        ...     def forward(self, batch): return batch
        ...     def get_config_dict(self): return {"letters": self.letters}
        >>> encoder = LetterCounts("ab")
        >>> encoder(encoder.get_collate_fn()(["abba", "bob"]))
        tensor([[2., 2.],
                [0., 2.]])
    """

    @property
    @abstractmethod
    def trainable(self) -> bool:
        """Whether training changes this encoder. A frozen one (``False``) may be cached."""

    @property
    @abstractmethod
    def embedding_size(self) -> int:
        """Number of columns D that :meth:`forward` returns."""

    def get_collate_fn(self) -> CollateFnType:
        """Return the function that turns a list of raw objects into a batch for :meth:`forward`.

        By default PyTorch's :func:`~torch.utils.data.default_collate`, which stacks tensors, NumPy
        arrays and numbers, also within dictionaries and tuples. It runs in the data loader's
        workers, so it must be picklable and should not hold the encoder's weights.
        """
        return default_collate

    def get_train_collate_fn(self) -> CollateFnType | None:
        """Return the collate function for training data, for an encoder that augments them.

        It replaces :meth:`get_collate_fn` for training batches only, not in validation,
        evaluation, mining and serving. ``None``, the default, if training data are collated like
        all other data.

        A frozen encoder that augments is cached with several views of each training object; see
        :class:`~quaterion_core.train.cache.CacheConfig`.
        """
        return None

    @abstractmethod
    def forward(self, batch: TensorTree) -> Tensor:
        """Embed a batch.

        Args:
            batch: N raw objects, collated by the encoder's collate function.

        Returns:
            Embeddings of shape (N, :attr:`embedding_size`), floating point.
        """

    def disable_gradients_if_required(self) -> None:
        """Freeze the parameters of an encoder that is not trainable."""
        if not self.trainable:
            self.requires_grad_(False)

    def train(self, mode: bool = True) -> Self:
        """Set training or evaluation mode; a frozen encoder stays in evaluation mode."""
        return super().train(mode and self.trainable)

    @classmethod
    def extract_meta(cls, batch: list[Any]) -> list[dict[str, Any]]:
        """Extract metadata of raw objects for the head, one dictionary for each object.

        Args:
            batch: N raw objects.

        Returns:
            N dictionaries, empty by default.
        """
        return [{} for _ in batch]

    def get_meta_extractor(self) -> MetaExtractorFnType:
        """Return the function that extracts metadata; :meth:`extract_meta` by default."""
        return self.extract_meta

    @property
    def reads_meta(self) -> bool:
        """Whether the encoder extracts meta; otherwise it is empty.

        By default, whether the class overrides :meth:`extract_meta` or :meth:`get_meta_extractor`.
        """
        return any(
            getattr_static(type(self), name) is not getattr_static(Encoder, name)
            for name in ("extract_meta", "get_meta_extractor")
        )

    def get_length_fn(self) -> Callable[[list[Any]], Sequence[int]] | None:
        """Return a function that returns the length of each of N raw objects.

        The length of a text is its number of tokens. Objects of similar length are then embedded
        together, which reduces padding. Like the collate function it takes a list and runs in
        workers. ``None``, the default, if all objects have the same length.
        """
        return None

    def get_export_form(self) -> ExportForm:
        """Return the encoder in a form that runs outside of Python, such as an ONNX graph.

        Raises:
            NotImplementedError: The encoder has no such form.
        """
        raise NotImplementedError(
            f"{type(self).__name__} cannot be exported: it does not say how its objects become "
            "arrays outside of Python. Define get_export_form() to return an ExportForm of "
            "quaterion_core.encoders."
        )

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments of the constructor that rebuild this encoder, as JSON values.

        Raises:
            NotImplementedError: The encoder does not declare its configuration.
        """
        raise NotImplementedError(
            f"{type(self).__name__} cannot be saved: it declares no configuration. Define "
            "get_config_dict() to return the arguments of its constructor as JSON values, or "
            "override save(path) and load(path)."
        )

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Build an encoder from the result of :meth:`get_config_dict`."""
        return cls(**config)

    @classmethod
    def from_data(cls, objects: Iterable[Any], **config: Any) -> Self:
        """Build an encoder for a training dataset, by default from its configuration alone.

        An encoder that learns something from the objects before training starts, such as a
        tokenizer's vocabulary, overrides this with keyword arguments of its own.

        Args:
            objects: The raw training objects; can be iterated over only once.
            **config: The arguments of the choice.
        """
        return cls.from_config(config)

    saved_files: ClassVar[Collection[str] | None] = None
    """Files that :meth:`save` writes, for an encoder that overrides :meth:`save` and :meth:`load`.

    Paths relative to the folder, with forward slashes; ``*`` matches any text. Other files are
    refused before :meth:`load` is called. ``None``, the default, allows all but pickles and code.
    """

    def save(self, output_path: str | Path) -> None:
        """Save configuration (JSON) and weights (safetensors) to an existing folder."""
        with remembering_classes(output_path):
            save_module(self, Path(output_path))

    @classmethod
    def load(cls, input_path: str | Path) -> Self:
        """Load an encoder from a folder that :meth:`save` has written.

        When a saved model is loaded, an encoder that overrides this method gets a private copy of
        the files, which is removed when it returns.
        """
        with (
            registry.given(remembered_classes(input_path)),
            open_saved_folder(input_path) as folder,
        ):
            return cls.load_from(folder)

    @classmethod
    def load_from(cls, folder: SavedFolder) -> Self:
        """Load an encoder from an open folder that :meth:`save` has written.

        Override this method instead of :meth:`load` to read files without a copy. The folder is
        untrusted: check its files with ``folder.require(...)``.
        """
        return load_module(cls, folder)


def length_functions(
    encoders: Mapping[str, Encoder],
) -> dict[str, Callable[[list[Any]], Sequence[int]]]:
    """Return the length function of each encoder that has one, by key."""
    return {key: tell for key, encoder in encoders.items() if (tell := encoder.get_length_fn())}


def collate_functions(encoders: Mapping[str, Encoder]) -> dict[str, CollateFnType]:
    """Return the collate function of each encoder."""
    return {key: encoder.get_collate_fn() for key, encoder in encoders.items()}


def train_collate_functions(encoders: Mapping[str, Encoder]) -> dict[str, CollateFnType]:
    """Return the collate function of each encoder for training data."""
    return {
        key: encoder.get_train_collate_fn() or encoder.get_collate_fn()
        for key, encoder in encoders.items()
    }


def meta_extractors(encoders: Mapping[str, Encoder]) -> dict[str, MetaExtractorFnType]:
    """Return the meta extractors of the encoders that extract meta."""
    return {key: e.get_meta_extractor() for key, e in encoders.items() if e.reads_meta}
