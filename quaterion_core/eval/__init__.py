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
    TripletAccuracy,
)
from quaterion_core.eval.ranking import Needs, Ranking, first_rank
from quaterion_core.eval.retrieval_metrics import (
    NDCG,
    HitRate,
    MeanAveragePrecision,
    MeanReciprocalRank,
    Precision,
    Recall,
    RetrievalMetric,
    RetrievalMetricAtK,
)
from quaterion_core.eval.samplers import BaseSampler, GroupSampler, PairSampler
from quaterion_core.eval.scoring import Nearest, Scores
from quaterion_core.eval.verification import (
    PairAccuracy,
    PairAveragePrecision,
    PairF1,
    PairMCC,
    PairRocAuc,
    PairTarAtFar,
    RocAuc,
    TarAtFar,
    VerificationMetric,
)

__all__ = [
    "NDCG",
    "AttachedMetric",
    "BaseMetric",
    "BaseSampler",
    "Evaluator",
    "GroupMetric",
    "GroupSampler",
    "HitRate",
    "KNNAccuracy",
    "MapAtR",
    "MeanAveragePrecision",
    "MeanReciprocalRank",
    "Nearest",
    "Needs",
    "PairAccuracy",
    "PairAveragePrecision",
    "PairF1",
    "PairMCC",
    "PairMetric",
    "PairRocAuc",
    "PairSampler",
    "PairScoreMetric",
    "PairTarAtFar",
    "PearsonCorrelation",
    "Precision",
    "Ranking",
    "Recall",
    "RecallAtK",
    "ReduceFunction",
    "RetrievalMetric",
    "RetrievalMetricAtK",
    "RetrievalPrecision",
    "RetrievalRPrecision",
    "RetrievalReciprocalRank",
    "RocAuc",
    "Scores",
    "SpearmanCorrelation",
    "TarAtFar",
    "TripletAccuracy",
    "VerificationMetric",
    "WholeGroupsMetric",
    "first_rank",
]
