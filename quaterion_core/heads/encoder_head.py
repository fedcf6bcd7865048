"""Interface of a head: the layer that maps the encoders' embeddings to the model's."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor, nn
from typing_extensions import Self

from quaterion_core.components import CheckedArguments
from quaterion_core.plugins import registry
from quaterion_core.storage import SavedFolder, load_module, open_saved_folder, save_module
from quaterion_core.types import MetaExtractorFnType
from quaterion_core.utils.child_components import remembered_classes, remembering_classes
from quaterion_core.utils.config_migration import VersionedConfig
from quaterion_core.utils.ranges import Count, DropoutRate


class EncoderHead(CheckedArguments, nn.Module, VersionedConfig, ABC):
    """Layer that maps the concatenated encoder embeddings to the embedding of the model.

    A subclass defines :attr:`output_size` and :meth:`transform`, and adds its own arguments to
    :meth:`get_config_dict`. Saving and loading then work. A head that needs the meta of objects
    overrides :meth:`forward` instead of :meth:`transform`.

    Args:
        input_embedding_size: D_in, the sum of the encoders' embedding sizes.
        dropout: Probability of dropping each input value in :meth:`forward` during training.

    Raises:
        TypeError: The class defines neither :meth:`transform` nor :meth:`forward`.
        ValueError: The size is not positive, or the probability is not in [0, 1).

    Example:
        >>> import torch
        >>> class Half(EncoderHead):
        ...     @property
        ...     def output_size(self): return self.input_embedding_size // 2
        ...     def transform(self, input_vectors): return input_vectors[:, : self.output_size]
        >>> Half(input_embedding_size=4)(torch.ones(3, 4)).shape
        torch.Size([3, 2])
    """

    def __init__(self, input_embedding_size: Count, dropout: DropoutRate = 0.0):
        super().__init__()
        own = type(self)
        if own.transform is EncoderHead.transform and own.forward is EncoderHead.forward:
            raise TypeError(
                f"Expected a head that defines transform(), got {own.__name__}, which defines "
                "neither transform() nor forward()."
            )
        if input_embedding_size < 1:
            raise ValueError(
                f"Expected input_embedding_size to be positive, got {input_embedding_size}."
            )
        if not 0.0 <= dropout < 1.0:
            raise ValueError(f"Expected dropout, a probability, to be in [0, 1), got {dropout}.")
        self.input_embedding_size = input_embedding_size
        self.dropout_prob = dropout
        self.dropout = nn.Dropout(p=dropout) if dropout > 0.0 else nn.Identity()

    @property
    @abstractmethod
    def output_size(self) -> int:
        """D_out, the size of the model's embeddings."""

    def transform(self, input_vectors: Tensor) -> Tensor:
        """Map embeddings (N, D_in), after dropout, to embeddings (N, D_out)."""
        raise NotImplementedError(f"{type(self).__name__} defines no transform().")

    def forward(self, input_vectors: Tensor, meta: list[Any] | None = None) -> Tensor:
        """Apply dropout, then :meth:`transform`.

        Args:
            input_vectors: Embeddings (N, D_in).
            meta: What the encoders extracted from each of the N raw objects; ignored by most heads.

        Returns:
            Embeddings (N, D_out).

        Raises:
            ValueError: The embeddings are not of size :attr:`input_embedding_size`.
        """
        self.check_input_size(input_vectors)
        return self.transform(self.dropout(input_vectors))

    def get_meta_extractor(self) -> MetaExtractorFnType | None:
        """Return the function that extracts what this head has to know of N raw objects.

        Like :meth:`Encoder.extract_meta <quaterion_core.encoders.Encoder.extract_meta>` it returns
        N dictionaries. ``None``, the default, if the head needs nothing but embeddings, or what the
        encoders extract.
        """
        return None

    def check_input_size(self, input_vectors: Tensor) -> None:
        """Raise a ``ValueError`` unless the embeddings are of size :attr:`input_embedding_size`."""
        if input_vectors.shape[-1] != self.input_embedding_size:
            raise ValueError(
                f"Expected embeddings of size {self.input_embedding_size} for "
                f"{type(self).__name__}, got a tensor of shape "
                f"{tuple(input_vectors.shape)}. Build the head with input_embedding_size = the "
                "sum of the encoders' embedding sizes."
            )

    def get_layers(self) -> list[nn.Module]:
        """Return layers that do, one after the other, what the head does in evaluation.

        They are layers of ``torch.nn`` and of :mod:`quaterion_core.modules`, for libraries that
        know no heads.

        Raises:
            NotImplementedError: It cannot be expressed by such layers.
        """
        raise NotImplementedError(
            f"{type(self).__name__} cannot be expressed as a sequence of common layers."
        )

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this head, as JSON values."""
        return {
            "input_embedding_size": self.input_embedding_size,
            "dropout": self.dropout_prob,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Build a head from what :meth:`get_config_dict` returned."""
        return cls(**config)

    saved_files: ClassVar[Collection[str] | None] = None
    """What :meth:`save` writes, for a head that overrides :meth:`save` and :meth:`load`.

    See :attr:`quaterion_core.encoders.Encoder.saved_files`.
    """

    def save(self, output_path: str | Path) -> None:
        """Save configuration (JSON) and weights (safetensors) into an existing folder."""
        with remembering_classes(output_path):
            save_module(self, Path(output_path))

    @classmethod
    def load(cls, input_path: str | Path) -> Self:
        """Load a head from a folder that :meth:`save` filled."""
        with (
            registry.given(remembered_classes(input_path)),
            open_saved_folder(input_path) as folder,
        ):
            return cls.load_from(folder)

    @classmethod
    def load_from(cls, folder: SavedFolder) -> Self:
        """Load a head from an opened folder that :meth:`save` filled."""
        return load_module(cls, folder)


def head_meta_extractors(head: EncoderHead) -> dict[str, MetaExtractorFnType]:
    """Return the meta extractors of a head and the heads in it, by their places."""
    return {
        f"head.{name}": extract
        for name, module in head.named_modules()
        if isinstance(module, EncoderHead) and (extract := module.get_meta_extractor())
    }
