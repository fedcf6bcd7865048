"""The model that is trained, saved and served: encoders, and a head on top of them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Final, Literal, overload

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from quaterion_core.dataset.chunking import Chunking
from quaterion_core.dataset.embedded import Embedded
from quaterion_core.dataset.similarity_samples import SimilarityGroupSample, SimilarityPairSample
from quaterion_core.dataset.train_collator import Features, collate_features
from quaterion_core.encoders.encoder import (
    Encoder,
    collate_functions,
    length_functions,
    meta_extractors,
)
from quaterion_core.heads.encoder_head import EncoderHead
from quaterion_core.heads.hubness_reduction_head import HubnessReductionHead, check_neighbourhood
from quaterion_core.model_folder import load_parts, save_parts
from quaterion_core.storage import InvalidFolderError, NotSavableError
from quaterion_core.types import CollateFnType, MetaExtractorFnType, TensorTree
from quaterion_core.utils.given import expected
from quaterion_core.utils.objects import about_object, as_part_of, object_list, positive_count
from quaterion_core.utils.options import KEY_PATTERN
from quaterion_core.utils.tensors import move_to_device

DEFAULT_ENCODER_KEY: Final = "default"


class SimilarityModel(nn.Module):
    """Encoders whose outputs are concatenated in the order of their keys, and a head.

    Args:
        encoders: One encoder, which gets the key ``default``, or several by key. A key is made
            of letters, digits, ``_`` and ``-``.
        head: Takes the concatenated embeddings.

    Raises:
        TypeError: Something is not an encoder or not a head.
        ValueError: A key is not allowed, or the head's input size is not the encoders' total.

    Example:
        >>> from quaterion_core.heads import EmptyHead
        >>> class Characters(Encoder):
        ...     @property
        ...     def trainable(self): return False
        ...     @property
        ...     def embedding_size(self): return 2
        ...     def get_collate_fn(self):
        ...         return lambda words: torch.tensor([[ord(w[0]), len(w)] for w in words]).float()
        ...     def forward(self, batch): return batch
        >>> model = SimilarityModel(Characters(), EmptyHead(2))
        >>> model.encode(["a", "bcd"])
        array([[97.,  1.],
               [98.,  3.]], dtype=float32)
    """

    def __init__(self, encoders: Encoder | Mapping[str, Encoder], head: EncoderHead):
        super().__init__()
        if isinstance(encoders, Encoder):
            encoders = {DEFAULT_ENCODER_KEY: encoders}
        if not isinstance(encoders, Mapping):
            raise expected("encoders", "an Encoder, or a mapping from keys to encoders", encoders)
        _check_parts(encoders, head)
        self._keys = sorted(encoders)
        self._encoders = nn.ModuleList(encoders[key] for key in self._keys)
        self._substituted: dict[str, Encoder] = {}
        self.register_load_state_dict_post_hook(  # type: ignore[no-untyped-call]
            _allow_frozen_encoders
        )
        self.head = head
        for encoder in encoders.values():
            encoder.disable_gradients_if_required()
        self.train(self.training)

    @property
    def encoders(self) -> dict[str, Encoder]:
        """The encoders by key, in the order in which their outputs are concatenated."""
        return {**self._running, **self._substituted}

    @contextmanager
    def substituting(self, substitutes: Mapping[str, Encoder]) -> Iterator[None]:
        """Let other encoders run in place of some of the model's own for a while.

        The substitutes take the places of those in the module tree. The model's own remain its
        :attr:`encoders`, which is also what is saved.

        Args:
            substitutes: Encoders by key, each of the embedding size of the one it stands for.
        """
        own, running, substituted = self.encoders, self._running, self._substituted
        self._substituted = {key: own[key] for key in (*substituted, *substitutes)}
        self._run(substitutes)
        try:
            yield
        finally:
            self._substituted = substituted
            self._run(running)

    @property
    def _running(self) -> dict[str, Encoder]:
        """The encoders by key that take part in :meth:`forward`."""
        return dict(zip(self._keys, self._encoders, strict=True))  # type: ignore[arg-type]

    def _run(self, encoders: Mapping[str, Encoder]) -> None:
        for key, encoder in encoders.items():
            self._encoders[self._keys.index(key)] = encoder

    @property
    def embedding_size(self) -> int:
        """D, the size of the model's embeddings."""
        return self.head.output_size

    @classmethod
    def get_encoders_output_size(cls, encoders: Encoder | Mapping[str, Encoder]) -> int:
        """Return the sum of the embedding sizes, which is the head's input size."""
        if isinstance(encoders, Encoder):
            return encoders.embedding_size
        if not isinstance(encoders, Mapping):
            raise expected("encoders", "an Encoder, or a mapping from keys to encoders", encoders)
        for key, encoder in encoders.items():
            if not isinstance(encoder, Encoder):
                name = f"the encoder {key!r}"
                raise expected(name, "an Encoder from quaterion_core.encoders", encoder)
        return sum(encoder.embedding_size for encoder in encoders.values())

    @classmethod
    def collate_fn(
        cls,
        batch: list[Any],
        encoders_collate_fns: Mapping[str, CollateFnType],
        meta_extractors: Mapping[str, MetaExtractorFnType],
    ) -> TensorTree:
        """Prepare raw objects for :meth:`forward`."""
        return collate_features(batch, encoders_collate_fns, meta_extractors)

    def get_collate_fn(self) -> CollateFnType:
        """Return the function that turns a list of raw objects into a batch."""
        return partial(
            self.collate_fn,
            encoders_collate_fns=collate_functions(self._running),
            meta_extractors=meta_extractors(self._running),
        )

    def forward(self, batch: Features) -> Tensor:
        """Embed a batch.

        What the encoders return is converted to the type of the head's weights.

        Args:
            batch: What the collate function made of N objects.

        Returns:
            Embeddings (N, D).

        Raises:
            ValueError: An encoder returns something else than it declares.
        """
        if not isinstance(batch, Mapping):
            advice = "Embed raw objects by model.encode(objects)."
            raise expected("batch", "what get_collate_fn() makes of objects", batch, advice)
        inputs = self.encode_features(batch)
        # Encoders compute in the precision that suits them, and a cache stores in its own.
        held = chain(self.head.parameters(), self.head.buffers())
        dtype = next((tensor.dtype for tensor in held if tensor.is_floating_point()), inputs.dtype)
        embeddings: Tensor = self.head(inputs.to(dtype), meta=batch["meta"])
        return embeddings

    def encode_features(self, batch: Features) -> Tensor:
        """Embed a batch with the encoders alone, outputs concatenated, shape (N, D_in)."""
        outputs = []
        for key, encoder in self._running.items():
            output = _embed(encoder, batch["data"][key])
            _check_output(key, encoder, output, batch["count"])
            outputs.append(_outside_inference_mode(key, encoder, output))
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1)

    def check_finite(self, batch: Features) -> None:
        """Raise a ``ValueError`` that names the encoder and the objects with NaN or infinity.

        Runs the encoders, so it is meant for single batches: the first of a training run, or one
        whose embeddings turned out wrong.
        """
        for key, encoder in self._running.items():
            with torch.no_grad():
                output = _embed(encoder, batch["data"][key])
            rows = torch.isfinite(output).all(dim=1)
            if not rows.all():
                bad = (~rows).nonzero().flatten().tolist()
                raise about_object(
                    ValueError(
                        f"The encoder {key!r} ({type(encoder).__name__}) returns NaN or infinity "
                        f"for {len(bad)} of {len(rows)} objects of a batch, the first of which is "
                        f"object {bad[0]}. Check its input for such values and its weights for a "
                        "training run that diverged."
                    ),
                    bad[0],
                )

    @overload
    def encode(
        self,
        inputs: Any,
        batch_size: int = ...,
        to_numpy: Literal[True] = ...,
        *,
        dim: int | None = ...,
    ) -> np.ndarray[Any, Any]: ...

    @overload
    def encode(
        self,
        inputs: Any,
        batch_size: int = ...,
        *,
        to_numpy: Literal[False],
        dim: int | None = ...,
    ) -> Tensor: ...

    @overload
    def encode(
        self, inputs: Any, batch_size: int = ..., to_numpy: bool = ..., *, dim: int | None = ...
    ) -> np.ndarray[Any, Any] | Tensor: ...

    def encode(
        self,
        inputs: list[Any] | Any,
        batch_size: int = 32,
        to_numpy: bool = True,
        *,
        dim: int | None = None,
    ) -> np.ndarray[Any, Any] | Tensor:
        """Embed raw objects, in evaluation mode and without a graph.

        Args:
            inputs: A list of n objects, or one object, which counts as a list of one. A column of
                a table, an iterator, or an array of texts is embedded like a list. A tensor or an
                array of numbers is one object, unless its encoder returns an embedding for each of
                its rows.
            batch_size: Number of objects that go through the encoders at once; of similar length,
                where an encoder tells lengths, so that little is padded.
            to_numpy: Return a NumPy array; otherwise a tensor on the model's device.
            dim: Truncate embeddings to this many dimensions, for a model that was trained with
                :class:`~quaterion_core.loss.MatryoshkaLoss`. Truncated embeddings are not
                normalized, which matters for dot products, not for cosines.

        Returns:
            Embeddings (n, D), or (n, ``dim``); no rows for an empty list.

        Raises:
            TypeError: ``inputs`` may be one object or several, such as a tuple, or ``batch_size``
                is no integer.
            ValueError: An encoder returns NaN, infinity, or a wrong shape, ``dim`` is not between
                1 and D, or ``batch_size`` is less than 1.
        """
        if dim is not None and not 1 <= dim <= self.embedding_size:
            raise ValueError(
                f"dim should be between 1 and the embedding size {self.embedding_size}, but is "
                f"{dim}."
            )
        batch_size = positive_count(batch_size, "batch_size")
        objects = object_list(inputs)
        _check_objects(objects)
        try:
            result = self._encode(objects, batch_size, to_numpy, dim)
        except _OutputError as error:
            # What has several embeddings as one object is a batch of objects.
            if isinstance(inputs, list) or not error.is_of_batch(inputs):
                raise
            result = self._encode(list(inputs), batch_size, to_numpy, dim)
        if not to_numpy:
            return result
        return (result.float() if result.dtype == torch.bfloat16 else result).numpy()

    def _encode(self, objects: list[Any], batch_size: int, to_cpu: bool, dim: int | None) -> Tensor:
        """Embed a list of n objects; returns embeddings (n, D)."""
        held = chain(self.parameters(), self.buffers())
        device = next((tensor.device for tensor in held), torch.device("cpu"))
        collate = self.get_collate_fn()
        chunks = self._chunks(objects, batch_size)
        embeddings = []
        modes = {module: module.training for module in self.modules()}
        self.eval()
        try:
            with torch.no_grad():
                for rows in chunks:
                    with as_part_of(rows):
                        batch = move_to_device(collate([objects[row] for row in rows]), device)
                        output = self.forward(batch)
                        if not torch.isfinite(output).all():
                            self._explain_not_finite(batch)
                    output = output[:, :dim]
                    embeddings.append(output.cpu() if to_cpu else output)
        finally:
            for module, mode in modes.items():
                module.training = mode
        result = torch.cat(embeddings) if embeddings else torch.empty(0, dim or self.embedding_size)
        return result[torch.tensor(list(chain.from_iterable(chunks))).argsort()]

    def _chunks(self, objects: list[Any], size: int) -> list[list[int]]:
        """Return the rows to embed at once: of similar length, where an encoder tells lengths."""
        if len(objects) <= size:  # a query that is served need not be measured
            return Chunking(size)(objects)
        return Chunking(size, length_functions(self._running))(objects)

    def _explain_not_finite(self, batch: Features) -> None:
        self.check_finite(batch)
        raise ValueError(
            f"The head ({type(self.head).__name__}) returns NaN or infinity for finite input. "
            "Its weights are broken, most likely by a training run that diverged."
        )

    def reduce_hubness(
        self,
        objects: Sequence[Any],
        neighbors: int = 20,
        weight: float = 3.0,
        *,
        max_objects: int = 5000,
        batch_size: int = 32,
    ) -> None:
        """Make a trained model embed hubs, which are near to everything, away from the others.

        Embeddings get one more number, by which an object of a sparse region is nearer to a query
        than one of a crowded region at the same angle. What is found by cosine, dot product or
        Euclidean distance changes accordingly, and nothing else has to be done for it.

        It is meant for queries that have one answer, or few, such as questions and their answers:
        there crowded regions win too often. Where the crowd itself is the answer, such as in
        groups of many objects, it does not help. ``encode(..., dim=...)`` cuts the number off.

        The head of the model gets into a
        :class:`~quaterion_core.heads.HubnessReductionHead`, or if it is in one already, into a
        new one.

        Args:
            objects: Raw objects of all kinds that the model is for, such as all questions and
                answers that it was trained on.
            neighbors: How many of them make up the neighbourhood of an embedding.
            weight: How much crowds count.
            max_objects: Of more objects than this, as many are taken at random, the same ones
                each time. All of their embeddings are saved with the model.
            batch_size: Number of objects that go through the encoders at once.

        Raises:
            ValueError: There are fewer objects than ``neighbors``, ``neighbors`` is less than 1,
                or the weight is negative.

        Example:
            >>> import torch
            >>> from quaterion_core.heads import EmptyHead
            >>> class Points(Encoder):
            ...     trainable, embedding_size = False, 2
            ...     def get_collate_fn(self): return torch.tensor
            ...     def forward(self, batch): return batch
            >>> model = SimilarityModel(Points(), EmptyHead(2))
            >>> model.reduce_hubness([[1.0, 0.0], [1.0, 0.1], [1.0, 0.2], [0.0, 1.0]], neighbors=3)
            >>> model.encode([[1.0, 0.0], [0.0, 1.0]]).round(2)  # in the crowd, and out of it
            array([[1.  , 0.  , 0.01],
                   [0.  , 0.71, 0.7 ]], dtype=float32)
        """
        objects = object_list(objects)
        rows: Sequence[int] = range(len(objects))
        if len(rows) > max_objects:
            rows = sorted(random.Random(0).sample(rows, max_objects))
        check_neighbourhood(neighbors, len(rows))
        before = self.head
        self.head = inner = before.head if isinstance(before, HubnessReductionHead) else before
        try:
            reference = self.encode([objects[row] for row in rows], batch_size, to_numpy=False)
        finally:
            self.head = before
        self.head = HubnessReductionHead(inner, reference, neighbors, weight).train(self.training)

    def save(
        self,
        output_path: str | Path,
        *,
        overwrite: bool = False,
        notes: Mapping[str, str] | None = None,
    ) -> None:
        """Save the model into a folder, which appears whole or not at all.

        Args:
            output_path: A new or empty folder.
            overwrite: Replace a model that is saved there. Anything else is never replaced.
            notes: Texts by file name, such as ``{"README.md": "..."}``, to lie in the folder.

        Raises:
            OutputExistsError: There is something at ``output_path``; it stays as it is.
            NotSavableError: An encoder or the head cannot be described as data, or has weights
                that are NaN or infinite.
        """
        _check_weights({**self.encoders, "head": self.head})
        save_parts(
            Path(output_path), self.encoders, self.head, overwrite=overwrite, notes=notes or {}
        )

    @classmethod
    def load(
        cls, input_path: str | Path, *, components: Mapping[str, type] | None = None
    ) -> SimilarityModel:
        """Load a model that :meth:`save` wrote, in evaluation mode, on the CPU.

        Which class restores a part is decided by the registry of installed plugins alone: a
        model folder is data and cannot name code to run.

        Args:
            input_path: The folder.
            components: Classes that no plugin registers, by the id that they were saved under,
                such as ``{"local/my-encoder": MyEncoder}``. Those that this process itself saved to
                ``input_path`` need not be given.

        Raises:
            InvalidFolderError: The folder is no saved model, is incomplete or was changed.
            UnsupportedFormatError: It was saved by a later version.
            MissingComponentError: It needs components that are not installed or not given.
        """
        encoders, head = load_parts(Path(input_path), components or {})
        try:
            return cls(encoders, head).eval()
        except ValueError as error:
            raise InvalidFolderError(f"{input_path} holds parts of two models: {error}") from error


MetricModel = SimilarityModel


def _allow_frozen_encoders(model: nn.Module, incompatible: Any) -> None:
    """Load checkpoints that leave frozen encoders out, or hold one that a substitute stands for.

    A frozen encoder does not change.
    """
    assert isinstance(model, SimilarityModel)
    frozen = {
        id(value)
        for encoder in model.encoders.values()
        if not encoder.trainable
        for value in encoder.state_dict(keep_vars=True).values()
    }
    ours = {name for name, value in model.state_dict(keep_vars=True).items() if id(value) in frozen}
    incompatible.missing_keys[:] = [
        key for key in incompatible.missing_keys if not any(key.endswith(name) for name in ours)
    ]
    replaced = [
        f"_encoders.{model._keys.index(key)}.{name}"
        for key, encoder in model._substituted.items()
        for name in encoder.state_dict()
    ]
    incompatible.unexpected_keys[:] = [
        key
        for key in incompatible.unexpected_keys
        if not any(key.endswith(name) for name in replaced)
    ]


def _check_parts(encoders: Mapping[str, Encoder], head: EncoderHead) -> None:
    if not encoders:
        raise ValueError("A model needs at least one encoder, but got an empty dictionary.")
    for key, encoder in encoders.items():
        if not isinstance(key, str) or not KEY_PATTERN.fullmatch(key):
            raise ValueError(
                f"{key!r} cannot be the key of an encoder. Use letters, digits, '_' and '-', "
                "beginning with a letter or a digit."
            )
        if not isinstance(encoder, Encoder):
            name = f"the encoder {key!r}"
            raise expected(name, "an Encoder from quaterion_core.encoders", encoder)
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


def _check_objects(objects: Sequence[Any]) -> None:
    """Refuse what is no object: nothing, a sample, a data loader."""
    for position, given in enumerate(objects):
        if given is None:
            raise ValueError(
                f"Expected raw objects, got None at position {position}. Leave it out."
            )
        if isinstance(given, (SimilarityPairSample, SimilarityGroupSample)):
            field = "obj" if isinstance(given, SimilarityGroupSample) else "obj_a"
            advice = f"Pass the objects of samples: [sample.{field} for sample in samples]."
            raise expected(f"object {position}", "a raw object", given, advice)
        if isinstance(given, DataLoader):
            raise expected("inputs", "raw objects", given, "Pass a list of objects.")


def _embed(encoder: Encoder, data: TensorTree) -> Tensor:
    """Embed what an encoder's collate function returned, a frozen encoder without a graph."""
    if isinstance(data, Embedded):
        return data.embeddings
    with torch.set_grad_enabled(torch.is_grad_enabled() and encoder.trainable):
        output: Tensor = encoder(data)
    return output


def _check_weights(parts: Mapping[str, nn.Module]) -> None:
    """Raise a ``NotSavableError`` for weights that are NaN or infinite."""
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


def _check_output(key: str, encoder: Encoder, output: object, count: int) -> None:
    expected = f"a floating-point tensor of shape ({count}, {encoder.embedding_size})"
    name = f"The encoder {key!r} ({type(encoder).__name__})"
    if not isinstance(output, Tensor):
        raise ValueError(f"{name} returned a {type(output).__name__} instead of {expected}.")
    if output.shape != (count, encoder.embedding_size) or not output.is_floating_point():
        error = _OutputError(
            f"{name} returned {tuple(output.shape)} of {output.dtype} instead of {expected}: one "
            "row for each object, and as many columns as its embedding_size says."
        )
        error.shape, error.embedding_size = tuple(output.shape), encoder.embedding_size
        raise error


class _OutputError(ValueError):
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
