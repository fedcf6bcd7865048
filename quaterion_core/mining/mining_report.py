"""Statistics of the mining of hard negatives."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MiningReport:
    """Statistics of one mining.

    Attributes:
        queries: Number of distinct queries.
        corpus: Number of distinct objects that were searched.
        considered: Number of candidates within the range of ranks, over all queries.
        refused: Number of candidates refused by each rule, by the rule's name. A candidate counts
            for the first rule that refuses it.
        found: Number of chosen hard negatives.
        short: Number of queries with fewer negatives than requested.
        positive_score: Mean similarity of queries and their least similar partners.
        negative_score: Mean similarity of queries and chosen negatives; NaN if there are none.

    Example:
        >>> print(MiningReport(
        ...     queries=2, corpus=50, considered=20, refused={"margin": 3, "guide": 0}, found=5,
        ...     short=1, positive_score=0.8, negative_score=0.55,
        ... ))
        5 hard negatives for 2 queries among 50 objects; 1 query got fewer than requested.
        Looked at 20 candidates; refused by margin: 3, by guide: 0.
        Mean similarity: 0.8000 to partners, 0.5500 to hard negatives.
    """

    queries: int
    corpus: int
    considered: int
    refused: dict[str, int]
    found: int
    short: int
    positive_score: float
    negative_score: float

    def __str__(self) -> str:
        refused = ", ".join(f"by {reason}: {count:,}" for reason, count in self.refused.items())
        negatives = f", {self.negative_score:.4f} to hard negatives" if self.found else ""
        return (
            f"{self.found:,} hard negatives for {self.queries:,} queries among {self.corpus:,} "
            f"objects; {self.short:,} {'query' if self.short == 1 else 'queries'} got fewer than "
            f"requested.\nLooked at {self.considered:,} candidates"
            f"{'; refused ' + refused if refused else ''}.\nMean similarity: "
            f"{self.positive_score:.4f} to partners{negatives}."
        )
