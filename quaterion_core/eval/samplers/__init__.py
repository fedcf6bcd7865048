"""Which objects of a dataset query which others."""

from quaterion_core.eval.samplers.base_sampler import BaseSampler
from quaterion_core.eval.samplers.dataset_sampler import DatasetSampler
from quaterion_core.eval.samplers.group_sampler import GroupSampler
from quaterion_core.eval.samplers.pair_sampler import PairSampler

__all__ = ["BaseSampler", "DatasetSampler", "GroupSampler", "PairSampler"]
