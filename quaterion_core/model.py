"""The model that is trained, saved and served: encoders, and a head on top of them."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Final, Literal, overload

import numpy as np
import torch
from torch import Tensor, nn
from typing_extensions import Self, TypedDict, Unpack

from quaterion_core.dataset.similarity_samples import SimilarityPairSample
from quaterion_core.dataset.sources import Columns, samples_from
from quaterion_core.dataset.text_roles import with_roles
from quaterion_core.dataset.train_collator import Features, collate_features
from quaterion_core.distances import Distance
from quaterion_core.embedding import check_object, device_of, evaluation_mode
from quaterion_core.encoders.encoder import (
    Encoder,
    collate_functions,
    length_functions,
    meta_extractors,
)
from quaterion_core.encoding.blocks import BlockEmbedder, gathered
from quaterion_core.encoding.calibration import Int8Calibration, check_calibration
from quaterion_core.encoding.encoded_file import (
    EncodedFile,
    Job,
    Shard,
    check_output,
    job_fingerprint,
)
from quaterion_core.encoding.skipped import OnError, SkipCollector
from quaterion_core.encoding.values import Values
from quaterion_core.eval.labelled_similarities import labelled_similarities
from quaterion_core.heads.encoder_head import EncoderHead, head_meta_extractors
from quaterion_core.heads.hubness_reduction_head import HubnessReductionHead, check_neighbourhood
from quaterion_core.matches import MatchCalibration
from quaterion_core.matches.fitting import Method, fitted_calibration
from quaterion_core.model_folder import (
    document_fingerprint,
    folder_fingerprint,
    load_parts,
    save_parts,
)
from quaterion_core.model_parts import (
    OutputError,
    check_encoders,
    check_parts,
    check_weights,
    embed,
    embed_checked,
)
from quaterion_core.storage import InvalidFolderError
from quaterion_core.types import CollateFnType, MetaExtractorFnType, TensorTree
from quaterion_core.utils.embedding_progress import embedding_progress
from quaterion_core.utils.given import expected, path_of
from quaterion_core.utils.items import items_of
from quaterion_core.utils.objects import (
    about_object,
    object_list,
    object_stream,
    positive_count,
    worker_count,
)
from quaterion_core.utils.tensors import move_to_device

DEFAULT_ENCODER_KEY: Final = "default"


class EncodeOptions(TypedDict, total=False):
    """Keyword arguments of :meth:`SimilarityModel.encode`."""

    dim: int | None
    normalize: bool
    dtype: str | None
    on_error: OnError
    num_workers: int
    show_progress: bool


class SimilarityModel(nn.Module):
    """Encoders whose outputs are concatenated in the order of their keys, and a head.

    Args:
        encoders: One encoder, which gets the key ``default``, or several by key. A key consists
            of letters, digits, ``_`` and ``-``.
        head: The head, applied to the concatenated embeddings.

    Raises:
        TypeError: An object is not an encoder or not a head.
        ValueError: A key is invalid, or the head's input size is not the sum of the encoders'
            embedding sizes.

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
        check_parts(encoders, head)
        self._keys = sorted(encoders)
        self._encoders = nn.ModuleList(encoders[key] for key in self._keys)
        self._substituted: dict[str, Encoder] = {}
        self.register_load_state_dict_post_hook(  # type: ignore[no-untyped-call]
            _allow_frozen_encoders
        )
        self.head = head
        self._calibration: Int8Calibration | None = None
        self._matches: MatchCalibration | None = None
        for encoder in encoders.values():
            encoder.disable_gradients_if_required()
        self.train(self.training)

    @property
    def encoders(self) -> dict[str, Encoder]:
        """The encoders by key, in the order in which their outputs are concatenated."""
        return {**self._running, **self._substituted}

    @contextmanager
    def substituting(self, substitutes: Mapping[str, Encoder]) -> Iterator[None]:
        """Substitute other encoders for some of the model's own within a ``with`` block.

        The substitutes replace those encoders in the module tree. :attr:`encoders` still returns
        the model's own, and these are saved.

        Args:
            substitutes: Encoders by key, each of the embedding size of the one that it replaces.
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
        """The encoders that :meth:`forward` runs, by key."""
        return dict(zip(self._keys, self._encoders, strict=True))  # type: ignore[arg-type]

    def _run(self, encoders: Mapping[str, Encoder]) -> None:
        for key, encoder in encoders.items():
            self._encoders[self._keys.index(key)] = encoder

    @property
    def embedding_size(self) -> int:
        """Size D of the model's embeddings."""
        return self.head.output_size

    @classmethod
    def get_encoders_output_size(cls, encoders: Encoder | Mapping[str, Encoder]) -> int:
        """Return the sum of the embedding sizes, which is the head's input size."""
        if isinstance(encoders, Encoder):
            return encoders.embedding_size
        check_encoders(encoders)
        return sum(encoder.embedding_size for encoder in encoders.values())

    @classmethod
    def collate_fn(
        cls,
        batch: list[Any],
        encoders_collate_fns: Mapping[str, CollateFnType],
        meta_extractors: Mapping[str, MetaExtractorFnType],
    ) -> TensorTree:
        """Collate raw objects for :meth:`forward`."""
        return collate_features(batch, encoders_collate_fns, meta_extractors)

    def get_collate_fn(self) -> CollateFnType:
        """Return the function that turns a list of raw objects into a batch."""
        return partial(
            self.collate_fn,
            encoders_collate_fns=collate_functions(self._running),
            meta_extractors=self.get_meta_extractors(),
        )

    def get_meta_extractors(self) -> dict[str, MetaExtractorFnType]:
        """Return the functions that extract meta of raw objects, for encoders and head."""
        return {**meta_extractors(self._running), **head_meta_extractors(self.head)}

    def forward(self, batch: Features) -> Tensor:
        """Embed a batch.

        The outputs of the encoders are converted to the type of the head's weights.

        Args:
            batch: N objects, collated by the model's collate function.

        Returns:
            Embeddings (N, D).

        Raises:
            ValueError: An encoder returns an output of another shape than it declares.
        """
        if not isinstance(batch, Mapping):
            advice = "Embed raw objects with model.encode(objects)."
            raise expected("batch", "what get_collate_fn() makes of objects", batch, advice)
        inputs = self.encode_features(batch)
        # Encoders and caches may have precisions of their own.
        held = chain(self.head.parameters(), self.head.buffers())
        dtype = next((tensor.dtype for tensor in held if tensor.is_floating_point()), inputs.dtype)
        embeddings: Tensor = self.head(inputs.to(dtype), meta=batch["meta"])
        return embeddings

    def encode_features(self, batch: Features) -> Tensor:
        """Embed a batch without the head: concatenated outputs of the encoders, (N, D_in)."""
        outputs = [
            embed_checked(key, encoder, batch["data"][key], batch["count"])
            for key, encoder in self._running.items()
        ]
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1)

    def check_finite(self, batch: Features) -> None:
        """Raise a ``ValueError`` that names the encoder and the objects with NaN or infinity.

        It runs the encoders, so it is meant for single batches: the first of a training run, or
        one whose embeddings are not finite.
        """
        for key, encoder in self._running.items():
            with torch.no_grad():
                output = embed(encoder, batch["data"][key])
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
        **options: Unpack[EncodeOptions],
    ) -> np.ndarray[Any, Any]: ...

    @overload
    def encode(
        self,
        inputs: Any,
        batch_size: int = ...,
        *,
        to_numpy: Literal[False],
        **options: Unpack[EncodeOptions],
    ) -> Tensor: ...

    @overload
    def encode(
        self,
        inputs: Any,
        batch_size: int = ...,
        to_numpy: bool = ...,
        **options: Unpack[EncodeOptions],
    ) -> np.ndarray[Any, Any] | Tensor: ...

    def encode(
        self,
        inputs: list[Any] | Any,
        batch_size: int = 32,
        to_numpy: bool = True,
        *,
        dim: int | None = None,
        normalize: bool = False,
        dtype: str | None = None,
        on_error: OnError = "raise",
        num_workers: int = 0,
        show_progress: bool = False,
    ) -> np.ndarray[Any, Any] | Tensor:
        """Embed raw objects, in evaluation mode and without a graph.

        Args:
            inputs: A list of n objects, or one object, which is treated as a list of one. A column
                of a table, an iterator, or an array of texts is embedded like a list; an iterator
                is read block by block. A tensor or an array of numbers is one object, unless its
                encoder returns an embedding for each of its rows.
            batch_size: Number of objects that the encoders embed at once. If an encoder provides
                lengths, objects of similar length are batched together to reduce padding, among
                4,096 or more at a time.
            to_numpy: Return a NumPy array; otherwise a tensor on the model's device.
            dim: Truncate embeddings to this many dimensions, for a model that was trained with
                :class:`~quaterion_core.loss.MatryoshkaLoss`. Truncated embeddings are not
                normalized, which matters for dot products, not for cosines.
            normalize: Scale embeddings, truncated or not, to unit length.
            dtype: ``"float32"``, ``"float16"``, ``"int8"`` (see :meth:`calibrate_int8`) or
                ``"binary"`` (the signs, eight in a byte, as
                ``numpy.packbits(embeddings > 0, axis=1)`` does); by default that of the model.
            on_error: What to do about objects that cannot be embedded: ``"raise"`` an error;
                ``"skip"`` them, and warn with a
                :class:`~quaterion_core.encoding.SkippedWarning`; or a function that is called with
                a :class:`~quaterion_core.encoding.Skipped` for each of them, such as
                ``skipped.append``. Objects that are skipped get no row.
            num_workers: Number of processes that collate, such as read images, ahead of the model.
            show_progress: Show a progress bar on a terminal if it takes over two seconds.

        Returns:
            Embeddings (n, D), or (n, ``dim``); no rows for an empty list.

        Raises:
            TypeError: ``inputs`` is ambiguous, such as a tuple, which may be one object or
                several; or ``batch_size`` is not an integer.
            ValueError: An encoder returns NaN, infinity, or a wrong shape, ``dim`` is not between
                1 and D, ``batch_size`` is less than 1, ``dtype`` is unknown, or the model is not
                calibrated.
        """
        values = Values(self.embedding_size, dtype, dim, normalize, self._calibration)
        collector = SkipCollector(on_error)
        embedder = self._embedder(values, batch_size, num_workers, collector, to_cpu=to_numpy)
        objects, total = object_stream(inputs)
        if total is not None and not collector.skips:
            for position, given in enumerate(objects):
                check_object(position, given)
        with embedding_progress(total) if show_progress else nullcontext():
            try:
                result = self._gathered(embedder, objects, total)
            except OutputError as error:
                # A single object with several embeddings is a batch of objects.
                if isinstance(inputs, list) or not error.is_of_batch(inputs):
                    raise
                result = self._gathered(embedder, list(inputs), len(inputs))
        collector.warn()
        if result is None:
            result = torch.empty(0, values.columns, dtype=values.torch_dtype)
        if not to_numpy:
            return result
        return (result.float() if result.dtype == torch.bfloat16 else result).numpy()

    def encode_to(
        self,
        path: str | Path,
        inputs: Any,
        batch_size: int = 32,
        *,
        ids: Iterable[Any] | None = None,
        dim: int | None = None,
        normalize: bool = False,
        dtype: str = "float32",
        on_error: OnError = "raise",
        num_workers: int = 0,
        show_progress: bool = False,
        shard: Shard | None = None,
        overwrite: bool = False,
        fingerprint: str | None = None,
    ) -> EncodedFile:
        """Embed raw objects into a file, in memory that does not depend on their number.

        The file appears once it is complete. After an interruption, the same call reads the
        objects that it has embedded only to check that they are the same, and continues behind
        them. Beside the file lies ``<name>.json``, which says what it is of and which objects were
        skipped.

        Args:
            path: A ``.npy`` file (n, D), which ``numpy.load(path, mmap_mode="r")`` maps into
                memory, or a ``.parquet`` file with the columns ``position``, ``id``, ``object``
                (texts and paths) and ``embedding``.
            inputs: As for :meth:`encode`. An iterator is read once, block by block.
            batch_size: As for :meth:`encode`.
            ids: An id for each object, for Parquet; by default its position.
            dim: As for :meth:`encode`.
            normalize: As for :meth:`encode`.
            dtype: As for :meth:`encode`.
            on_error: As for :meth:`encode`.
            num_workers: As for :meth:`encode`.
            show_progress: As for :meth:`encode`.
            shard: Embed only this part of the objects, ``Shard(0, 4)`` for the first of four.
            overwrite: Replace a file that is there, and what another job has left.
            fingerprint: What :meth:`fingerprint` returns, if it is known.

        Raises:
            OutputExistsError: The file has embeddings of other objects or of another model.
            NotSavableError: The model has no fingerprint, since it cannot be saved.
            ValueError: As for :meth:`encode`; or ``path`` ends with neither suffix.

        Example:
            >>> from quaterion_core.heads import EmptyHead
            >>> class Lengths(Encoder):
            ...     trainable, embedding_size = False, 1
            ...     def get_collate_fn(self): return list
            ...     def forward(self, words): return torch.tensor([[float(len(w))] for w in words])
            ...     def get_config_dict(self): return {}
            >>> model = SimilarityModel(Lengths(), EmptyHead(1))
            >>> path = Path(tempfile.mkdtemp(), "lengths.npy")
            >>> model.encode_to(path, (word for word in ["a", "bcd"])).rows
            2
            >>> np.load(path, mmap_mode="r").tolist()
            [[1.0], [3.0]]
        """
        values = Values(self.embedding_size, dtype, dim, normalize, self._calibration)
        collector = SkipCollector(on_error)
        embedder = self._embedder(values, batch_size, num_workers, collector, to_cpu=True)
        target = path_of(path, "path")
        check_output(target)
        objects, total = object_stream(inputs)
        job = Job(
            target,
            embedder,
            values,
            job_fingerprint(fingerprint or self.fingerprint(), values),
            shard or Shard(),
            overwrite,
        )
        with evaluation_mode(self), embedding_progress(total) if show_progress else nullcontext():
            encoded = job.run(objects, ids)
        collector.warn()
        return encoded

    @property
    def calibration(self) -> Int8Calibration | None:
        """The calibration of int8 embeddings, which :meth:`calibrate_int8` sets, if any."""
        return self._calibration

    def calibrate_int8(
        self,
        objects: Any,
        *,
        dim: int | None = None,
        normalize: bool = False,
        batch_size: int = 32,
    ) -> None:
        """Calibrate int8 embeddings: find the range of each dimension. It is saved with the model.

        Calibrate a model after training. Some thousand objects are enough.

        Args:
            objects: Raw objects that represent the model's data.
            dim: Truncate embeddings, as in :meth:`encode`.
            normalize: Scale embeddings to unit length, as in :meth:`encode`.
            batch_size: Number of objects that the encoders embed at once.

        Raises:
            ValueError: There are fewer than two objects.

        Example:
            >>> from quaterion_core.heads import EmptyHead
            >>> class Points(Encoder):
            ...     trainable, embedding_size = False, 2
            ...     def get_collate_fn(self): return torch.tensor
            ...     def forward(self, batch): return batch
            >>> model = SimilarityModel(Points(), EmptyHead(2))
            >>> model.calibrate_int8([[0.0, -1.0], [1.0, 1.0]])
            >>> model.encode([[1.0, -1.0]], dtype="int8")
            array([[ 127, -128]], dtype=int8)
        """
        embeddings = self.encode(objects, batch_size, to_numpy=False, dim=dim, normalize=normalize)
        if len(embeddings) < 2:
            raise ValueError(f"Expected at least two objects to calibrate, got {len(embeddings)}.")
        self._calibration = Int8Calibration.of(embeddings, normalize)

    @property
    def matches(self) -> MatchCalibration | None:
        """The calibration of matches, which :meth:`calibrate` sets, if any."""
        return self._matches

    def calibrate(
        self,
        samples: Any,
        *,
        distance: Distance | str = Distance.COSINE,
        dim: int | None = None,
        method: Method = "auto",
        reference: Any = None,
        **columns: Unpack[Columns],
    ) -> MatchCalibration:
        """Calibrate matches: map similarities to probabilities. The map is saved with the model.

        Calibrate a trained model with samples that it was not trained on. Pairs of which some have
        a score below 0.5 are taken as they are. Else the map is that of search results: each query
        searches the objects of the samples, and its ten nearest ones are matches or not.

        A threshold of the calibration holds its rate for pairs, or for queries to a corpus, that
        are like those of the samples. In a larger corpus, false matches are more frequent.

        Args:
            samples: Pair samples or group samples, or data that
                :func:`~quaterion_core.dataset.samples_from` converts.
            distance: Distance whose similarity is mapped.
            dim: Truncate embeddings, as in :meth:`encode`.
            method: ``"isotonic"`` or ``"logistic"`` regression; by default the former from 1,000
                matches and 1,000 others on.
            reference: For group samples, those that are searched; by default the others.
            **columns: Names of the columns of ``samples``.

        Returns:
            The calibration, which is :attr:`matches` from now on.

        Raises:
            ImportError: scikit-learn is not installed.
            ValueError: The samples have no matches, or nothing else.

        Example:
            >>> from quaterion_core.dataset import SimilarityPairSample
            >>> from quaterion_core.heads import EmptyHead
            >>> class Points(Encoder):
            ...     trainable, embedding_size = False, 2
            ...     def get_collate_fn(self): return torch.tensor
            ...     def forward(self, batch): return batch
            >>> model = SimilarityModel(Points(), EmptyHead(2))
            >>> calibration = model.calibrate([
            ...     SimilarityPairSample([1.0, 0.1], [1.0, 0.0], score=1.0),
            ...     SimilarityPairSample([0.1, 1.0], [0.0, 1.0], score=1.0),
            ...     SimilarityPairSample([1.0, 0.0], [0.3, 1.0], score=0.0),
            ... ])
            >>> bool(calibration.probability(0.99) > 0.5 > calibration.probability(0.3))
            True
        """
        Values(self.embedding_size, dim=dim)  # checks dim
        given = list(items_of(samples_from(samples, **columns)))
        if given and isinstance(given[0], SimilarityPairSample):
            given = with_roles(given)  # as an index embeds them
        searched = None if reference is None else list(items_of(samples_from(reference, **columns)))
        found = labelled_similarities(
            given, partial(self.encode, dim=dim), Distance.get_by_name(distance), searched
        )
        self._matches = fitted_calibration(
            found.similarities.cpu().double().numpy(),
            found.is_match.cpu().numpy(),
            found.matches.cpu().double().numpy(),
            found.others.cpu().double().numpy(),
            distance=Distance(distance),
            dim=dim,
            method=method,
        )
        return self._matches

    def _embedder(
        self,
        values: Values,
        batch_size: int,
        num_workers: int,
        collector: SkipCollector,
        *,
        to_cpu: bool,
    ) -> BlockEmbedder:
        device = device_of(self)

        def embed_batch(batch: Features) -> Tensor:
            batch = move_to_device(batch, device)
            output = self.forward(batch)
            if not torch.isfinite(output).all():
                self._explain_not_finite(batch)
            result = values(output)
            return result.cpu() if to_cpu else result

        return BlockEmbedder(
            self.get_collate_fn(),
            embed_batch,
            partial(length_functions, self._running),
            positive_count(batch_size, "batch_size"),
            worker_count(num_workers),
            collector,
            fatal=(OutputError,),
        )

    def _gathered(
        self, embedder: BlockEmbedder, objects: Iterable[Any], total: int | None
    ) -> Tensor | None:
        with evaluation_mode(self):
            return gathered(embedder(enumerate(objects)), total)

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
        """Reduce the hubness of a trained model: hubs are objects that are near to everything.

        Embeddings get an additional dimension, by which an object of a sparse region is nearer to
        a query than one of a dense region at the same angle. Search by cosine, dot product or
        Euclidean distance takes it into account without further changes.

        It is meant for queries that have one answer or few, such as questions and their answers:
        there objects of dense regions are retrieved too often. If the dense region itself is the
        answer, as in groups of many objects, it does not help. ``encode(..., dim=...)`` removes
        the additional dimension.

        The head of the model is wrapped in a
        :class:`~quaterion_core.heads.HubnessReductionHead`, which replaces an earlier one.

        Args:
            objects: Raw objects that represent the model's data, such as all questions and
                answers that it was trained on.
            neighbors: Number of objects in the neighbourhood of an embedding.
            weight: Weight of the density of the neighbourhood.
            max_objects: Maximum number of objects; if there are more, a fixed random sample is
                used. The embeddings of all of them are saved with the model.
            batch_size: Number of objects that the encoders embed at once.

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
        self._calibration = self._matches = None  # of other embeddings

    def save(
        self,
        output_path: str | Path,
        *,
        overwrite: bool = False,
        notes: Mapping[str, str] | None = None,
    ) -> None:
        """Save the model to a folder atomically.

        Args:
            output_path: A new or empty folder.
            overwrite: Replace a model that is saved there. Anything else is never replaced.
            notes: Texts by file name, such as ``{"README.md": "..."}``, to save in the folder.

        Raises:
            OutputExistsError: ``output_path`` exists and is not empty; it is left unchanged.
            NotSavableError: An encoder or the head cannot be described as data, or has weights
                that are NaN or infinite.
        """
        check_weights({**self.encoders, "head": self.head})
        save_parts(
            path_of(output_path, "output_path"),
            self.encoders,
            self.head,
            [part for part in (self._calibration, self._matches) if part is not None],
            overwrite=overwrite,
            notes=notes or {},
        )

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Move the model to a device, or convert its weights; see :meth:`torch.nn.Module.to`.

        Raises:
            ValueError: There is no such device.
        """
        try:
            return super().to(*args, **kwargs)
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            given = kwargs.get("device", args[0] if args else None)
            if not isinstance(given, (str, int, torch.device)):
                raise
            raise ValueError(f"{_no_device(given)} ({str(error).splitlines()[0]:.200})") from error

    def cuda(self, device: int | torch.device | None = None) -> Self:
        """Move the model to an NVIDIA GPU; see :meth:`torch.nn.Module.cuda`.

        Raises:
            ValueError: There is none.
        """
        if isinstance(device, int):
            device = torch.device("cuda", device)
        return self.to("cuda" if device is None else device)

    def fingerprint(self) -> str:
        """Return a digest of the model's configuration and weights, as hexadecimal digits.

        It is that of the folder that :meth:`save` writes, wherever that is. Models with different
        embeddings have different fingerprints.

        Raises:
            NotSavableError: The model cannot be saved.
        """
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model")
            self.save(path)
            return folder_fingerprint(path)

    def document_fingerprint(self) -> str:
        """Return a digest of all that decides the embeddings of documents, as hexadecimal digits.

        It is :meth:`fingerprint`, except for a model whose head is a
        :class:`~quaterion_core.heads.QueryAndDocumentHead`: if that leaves documents as they are,
        it is the fingerprint of the untouched encoders, whose indexes serve this model.

        Raises:
            NotSavableError: The model cannot be saved.
        """
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model")
            self.save(path)
            return document_fingerprint(path)

    @classmethod
    def load(
        cls, input_path: str | Path, *, components: Mapping[str, type] | None = None
    ) -> SimilarityModel:
        """Load a model that was saved with :meth:`save`, in evaluation mode, on the CPU.

        The classes of encoders and head are determined only by the registry of installed plugins:
        a model folder is data and cannot name code to run.

        Args:
            input_path: The folder.
            components: Classes that no plugin registers, by the id that they were saved under,
                such as ``{"local/my-encoder": MyEncoder}``. Those that this process itself saved to
                ``input_path`` may be left out.

        Raises:
            InvalidFolderError: The folder is not a saved model, is incomplete or was changed.
            UnsupportedFormatError: It was saved by a later version.
            MissingComponentError: It needs components that are neither installed nor passed.
            ValueError: The path is an address of the Hugging Face Hub.
        """
        if isinstance(input_path, str) and input_path.startswith("hf://"):
            raise ValueError(
                f"Expected a folder, got {input_path!r:.200}. Load it from the Hub with "
                "quaterion_serving.load_from_hub, of quaterion-serving[hub]."
            )
        encoders, head, calibration, matches = load_parts(
            path_of(input_path, "input_path"), components or {}
        )
        try:
            model = cls(encoders, head).eval()
            if calibration is not None:
                check_calibration(calibration, model.embedding_size)
        except ValueError as error:
            raise InvalidFolderError(
                f"{input_path} contains parts of two models: {error}"
            ) from error
        model._calibration, model._matches = calibration, matches
        return model


MetricModel = SimilarityModel


def _no_device(given: str | int | torch.device) -> str:
    there = ["cpu"]
    there += [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        there.append("mps")
    advice = " NVIDIA GPUs are called 'cuda'." if str(given) == "gpu" else ""
    return f"Expected one of the devices {', '.join(there)}, got {str(given)!r}.{advice}"


def _allow_frozen_encoders(model: nn.Module, incompatible: Any) -> None:
    """Accept checkpoints without frozen encoders, or with one that a substitute replaces.

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
