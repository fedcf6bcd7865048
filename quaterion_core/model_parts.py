"""The parts of a model: encoders and a head that fit each other and do what they declare."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from quaterion_core.dataset.embedded import Embedded
from quaterion_core.encoders.encoder import Encoder
from quaterion_core.heads.encoder_head import EncoderHead
from quaterion_core.storage import NotSavableError
from quaterion_core.types import TensorTree
from quaterion_core.utils.given import expected
from quaterion_core.utils.options import KEY_PATTERN


def check_encoders(encoders: Mapping[str, Encoder]) -> None:
    """Check that encoders are a mapping from keys to encoders.

    Raises:
        TypeError: They are not.
    """
    if not isinstance(encoders, Mapping):
        raise expected("encoders", "an Encoder, or a mapping from keys to encoders", encoders)
    for key, encoder in encoders.items():
        if not isinstance(encoder, Encoder):
            name = f"the encoder {key!r}"
            raise expected(name, "an Encoder from quaterion_core.encoders", encoder)


def check_parts(encoders: Mapping[str, Encoder], head: EncoderHead) -> None:
    """Check that encoders and a head make up a model.

    Raises:
        TypeError: Something is not an encoder or not a head.
        ValueError: A key is not allowed, or the head's input size is not the encoders' total.
    """
    check_encoders(encoders)
    if not encoders:
        raise ValueError("A model needs at least one encoder, but got an empty dictionary.")
    for key in encoders:
        if not isinstance(key, str) or not KEY_PATTERN.fullmatch(key):
            raise ValueError(
                f"{key!r} cannot be the key of an encoder. Use letters, digits, '_' and '-', "
                "beginning with a letter or a digit."
            )
    if not isinstance(head, EncoderHead):
        raise expected("the head", "an EncoderHead from quaterion_core.heads", head)
    sizes = {key: encoder.embedding_size for key, encoder in encoders.items()}
    if head.input_embedding_size != sum(sizes.values()):
        listed = " + ".join(f"{size} ({key})" for key, size in sorted(sizes.items()))
        raise ValueError(
            f"The head ({type(head).__name__}) takes embeddings of size "
            f"{head.input_embedding_size}, but the encoders give {listed}. Make the head with "
            f"input_embedding_size={sum(sizes.values())}."
        )


def check_weights(parts: Mapping[str, nn.Module]) -> None:
    """Check the weights of encoders, by key, and of the ``head``.

    Raises:
        NotSavableError: A weight is NaN or infinite.
    """
    for key, part in parts.items():
        for name, value in part.state_dict().items():
            if (
                isinstance(value, Tensor)
                and value.is_floating_point()
                and not bool(torch.isfinite(value).all())
            ):
                owner = "the head" if part is parts["head"] else f"the encoder {key!r}"
                raise NotSavableError(
                    f"The model is not saved: the weight {name!r} of {owner} "
                    f"({type(part).__name__}) is NaN or infinite, by a training run that diverged. "
                    "Train again with a lower learning rate, or from the last good checkpoint."
                )


def embed(encoder: Encoder, data: TensorTree) -> Tensor:
    """Embed what an encoder's collate function returned, a frozen encoder without a graph."""
    if isinstance(data, Embedded):
        return data.embeddings
    if isinstance(data, Tensor) and data.is_floating_point() and not torch.is_autocast_enabled():
        # A model that was converted, such as by half(), still collates in float32.
        weights = (value for value in encoder.parameters() if value.is_floating_point())
        data = data.to(next(weights, data).dtype)
    with torch.set_grad_enabled(torch.is_grad_enabled() and encoder.trainable):
        output: Tensor = encoder(data)
    return output


def embed_checked(key: str, encoder: Encoder, data: TensorTree, count: int) -> Tensor:
    """Embed what an encoder's collate function returned for a number of objects.

    Raises:
        ValueError: The encoder returns something else than it declares.
    """
    output = embed(encoder, data)
    _check_output(key, encoder, output, count)
    return _outside_inference_mode(key, encoder, output)


def _check_output(key: str, encoder: Encoder, output: object, count: int) -> None:
    promised = f"a floating-point tensor of shape ({count}, {encoder.embedding_size})"
    name = f"The encoder {key!r} ({type(encoder).__name__})"
    if not isinstance(output, Tensor):
        raise ValueError(f"{name} returned a {type(output).__name__} instead of {promised}.")
    if output.shape != (count, encoder.embedding_size) or not output.is_floating_point():
        error = OutputError(
            f"{name} returned {tuple(output.shape)} of {output.dtype} instead of {promised}: one "
            "row for each object, and as many columns as its embedding_size says."
        )
        error.shape, error.embedding_size = tuple(output.shape), encoder.embedding_size
        raise error


class OutputError(ValueError):
    """The embeddings of an encoder do not have the shape or the type that it declares.

    Attributes:
        shape: The shape that they have.
        embedding_size: What the encoder declares.
    """

    shape: tuple[int, ...] = ()
    embedding_size = 0

    def is_of_batch(self, inputs: Any) -> bool:
        """Tell whether one object that was embedded is a tensor or array of several objects."""
        if not isinstance(inputs, (Tensor, np.ndarray)) or inputs.ndim < 2:
            return False
        return self.shape == (1, len(inputs), self.embedding_size)


def _outside_inference_mode(key: str, encoder: Encoder, output: Tensor) -> Tensor:
    """Return embeddings that a graph may hold, unless inference mode is on here, too."""
    if not output.is_inference() or torch.is_inference_mode_enabled():
        return output
    if encoder.trainable and torch.is_grad_enabled():
        raise ValueError(
            f"The encoder {key!r} ({type(encoder).__name__}) is trainable, but its forward() runs "
            "in torch.inference_mode(), so that it gets no gradient. SentenceTransformer.encode(), "
            "for one, does so: call the model itself. Or freeze the encoder: trainable = False."
        )
    return output.clone()
