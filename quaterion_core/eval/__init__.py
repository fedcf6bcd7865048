"""Metrics of retrieval, and their evaluation over batches and whole datasets."""

from quaterion_core.eval.attached_metric import AttachedMetric
from quaterion_core.eval.base_metric import BaseMetric, ReduceFunction
from quaterion_core.eval.evaluator import Evaluator
from quaterion_core.eval.group import (
    GroupMetric,
    KNNAccuracy,
    MapAtR,
    RecallAtK,
    RetrievalRPrecision,
    WholeGroupsMetric,
)
from quaterion_core.eval.pair import (
    PairMetric,
    PairScoreMetric,
    PearsonCorrelation,
    RetrievalPrecision,
    RetrievalReciprocalRank,
    SpearmanCorrelation,
)
from quaterion_core.eval.ranking import Needs, Ranking, first_rank
from quaterion_core.eval.samplers import BaseSampler, GroupSampler, PairSampler
from quaterion_core.eval.scoring import Nearest, Scores
from quaterion_core.eval.verification import (
    PairRocAuc,
    PairTarAtFar,
    RocAuc,
    TarAtFar,
    VerificationMetric,
)

__all__ = [
    "AttachedMetric",
    "BaseMetric",
    "BaseSampler",
    "Evaluator",
    "GroupMetric",
    "GroupSampler",
    "KNNAccuracy",
    "MapAtR",
    "Nearest",
    "Needs",
    "PairMetric",
    "PairRocAuc",
    "PairSampler",
    "PairScoreMetric",
    "PairTarAtFar",
    "PearsonCorrelation",
    "Ranking",
    "RecallAtK",
    "ReduceFunction",
    "RetrievalPrecision",
    "RetrievalRPrecision",
    "RetrievalReciprocalRank",
    "RocAuc",
    "Scores",
    "SpearmanCorrelation",
    "TarAtFar",
    "VerificationMetric",
    "WholeGroupsMetric",
    "first_rank",
]
