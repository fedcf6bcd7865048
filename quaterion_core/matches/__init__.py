"""Matches: the probability that two objects match, from the similarity of their embeddings."""

from quaterion_core.matches.match_calibration import MatchCalibration
from quaterion_core.matches.match_rule import MatchRule

__all__ = ["MatchCalibration", "MatchRule"]
