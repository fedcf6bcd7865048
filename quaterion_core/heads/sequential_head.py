"""A head that applies a sequence of modules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, overload

from torch import Tensor, nn
from typing_extensions import Self

from quaterion_core.heads.encoder_head import EncoderHead
from quaterion_core.modules.layers import (
    build_layer,
    describe_layer,
    is_elementwise,
    layer_input_size,
)
from quaterion_core.utils.child_components import describe, rebuild
from quaterion_core.utils.ranges import Count


class SequentialHead(EncoderHead):
    """Sequence of modules: ``y = module_n(... module_1(x))``. It can be modified like a list.

    Any module can be trained. Heads can be saved, by the id of their class, and so can the linear
    layers, normalisations, activations and dropouts of ``torch.nn``. Make other modules a subclass
    of :class:`EncoderHead` with ``get_config_dict()``.

    Modules that are heads also get the meta of the objects, so that a
    :class:`~quaterion_core.heads.SwitchHead` can be one of them.

    Args:
        *modules: Modules to apply; without any, embeddings are unchanged.
        output_size: D_out, the output size of the last module.
        input_embedding_size: D_in. Required only if it cannot be inferred from the modules, because
            the first one is of an unknown kind.

    Raises:
        ValueError: The input size is neither given nor known from the modules, or the two differ.

    Example:
        >>> import torch
        >>> head = SequentialHead(
        ...     nn.Linear(8, 16), nn.ReLU(), nn.LayerNorm(16), nn.Linear(16, 4), output_size=4
        ... )
        >>> head(torch.ones(3, 8)).shape
        torch.Size([3, 4])
        >>> del head[2]
        >>> head[1] = nn.GELU()
        >>> [type(module).__name__ for module in head]
        ['Linear', 'GELU', 'Linear']
    """

    def __init__(
        self, *modules: nn.Module, output_size: Count, input_embedding_size: Count | None = None
    ):
        known = _input_size(modules, output_size)
        size = input_embedding_size if known is None else known
        if size is None:
            raise ValueError(
                "SequentialHead cannot infer its input size from its first modules. Pass "
                "input_embedding_size."
            )
        if input_embedding_size not in (None, size):
            raise ValueError(
                f"Expected input_embedding_size to be {size}, the input size of the modules of "
                f"SequentialHead, got {input_embedding_size}."
            )
        super().__init__(size)
        self.layers = nn.Sequential(*modules)
        self._output_size = output_size

    @property
    def output_size(self) -> int:
        """D_out, as given."""
        return self._output_size

    def forward(self, input_vectors: Tensor, meta: list[Any] | None = None) -> Tensor:
        """Apply the modules to embeddings (N, D_in), which gives (N, D_out).

        Raises:
            ValueError: The embeddings are not of size ``input_embedding_size``, or the
                modules give another size than ``output_size``.
        """
        self.check_input_size(input_vectors)
        vectors = input_vectors
        for layer in self.layers:
            vectors = layer(vectors, meta) if isinstance(layer, EncoderHead) else layer(vectors)
        if vectors.shape[-1] != self.output_size:
            raise ValueError(
                f"Expected the modules of SequentialHead to give embeddings of size "
                f"{self.output_size}, its output_size, got size {vectors.shape[-1]}."
            )
        return vectors

    def transform(self, input_vectors: Tensor) -> Tensor:
        """Apply the modules, without meta."""
        return self.forward(input_vectors)

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[nn.Module]:
        return iter(self.layers)

    @overload
    def __getitem__(self, index: int) -> nn.Module: ...

    @overload
    def __getitem__(self, index: slice) -> nn.Sequential: ...

    def __getitem__(self, index: int | slice) -> nn.Module:
        return self.layers[index]

    def __setitem__(self, index: int, module: nn.Module) -> None:
        self.layers[index] = module
        self._update_input_size()

    def __delitem__(self, index: int | slice) -> None:
        del self.layers[index]
        self._update_input_size()

    def append(self, module: nn.Module) -> Self:
        """Add a module at the end."""
        return self.insert(len(self), module)

    def extend(self, modules: Iterable[nn.Module]) -> Self:
        """Add modules at the end."""
        for module in modules:
            self.append(module)
        return self

    def insert(self, index: int, module: nn.Module) -> Self:
        """Add a module in front of the one at ``index``."""
        self.layers.insert(index, module)
        self._update_input_size()
        return self

    def get_layers(self) -> list[nn.Module]:
        """Return the layers; a head among them is replaced by its own.

        Raises:
            NotImplementedError: A head cannot be expressed by layers.
        """
        return [
            layer
            for module in self.layers
            for layer in (module.get_layers() if isinstance(module, EncoderHead) else [module])
        ]

    def get_config_dict(self) -> dict[str, Any]:
        """Return a description of the modules, and the sizes, as JSON values.

        Raises:
            NotSavableError: A module is neither a head nor a supported layer of ``torch.nn``.
        """
        return {
            "modules": [
                describe("head", module)
                if isinstance(module, EncoderHead)
                else describe_layer(module)
                for module in self.layers
            ],
            "output_size": self.output_size,
            "input_embedding_size": self.input_embedding_size,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Build a head from what :meth:`get_config_dict` returned."""
        modules = [
            build_layer(description) if "layer" in description else rebuild("head", description)
            for description in config["modules"]
        ]
        sizes = {name: value for name, value in config.items() if name != "modules"}
        return cls(*modules, **sizes)

    def _update_input_size(self) -> None:
        known = _input_size(self.layers, self.output_size)
        if known is not None:
            self.input_embedding_size = known


def _input_size(modules: Iterable[nn.Module], output_size: int) -> int | None:
    """Return the input size of a sequence of modules; ``None`` where it is not known."""
    for module in modules:
        if isinstance(module, EncoderHead):
            return module.input_embedding_size
        if not is_elementwise(module):
            return layer_input_size(module)
    return output_size
