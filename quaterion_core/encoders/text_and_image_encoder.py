"""An encoder of texts and images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar, Final

from typing_extensions import Self

from quaterion_core.components import build_component
from quaterion_core.encoders.encoder import Encoder
from quaterion_core.encoders.switch_encoder import SwitchEncoder
from quaterion_core.utils.items import LazyItems, rereadable

TEXT: Final = "text"
IMAGE: Final = "image"


class TextAndImageEncoder(SwitchEncoder):
    """Encoder of texts and images: a ``str`` is a text, everything else an image.

    The path of an image must be a :class:`pathlib.Path`, since a ``str`` is a text. The options
    are ``"text"`` and ``"image"``, also in the meta of objects.

    In a recipe, and in :meth:`Quaterion.build <quaterion_core.Quaterion.build>`, both are chosen
    like any encoder; one that learns from the training data gets the objects of its modality::

        encoder:
          name: text-and-image
          text: {name: static, embedding_size: 512}
          image: {name: timm, model: resnet18}

    Args:
        options: The encoders, ``{"text": ..., "image": ...}``, of the same embedding size.

    Raises:
        TypeError: An option is not an encoder.
        ValueError: The options are not exactly these two, or their sizes differ.

    Example:
        >>> import torch
        >>> class Ones(Encoder):
        ...     trainable = False
        ...     embedding_size = 2
        ...     def get_collate_fn(self): return len
        ...     def forward(self, batch): return torch.ones(batch, 2)
        >>> class Zeros(Ones):
        ...     def forward(self, batch): return torch.zeros(batch, 2)
        >>> encoder = TextAndImageEncoder({"text": Ones(), "image": Zeros()})
        >>> encoder(encoder.get_collate_fn()(["a seven", torch.rand(1, 8, 8)]))
        tensor([[1., 1.],
                [0., 0.]])
    """

    component_arguments: ClassVar[Mapping[str, str]] = {TEXT: "encoder", IMAGE: "encoder"}

    def __init__(self, options: Mapping[str, Encoder]):
        if options.keys() != {TEXT, IMAGE}:
            raise ValueError(
                f"Expected the options {TEXT!r} and {IMAGE!r} of TextAndImageEncoder, got "
                f"{', '.join(map(repr, options)) or 'none'}."
            )
        super().__init__(options)

    @classmethod
    def encoder_selection(cls, record: Any) -> str:
        """Return ``"text"`` for a ``str`` and ``"image"`` otherwise."""
        return TEXT if isinstance(record, str) else IMAGE

    @classmethod
    def from_data(  # type: ignore[override]  # states the arguments that the base leaves open
        cls, objects: Iterable[Any], *, text: Any, image: Any
    ) -> Self:
        """Build the encoders of texts and of images, each from its part of the training objects.

        Args:
            objects: The training objects.
            text: The encoder of texts: a name, a mapping of a name and arguments, or an encoder.
            image: The encoder of images, in the same way.
        """
        source = rereadable(objects)
        choices = {TEXT: text, IMAGE: image}
        return cls(
            {
                key: build_component("encoder", choice, objects=LazyItems(cls._reader(source, key)))
                for key, choice in choices.items()
            }
        )

    @classmethod
    def _reader(cls, objects: Iterable[Any], key: str) -> Callable[[], Iterator[Any]]:
        """Return a function that iterates over the objects for one of the encoders."""
        return lambda: (obj for obj in objects if cls.encoder_selection(obj) == key)
