"""Mining of hard negatives: objects that a model wrongly embeds near a query."""

from quaterion_core.mining.hard_negatives import MinedSamples, mine_hard_negatives
from quaterion_core.mining.mined_pairs import MinedPairs
from quaterion_core.mining.mining_report import MiningReport
from quaterion_core.mining.mining_rules import MiningRules

__all__ = ["MinedPairs", "MinedSamples", "MiningReport", "MiningRules", "mine_hard_negatives"]
