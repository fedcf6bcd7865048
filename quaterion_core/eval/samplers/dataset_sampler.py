"""Base of the samplers of pairs and groups, which encode a dataset once."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Final

import torch
from rich.progress import track
from torch import Tensor

from quaterion_core.dataset.similarity_data_loader import SimilarityDataLoader
from quaterion_core.dataset.sources import samples_from
from quaterion_core.eval.accumulators.accumulator import Accumulator, check_embeddings
from quaterion_core.eval.base_metric import BaseMetric
from quaterion_core.eval.retrieval import Retrieval
from quaterion_core.eval.samplers.base_sampler import BaseSampler
from quaterion_core.eval.scoring import Scores, score
from quaterion_core.types import Targets
from quaterion_core.utils.tensors import move_to_device

if TYPE_CHECKING:
    from quaterion_core.model import SimilarityModel

_BATCHES_READ_AT_ONCE: Final = 16
"""Number of batches of objects that are sorted by length and encoded together."""


class DatasetSampler(BaseSampler):
    """Sampler that encodes a dataset, each distinct object once, and draws queries from it.

    The dataset is encoded and the queries are drawn when first needed. Both are kept until
    :meth:`reset` or until another dataset or model is given. Call :meth:`reset` after training a
    model further.

    Args:
        sample_size: Number of queries; -1 or a larger number than there are for all.
        encode_batch_size: Number of objects to encode at once; 16 times as many samples are read at
            once.
        device: Where distances and metrics are computed and returned; by default they are computed
            on the GPU if there is one, and returned on the CPU.
        log_progress: Whether to show a progress bar while the dataset is encoded.
        seed: Seed of the sample, which is the same in each evaluation, so that models can be
            compared. ``None`` draws a new sample each time.

    Raises:
        ValueError: ``sample_size`` is 0 or below -1, or ``encode_batch_size`` below 1.
    """

    loader_type: ClassVar[type[SimilarityDataLoader[Any]]]
    accumulator_type: ClassVar[type[Accumulator]]

    def __init__(
        self,
        sample_size: int = -1,
        encode_batch_size: int = 16,
        device: torch.device | str | None = None,
        log_progress: bool = True,
        seed: int | None = 0,
    ):
        super().__init__(sample_size, device, log_progress, seed)
        if encode_batch_size < 1:
            raise ValueError(
                f"Expected encode_batch_size to be 1 or more, got {encode_batch_size}."
            )
        self.encode_batch_size = encode_batch_size
        self.accumulator = self.accumulator_type()
        self.sizes: list[int] = []
        self._source: tuple[Any, Any] | None = None
        self._retrieval: Retrieval | None = None

    def sources(self, dataset: Any) -> dict[str, Any]:
        """Return what is encoded, in this order, by its name in errors.

        After encoding, :attr:`sizes` holds the number of embeddings of each.
        """
        return {"dataset": self.samples_of(dataset, "dataset")}

    def samples_of(self, data: Any, name: str) -> Any:
        """Return the samples of a data loader, of a dataset or of a table.

        Args:
            data: The data.
            name: Name of the data, for errors.
        """
        try:
            return samples_from(data, sample_type=self.loader_type.sample_type)
        except (TypeError, ValueError) as error:
            raise type(error)(f"The {name} does not hold similarity samples. {error}") from None

    def objects_of(self, samples: Sequence[Any]) -> Iterator[Any]:
        """Yield the objects of samples in the order of the collected embeddings."""
        size = self.encode_batch_size * _BATCHES_READ_AT_ONCE
        for start in range(0, len(samples), size):
            objects, _ = self.loader_type.pre_collate_fn(list(samples[start : start + size]))
            yield from objects

    @abstractmethod
    def queries_and_candidates(self) -> tuple[Tensor, Tensor | None]:
        """Return rows of the collected embeddings, which are in the order of the samples.

        Returns:
            The rows that can query, and the rows that can be found, ``None`` for all.
        """

    def accumulate(self, model: SimilarityModel, dataset: Iterable[Any]) -> None:
        """Encode a dataset and collect its embeddings and targets on the CPU.

        A list or tuple is checked whole before anything is encoded; anything else batch by batch,
        so that its objects need not be in memory all at once.

        Args:
            model: Encodes the objects.
            dataset: Similarity samples: a list, a PyTorch dataset, any iterable, or a data loader,
                whose dataset is then read whole; or data that
                :func:`~quaterion_core.dataset.samples_from` converts to them.

        Raises:
            TypeError: A sample is not of this sampler's kind, or ``model`` cannot encode.
            ValueError: The dataset or a reference is empty, or an embedding is not finite.
        """
        self.reset()
        if not callable(getattr(model, "encode", None)):
            raise TypeError(
                f"Expected a SimilarityModel, got a {type(model).__name__}, which has no encode(). "
                "The model in a TrainableModel is its attribute `model`."
            )
        sources = self.sources(dataset)
        for name, source in sources.items():
            if isinstance(source, (list, tuple)):
                self._check_samples(source, name)
        encoder = _DistinctEncoder(model, self.encode_batch_size)
        parts = [self._encode(encoder, source, name) for name, source in sources.items()]
        for part in parts:
            for rows, targets in part:
                self.accumulator.update(encoder.embeddings[rows], **targets, device="cpu")
        self.sizes = [sum(len(rows) for rows, _ in part) for part in parts]
        self.accumulator.set_filled()
        self._source = (dataset, model)

    def reset(self) -> None:
        """Discard the dataset and the sample."""
        self.accumulator.reset()
        self._source = None
        self._retrieval = None

    def sample(
        self, dataset: Iterable[Any], metric: BaseMetric, model: SimilarityModel
    ) -> tuple[Tensor, Tensor]:
        """Return labels and distances of sampled queries and all candidates, both (Q, M).

        Args:
            dataset: Similarity samples, as for :meth:`accumulate`.
            metric: Defines the distance and the relevance.
            model: Encodes the objects.

        Returns:
            ``labels`` (float32) and ``distance_matrix``, as
            ``metric.raw_compute(distance_matrix, labels)`` takes them. Equal objects are one query
            and one candidate. An object is at infinite distance from itself, with label 0.

        Raises:
            TypeError: The metric or a sample is not of this sampler's kind.
            ValueError: The dataset is empty, or an embedding is not finite.
        """
        self.check_metric(metric)
        retrieval = self.retrieval(dataset, model)
        labels = retrieval.labels(metric.prepare_labels, retrieval.queries).float()
        distances = retrieval.distance_matrix(metric.distance, retrieval.queries)
        return labels.to(self.result_device), distances.to(self.result_device)

    def scores(
        self,
        dataset: Iterable[Any],
        metrics: Mapping[str, BaseMetric],
        model: SimilarityModel,
        nearest: int = 0,
    ) -> Scores:
        """Compute several metrics over the same sampled queries, which are searched once for all.

        Args:
            dataset: Similarity samples, as for :meth:`accumulate`.
            metrics: Metrics by name.
            model: Encodes the objects.
            nearest: Number of nearest candidates of each query to return; 0 for none.

        Returns:
            The value of each metric, the values of the individual queries, and the nearest
            candidates.
        """
        for metric in metrics.values():
            self.check_metric(metric)
        scores = score(metrics, self.retrieval(dataset, model), nearest)
        moved: Scores = move_to_device(scores, self.result_device)
        return moved

    def retrieval(self, dataset: Iterable[Any], model: SimilarityModel) -> Retrieval:
        """Return the queries and the candidates; encode and draw them, unless done before."""
        if self._source is None or self._source[0] is not dataset or self._source[1] is not model:
            self.accumulate(model, dataset)
        if self._retrieval is None:
            state = self.accumulator.state
            state = {name: values.to(self.device) for name, values in state.items()}
            queries, candidates = self.queries_and_candidates()
            self._retrieval = Retrieval(
                state.pop("embeddings"),
                state,
                queries[self._drawn(len(queries))].to(self.device),
                None if candidates is None else candidates.to(self.device),
            )
        return self._retrieval

    def _drawn(self, count: int) -> Tensor:
        """Draw positions among 0 to ``count`` - 1, ascending."""
        if self.sample_size == -1 or self.sample_size >= count:
            return torch.arange(count)
        generator = torch.Generator()
        if self.seed is None:
            generator.seed()
        else:
            generator.manual_seed(self.seed)
        return torch.randperm(count, generator=generator)[: self.sample_size].sort().values

    def _encode(
        self, encoder: _DistinctEncoder, source: Any, name: str
    ) -> list[tuple[Tensor, Targets]]:
        """Encode all samples; return rows of the distinct embeddings, and targets."""
        size = self.encode_batch_size * _BATCHES_READ_AT_ONCE
        batches = -(-len(source) // size) if isinstance(source, Sized) else None
        encoded = []
        for samples in track(
            self._batches(source, name, size),
            "Encoding",
            total=batches,
            disable=not self.log_progress,
        ):
            objects, targets = self.loader_type.pre_collate_fn(samples)
            encoded.append((encoder.rows(objects, targets["objects"]), targets))
        if not encoded:
            raise ValueError(f"There is nothing to evaluate: the {name} has no samples.")
        return encoded

    def _batches(self, source: Any, name: str, size: int) -> Iterator[list[Any]]:
        samples = _iterate(source, name)
        position = 0
        while batch := list(islice(samples, size)):
            self._check_samples(batch, name, position)
            yield batch
            position += len(batch)

    def _check_samples(self, samples: Iterable[Any], name: str, first_position: int = 0) -> None:
        sample_type = self.loader_type.sample_type
        for position, sample in enumerate(samples, first_position):
            if not isinstance(sample, sample_type):
                raise TypeError(
                    f"Expected a {name} of {sample_type.__name__} for {type(self).__name__}, got "
                    f"sample {position} of type {type(sample).__name__}. Use PairSampler for pairs "
                    "and GroupSampler for groups; a dataset holds samples of one kind. For other "
                    "items, name the columns: evaluate(..., obj_a=..., obj_b=...) for pairs, "
                    "evaluate(..., obj=..., group=...) for groups."
                )


class _DistinctEncoder:
    """Encoder of distinct objects: equal objects have the very same embedding."""

    def __init__(self, model: SimilarityModel, batch_size: int):
        self._model = model
        self._batch_size = batch_size
        self._row_of: dict[int, int] = {}
        self._parts: list[Tensor] = []

    def rows(self, objects: Sequence[Any], ids: Tensor) -> Tensor:
        """Encode those of N objects that are new; return the row of each of the N, shape (N,)."""
        new = []
        for obj, id_ in zip(objects, ids.tolist(), strict=True):
            if id_ not in self._row_of:
                self._row_of[id_] = len(self._row_of)
                new.append(obj)
        if new:
            embeddings = self._model.encode(new, batch_size=self._batch_size, to_numpy=False)
            check_embeddings(embeddings)
            self._parts.append(embeddings.cpu())
        return torch.tensor([self._row_of[id_] for id_ in ids.tolist()], dtype=torch.int64)

    @property
    def embeddings(self) -> Tensor:
        """The embeddings of all distinct objects."""
        if len(self._parts) > 1:
            self._parts = [torch.cat(self._parts)]
        return self._parts[0]


def _iterate(source: Any, name: str) -> Iterator[Any]:
    """Iterate over a dataset; a map-style dataset need not raise an IndexError at its end."""
    if isinstance(source, Iterable):
        return iter(source)
    if isinstance(source, Sized) and hasattr(source, "__getitem__"):
        return (source[index] for index in range(len(source)))
    raise TypeError(
        f"Expected a {name} that is iterable or has __len__ and __getitem__, got a "
        f"{type(source).__name__}."
    )
