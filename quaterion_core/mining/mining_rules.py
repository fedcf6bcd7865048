"""Rules of mining: the number of hard negatives of a query, and which objects may be one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from quaterion_core.distances import Distance


@dataclass(frozen=True)
class MiningRules:
    """Rules for the choice of hard negatives of a query from a corpus.

    An object near a query that is not labelled as similar may still be similar: a false negative.
    All rules except the first two guard against these. s(q, n) is the similarity of a query and an
    object, s⁺ that of the query and its least similar partner.

    Args:
        negatives_per_query: Number of hard negatives for each query.
        choose: ``"top"`` takes the most similar candidates that pass the rules, ``"random"`` any
            of them.
        ranks: First and last rank of the candidates, counted from 1, both included. All objects
            that are not known to be similar to the query are ranked by similarity.
        margin: An object counts if s(q, n) ≤ s⁺ - ``margin``.
        relative_margin: The same with a margin of ``relative_margin`` times the size of s⁺. A good
            first choice is 0.05.
        max_score: An object counts if s(q, n) ≤ ``max_score``.
        guide_margin: Where a second model is the guide, an object counts if the guide's s(q, n) is
            below the guide's s⁺ - ``guide_margin``.
        distance: The distance whose similarity is s, of both models.
        seed: Seed of the random choices.

    Raises:
        ValueError: A value is out of range.

    Source: Moreira et al., NV-Retriever: Improving text embedding models with effective
    hard-negative mining, 2024, section 3: ``margin`` is TopK-MarginPos, ``relative_margin`` is
    TopK-PercPos (one minus the percentage), ``max_score`` is TopK-Abs, a first rank above 1 is
    Top-K shifted by N.

    Example:
        >>> MiningRules(negatives_per_query=3, ranks=(11, 60), relative_margin=0.05).choose
        'top'
    """

    negatives_per_query: int = 1
    choose: Literal["top", "random"] = "top"
    ranks: tuple[int, int] = (1, 100)
    margin: float | None = None
    relative_margin: float | None = None
    max_score: float | None = None
    guide_margin: float = 0.0
    distance: Distance | str = Distance.COSINE
    seed: int = 0

    def __post_init__(self) -> None:
        first, last = self.ranks
        if self.negatives_per_query < 1:
            raise ValueError(
                f"Expected negatives_per_query to be at least 1, got {self.negatives_per_query}."
            )
        if not 1 <= first <= last or last - first + 1 < self.negatives_per_query:
            raise ValueError(
                f"Expected ranks to be a first and a last rank, counted from 1, that include at "
                f"least {self.negatives_per_query} ranks (negatives_per_query), got {self.ranks}."
            )
        if self.choose not in ("top", "random"):
            raise ValueError(f"Expected choose to be 'top' or 'random', got {self.choose!r}.")
        if self.relative_margin is not None and not 0 <= self.relative_margin <= 1:
            raise ValueError(
                "Expected relative_margin, a fraction of the partner's similarity, to be from 0 to "
                f"1, got {self.relative_margin}. For a difference of similarities, use margin."
            )
        Distance(self.distance)
