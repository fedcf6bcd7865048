"""Stores for the embeddings and targets of a dataset."""

from quaterion_core.eval.accumulators.accumulator import Accumulator
from quaterion_core.eval.accumulators.group_accumulator import GroupAccumulator
from quaterion_core.eval.accumulators.pair_accumulator import PairAccumulator

__all__ = ["Accumulator", "GroupAccumulator", "PairAccumulator"]
