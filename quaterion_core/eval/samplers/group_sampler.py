"""Evaluation of group metrics over a dataset."""

from __future__ import annotations

import torch
from torch import Tensor

from quaterion_core.dataset.similarity_data_loader import GroupSimilarityDataLoader
from quaterion_core.eval.accumulators.group_accumulator import GroupAccumulator
from quaterion_core.eval.group.group_metric import GroupMetric
from quaterion_core.eval.samplers.dataset_sampler import DatasetSampler


class GroupSampler(DatasetSampler):
    """Lets objects of a dataset of groups query all other objects.

    Args:
        sample_size: Number of objects that query; -1 for all, which is also what a number above
            takes.
        encode_batch_size: Number of samples to read and encode at once.
        device: Where distances and metrics are computed; by default the CPU.
        log_progress: Whether to show a progress bar while the dataset is encoded.
        seed: Makes the sample the same in each evaluation, so that two models can be compared by
            it. ``None`` draws another one each time.

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
    """

    loader_type = GroupSimilarityDataLoader
    accumulator_type = GroupAccumulator
    metric_type = GroupMetric

    def queries_and_candidates(self) -> tuple[Tensor, Tensor | None]:
        """Return all rows: every object can query, and every object can be found."""
        return torch.arange(len(self.accumulator)), None
