"""Batch samplers, which choose the samples of each batch of an epoch."""

from quaterion_core.dataset.batch_samplers.batch_sampler import BatchSampler
from quaterion_core.dataset.batch_samplers.choices import build_batch_sampler
from quaterion_core.dataset.batch_samplers.group_batch_sampler import GroupBatchSampler
from quaterion_core.dataset.batch_samplers.no_duplicates_batch_sampler import (
    NoDuplicatesBatchSampler,
)
from quaterion_core.dataset.batch_samplers.sample_facts import SampleFacts, read_facts

__all__ = [
    "BatchSampler",
    "GroupBatchSampler",
    "NoDuplicatesBatchSampler",
    "SampleFacts",
    "build_batch_sampler",
    "read_facts",
]
