"""Mining hard negatives over a corpus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from typing_extensions import Unpack

from quaterion_core.dataset.similarity_samples import SimilarityPairSample
from quaterion_core.dataset.sources import Columns
from quaterion_core.distances import Distance
from quaterion_core.distances.top_k import queries_per_block, top_k
from quaterion_core.mining.embedded_queries import EmbeddedQueries
from quaterion_core.mining.mining_report import MiningReport
from quaterion_core.mining.mining_rules import MiningRules
from quaterion_core.mining.queries import Queries
from quaterion_core.model import SimilarityModel
from quaterion_core.utils.embedding_progress import embedding_progress


class MinedSamples(list[SimilarityPairSample]):
    """Pair samples and hard negatives mined for them.

    Attributes:
        report: Statistics of the mining.
    """

    report: MiningReport


def mine_hard_negatives(
    model: SimilarityModel,
    samples: Any,
    corpus: Sequence[Any] | None = None,
    rules: MiningRules | None = None,
    *,
    guide: SimilarityModel | None = None,
    batch_size: int = 32,
    **columns: Unpack[Columns],
) -> MinedSamples:
    """Mine hard negatives: objects that a model wrongly embeds near a query.

    The queries are the distinct ``obj_a`` of the pairs with a score above 0. Some
    objects are never negatives of a query, by content: the query itself, its partners in all
    pairs, and what a pair with a score above 0 puts into its subgroup. The search is exact; it
    takes the memory of the embeddings and of a bounded block of similarities.

    Args:
        model: Embeds queries and corpus, in evaluation mode, on its device.
        samples: Pair samples, as a list, dataset or loader; or a table, list or dataset with their
            columns, as for :func:`~quaterion_core.dataset.samples_from`.
        corpus: Objects to search in; by default all ``obj_b`` of the samples.
        rules: Number of negatives, and which objects may be one; by default the most similar one.
        guide: A second, better model, for example a large one, to detect false negatives; see
            :attr:`MiningRules.guide_margin`. It runs on its own device.
        batch_size: Number of objects to embed at once.
        **columns: Names of the columns of ``samples``, such as ``obj_a="question"``.

    Returns:
        The samples, followed by a pair (query, hard negative) for each negative, with the score 0
        and the query's subgroup.

    Raises:
        TypeError: A sample is not a pair.
        ValueError: There is no query or no corpus, or an embedding is not finite.

    Example:
        >>> from quaterion_core.encoders import Encoder
        >>> from quaterion_core.heads import EmptyHead
        >>> class Numbers(Encoder):
        ...     trainable, embedding_size = False, 1
        ...     def get_collate_fn(self):
        ...         return lambda numbers: torch.tensor([[float(n)] for n in numbers])
        ...     def forward(self, batch): return batch
        >>> model = SimilarityModel(Numbers(), EmptyHead(1))
        >>> samples = [SimilarityPairSample(1, 2), SimilarityPairSample(5, 9)]
        >>> mined = mine_hard_negatives(
        ...     model, samples, corpus=[2, 3, 4, 9], rules=MiningRules(distance="euclidean")
        ... )
        >>> [(pair.obj_a, pair.obj_b, pair.score) for pair in mined]
        [(1, 2, 1.0), (5, 9, 1.0), (1, 3, 0.0), (5, 4, 0.0)]
        >>> mined.report.found
        2
    """
    queries = Queries(samples, corpus, **columns)
    with embedding_progress():
        negatives, report = find_hard_negatives(
            queries, model, rules or MiningRules(), guide=guide, batch_size=batch_size
        )
    mined = MinedSamples(queries.samples)
    mined.extend(
        SimilarityPairSample(query, queries.corpus[found], 0.0, subgroup)
        for query, subgroup, row in zip(
            queries.objects, queries.subgroups, negatives.tolist(), strict=True
        )
        for found in row
        if found >= 0
    )
    mined.report = report
    return mined


@torch.no_grad()
def find_hard_negatives(
    queries: Queries,
    model: SimilarityModel,
    rules: MiningRules,
    *,
    guide: SimilarityModel | None = None,
    batch_size: int = 32,
    round_number: int = 0,
) -> tuple[Tensor, MiningReport]:
    """Find hard negatives, as :func:`mine_hard_negatives` does.

    Args:
        queries: Queries and corpus.
        model: Embeds them.
        rules: Number of negatives, and which objects may be one.
        guide: The guide, if there is one.
        batch_size: Number of objects to embed at once.
        round_number: Number of the mining, which varies the random choices.

    Returns:
        Positions in the corpus, shape (Q, n), the most similar first, -1 where there are fewer;
        and the statistics.
    """
    distance = Distance.get_by_name(rules.distance)
    embedded = EmbeddedQueries(queries, model, distance, batch_size)
    guided = None if guide is None else EmbeddedQueries(queries, guide, distance, batch_size)
    corpus = embedded.targets[: len(queries.corpus)]
    generator = torch.Generator().manual_seed(rules.seed + round_number)
    first, last = rules.ranks
    considered, refused, chosen_scores = 0, dict[str, int](), []
    negatives = torch.full((len(queries.objects), rules.negatives_per_query), -1)
    for block in torch.split(torch.arange(len(negatives)), queries_per_block(len(corpus))):
        forbidden = queries.forbidden(block)
        scores, found = top_k(embedded.queries[block], corpus, last, distance, forbidden)
        scores, found = scores[:, first - 1 :], found[:, first - 1 :]
        left = scores > -torch.inf
        considered += int(left.sum())
        positive = embedded.positive_scores[block.to(scores.device)].unsqueeze(1)
        for reason, highest in _limits(rules, positive).items():
            is_over = left & (scores > highest)
            left = left & ~is_over
            refused[reason] = refused.get(reason, 0) + int(is_over.sum())
        if guided is not None:
            is_close = _is_close_to_the_guide(guided, block, found, left, rules.guide_margin)
            left = left & ~is_close
            refused["guide"] = refused.get("guide", 0) + int(is_close.sum())
        columns, is_found = _choose(left, rules, generator)
        rows = found.gather(1, columns).masked_fill(~is_found, -1)
        negatives[block, : rows.shape[1]] = rows.cpu()
        chosen_scores.append(scores.gather(1, columns)[is_found])
    return negatives, MiningReport(
        queries=len(queries.objects),
        corpus=len(queries.corpus),
        considered=considered,
        refused=refused,
        found=int((negatives >= 0).sum()),
        short=int((negatives < 0).any(dim=1).sum()),
        positive_score=float(embedded.positive_scores.mean()),
        negative_score=float(torch.cat(chosen_scores).mean()),
    )


def _limits(rules: MiningRules, positive: Tensor) -> dict[str, Tensor | float]:
    """Return the highest similarity that each rule allows, by the rule's name.

    Args:
        rules: The rules.
        positive: Similarity of each query to its partner, shape (Q, 1).
    """
    limits: dict[str, Tensor | float] = {}
    if rules.margin is not None:
        limits["margin"] = positive - rules.margin
    if rules.relative_margin is not None:
        limits["relative margin"] = positive - rules.relative_margin * positive.abs()
    if rules.max_score is not None:
        limits["max score"] = rules.max_score
    return limits


def _is_close_to_the_guide(
    guided: EmbeddedQueries, block: Tensor, found: Tensor, left: Tensor, margin: float
) -> Tensor:
    """Return which objects are about as similar as the partner for the guide, shape (Q, k).

    Only remaining candidates are compared.
    """
    row, column = left.nonzero(as_tuple=True)
    queries = block.to(row.device)[row]
    scores = guided.scores(queries, found[row, column])
    limits = guided.positive_scores[queries.to(scores.device)] - margin
    is_close = torch.zeros_like(left)
    is_close[row, column] = (scores >= limits).to(left.device)
    return is_close


def _choose(left: Tensor, rules: MiningRules, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Choose among the remaining candidates of each query.

    Args:
        left: Which of k candidates remain, best first, shape (Q, k).
        rules: How many to choose, and in which way.
        generator: Source of randomness.

    Returns:
        Columns, shape (Q, min(n, k)), in ascending order, and which of them hold a choice.
    """
    if rules.choose == "random":
        priority = torch.rand(left.shape, generator=generator).to(left.device)
    else:
        priority = torch.arange(left.shape[1], 0, -1, device=left.device).expand(left.shape)
    count = min(rules.negatives_per_query, left.shape[1])
    chosen = priority.masked_fill(~left, -1).topk(count, dim=1).indices
    last = torch.full_like(chosen, left.shape[1])
    columns = torch.where(left.gather(1, chosen), chosen, last).sort(dim=1).values
    is_found = columns < left.shape[1]
    return columns.clamp(max=left.shape[1] - 1), is_found
