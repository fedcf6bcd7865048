"""Evaluation of group metrics over a dataset."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from quaterion_core.dataset.similarity_data_loader import GroupSimilarityDataLoader
from quaterion_core.eval.accumulators.group_accumulator import GroupAccumulator
from quaterion_core.eval.group.group_metric import GroupMetric
from quaterion_core.eval.samplers.dataset_sampler import DatasetSampler


class GroupSampler(DatasetSampler):
    """Sampler of groups: objects query all other objects, or those of a reference.

    With a ``reference``, objects of the dataset query those of the reference: test images a
    gallery, new questions labelled ones. Both are encoded once, by the same model, and groups
    of the same name are the same group. An object never finds another one of equal content, not
    even in the reference.

    Args:
        sample_size: Number of queries; -1 or a larger number than there are for all.
        encode_batch_size: Number of objects to encode at once; 16 times as many samples are read at
            once.
        device: Where distances and metrics are computed and returned; by default they are computed
            on the GPU if there is one, and returned on the CPU.
        log_progress: Whether to show a progress bar while the dataset is encoded.
        seed: Seed of the sample, which is the same in each evaluation, so that models can be
            compared. ``None`` draws a new sample each time.
        reference: Samples of the candidates, as a list, a dataset or an iterable; by default those
            of the dataset.

    Raises:
        ValueError: ``sample_size`` is 0 or below -1, or ``encode_batch_size`` below 1.

    Example:
        >>> from quaterion_core.dataset import SimilarityGroupSample
        >>> from quaterion_core.eval.group import RetrievalRPrecision
        >>> class Lengths:
        ...     def encode(self, words, batch_size, to_numpy):
        ...         return torch.tensor([[len(word), 4.0] for word in words])
        >>> samples = [SimilarityGroupSample(word, len(word)) for word in ("a", "bb", "c", "dd")]
        >>> sampler = GroupSampler(sample_size=2, log_progress=False)
        >>> labels, distance_matrix = sampler.sample(samples, RetrievalRPrecision(), Lengths())
        >>> distance_matrix.shape
        torch.Size([2, 4])
        >>> sampler = GroupSampler(log_progress=False, reference=samples[:3])
        >>> sampler.sample(samples[3:], RetrievalRPrecision("euclidean"), Lengths())
        (tensor([[0., 1., 0.]]), tensor([[1., 0., 1.]]))
    """

    loader_type = GroupSimilarityDataLoader
    accumulator_type = GroupAccumulator
    metric_type = GroupMetric

    def __init__(
        self,
        sample_size: int = -1,
        encode_batch_size: int = 16,
        device: torch.device | str | None = None,
        log_progress: bool = True,
        seed: int | None = 0,
        reference: Iterable[Any] | None = None,
    ):
        super().__init__(sample_size, encode_batch_size, device, log_progress, seed)
        self.reference = reference

    def sources(self, dataset: Any) -> dict[str, Any]:
        """Return the dataset and, if it is another one, the reference."""
        sources = super().sources(dataset)
        if self.reference is not None and _data_of(self.reference) is not _data_of(dataset):
            sources["reference"] = self.samples_of(self.reference, "reference")
        return sources

    def queries_and_candidates(self) -> tuple[Tensor, Tensor | None]:
        """Return the rows of the dataset and those of the reference, ``None`` for the same rows."""
        rows = torch.arange(len(self.accumulator))
        if len(self.sizes) < 2:
            return rows, None
        queries, candidates = torch.split(rows, self.sizes)
        return queries, candidates


def _data_of(data: Any) -> Any:
    """Return the dataset of a data loader; anything else is one itself."""
    return data.dataset if isinstance(data, DataLoader) else data
