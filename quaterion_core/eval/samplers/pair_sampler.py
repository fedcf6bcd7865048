"""Evaluation of pair metrics over a dataset."""

from __future__ import annotations

import torch
from torch import Tensor

from quaterion_core.dataset.similarity_data_loader import PairsSimilarityDataLoader
from quaterion_core.eval.accumulators.pair_accumulator import PairAccumulator
from quaterion_core.eval.pair.pair_metric import PairMetric
from quaterion_core.eval.samplers.dataset_sampler import DatasetSampler


class PairSampler(DatasetSampler):
    """Sampler of pairs: objects query all other objects, or each ``obj_a`` all ``obj_b``.

    Args:
        sample_size: Number of queries; -1 or a larger number than there are for all. A query
            without anything relevant, such as one of a pair with score 0, is ignored by metrics.
        distinguish: Whether each ``obj_a`` queries all ``obj_b``, such as questions the answers. By
            default every object queries all others.
        encode_batch_size: Number of objects to encode at once; 16 times as many samples are read at
            once.
        device: Where distances and metrics are computed and returned; by default they are computed
            on the GPU if there is one, and returned on the CPU.
        log_progress: Whether to show a progress bar while the dataset is encoded.
        seed: Seed of the sample, which is the same in each evaluation, so that models can be
            compared. ``None`` draws a new sample each time.

    Raises:
        ValueError: ``sample_size`` is 0 or below -1, or ``encode_batch_size`` below 1.

    Example:
        >>> from quaterion_core.dataset import SimilarityPairSample
        >>> from quaterion_core.eval.pair import RetrievalPrecision
        >>> class Lengths:
        ...     def encode(self, words, batch_size, to_numpy):
        ...         return torch.tensor([[len(word), 4.0] for word in words])
        >>> samples = [SimilarityPairSample("a", "b"), SimilarityPairSample("cc", "dd")]
        >>> sampler = PairSampler(distinguish=True, log_progress=False)
        >>> labels, distance_matrix = sampler.sample(samples, RetrievalPrecision(), Lengths())
        >>> labels
        tensor([[1., 0.],
                [0., 1.]])
    """

    accumulator: PairAccumulator
    loader_type = PairsSimilarityDataLoader
    accumulator_type = PairAccumulator
    metric_type = PairMetric

    def __init__(
        self,
        sample_size: int = -1,
        distinguish: bool = False,
        encode_batch_size: int = 16,
        device: torch.device | str | None = None,
        log_progress: bool = True,
        seed: int | None = 0,
    ):
        super().__init__(sample_size, encode_batch_size, device, log_progress, seed)
        self.distinguish = distinguish

    def queries_and_candidates(self) -> tuple[Tensor, Tensor | None]:
        """Return the rows of ``obj_a`` and those of ``obj_b``, or twice all of them."""
        obj_a, obj_b = self.accumulator.pairs.unbind(1)
        if self.distinguish:
            return obj_a, obj_b
        everything = torch.cat((obj_a, obj_b))
        return everything, everything
