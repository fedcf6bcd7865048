"""Choice of the sampler for samples of a kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from quaterion_core.dataset.similarity_samples import SimilarityPairSample
from quaterion_core.eval.samplers.dataset_sampler import DatasetSampler
from quaterion_core.eval.samplers.group_sampler import GroupSampler
from quaterion_core.eval.samplers.pair_sampler import PairSampler


def sampler_for(
    samples: Sequence[Any], reference: Sequence[Any] | None = None, encode_batch_size: int = 128
) -> DatasetSampler:
    """Return the sampler of the queries that samples state.

    Args:
        samples: At least one. For pairs, each ``obj_a`` is a query over all ``obj_b``; for groups,
            each object over the objects of the reference, or over all others if there is none.
        reference: For groups, the samples whose objects are searched.
        encode_batch_size: Number of objects to encode at once.
    """
    if isinstance(samples[0], SimilarityPairSample):
        return PairSampler(
            distinguish=True, encode_batch_size=encode_batch_size, log_progress=False
        )
    return GroupSampler(
        encode_batch_size=encode_batch_size, log_progress=False, reference=reference
    )
