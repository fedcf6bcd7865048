"""A digest of the samples of a split."""

from __future__ import annotations

import hashlib

from quaterion_core.dataset import SimilarityPairSample, SplitDataset
from quaterion_core.dataset.object_digest import object_digest
from quaterion_core.dataset.similarity_samples import SimilaritySample
from quaterion_core.dataset.targets import stable_id


def split_digest(dataset: SplitDataset, split: str) -> str:
    """Return a digest that changes with the samples of a split or their order."""
    digest = hashlib.blake2b(digest_size=16)
    for sample in dataset.load(split):
        digest.update(_sample_digest(sample))
    return digest.hexdigest()


def _sample_digest(sample: SimilaritySample) -> bytes:
    if isinstance(sample, SimilarityPairSample):
        subgroup = None if sample.subgroup is None else stable_id(sample.subgroup)
        # Values computed by a model are left out: their last digits differ between processes.
        return object_digest([sample.obj_a, sample.obj_b, float(sample.score), subgroup])
    return object_digest([sample.obj, stable_id(sample.group)])
