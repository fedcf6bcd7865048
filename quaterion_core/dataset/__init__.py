"""Samples, data loaders and datasets of similar objects."""

from quaterion_core.dataset.batch_samplers import (
    BatchSampler,
    GroupBatchSampler,
    NoDuplicatesBatchSampler,
    SampleFacts,
    build_batch_sampler,
    read_facts,
)
from quaterion_core.dataset.beir_dataset import BeirDataset
from quaterion_core.dataset.file_stream import FileStream
from quaterion_core.dataset.hugging_face_dataset import HuggingFaceDataset
from quaterion_core.dataset.queries_and_documents import QueriesAndDocuments
from quaterion_core.dataset.readers import (
    CsvDataset,
    ExcelDataset,
    JsonLinesDataset,
    ParquetDataset,
)
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
from quaterion_core.dataset.sources import samples_from
from quaterion_core.dataset.split_dataset import SplitDataset
from quaterion_core.dataset.text_roles import Document, Query, with_roles

__all__ = [
    "BatchSampler",
    "BeirDataset",
    "CsvDataset",
    "Document",
    "ExcelDataset",
    "FileStream",
    "GroupBatchSampler",
    "GroupSimilarityDataLoader",
    "HuggingFaceDataset",
    "JsonLinesDataset",
    "NoDuplicatesBatchSampler",
    "PairsSimilarityDataLoader",
    "ParquetDataset",
    "QueriesAndDocuments",
    "Query",
    "SampleFacts",
    "SimilarityDataLoader",
    "SimilarityGroupDataset",
    "SimilarityGroupSample",
    "SimilarityPairSample",
    "SimilaritySample",
    "SplitDataset",
    "build_batch_sampler",
    "read_facts",
    "samples_from",
    "with_roles",
]
