"""Samples, loaders and datasets: what is similar, and how it reaches the model."""

from quaterion_core.dataset.batch_samplers import (
    BATCH_SAMPLERS,
    BatchSampler,
    GroupBatchSampler,
    NoDuplicatesBatchSampler,
    SampleFacts,
    build_batch_sampler,
    read_facts,
)
from quaterion_core.dataset.readers import CsvDataset, JsonLinesDataset
from quaterion_core.dataset.similarity_data_loader import (
    GroupSimilarityDataLoader,
    PairsSimilarityDataLoader,
    SimilarityDataLoader,
)
from quaterion_core.dataset.similarity_dataset import SimilarityGroupDataset
from quaterion_core.dataset.similarity_samples import (
    SimilarityGroupSample,
    SimilarityPairSample,
    SimilaritySample,
)
from quaterion_core.dataset.split_dataset import SplitDataset

__all__ = [
    "BATCH_SAMPLERS",
    "BatchSampler",
    "CsvDataset",
    "GroupBatchSampler",
    "GroupSimilarityDataLoader",
    "JsonLinesDataset",
    "NoDuplicatesBatchSampler",
    "PairsSimilarityDataLoader",
    "SampleFacts",
    "SimilarityDataLoader",
    "SimilarityGroupDataset",
    "SimilarityGroupSample",
    "SimilarityPairSample",
    "SimilaritySample",
    "SplitDataset",
    "build_batch_sampler",
    "read_facts",
]
