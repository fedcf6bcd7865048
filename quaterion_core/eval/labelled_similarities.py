"""Similarities of pairs that are known to match or not, such as for calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

import torch
from torch import Tensor

from quaterion_core.distances import BaseDistance
from quaterion_core.eval.equal_objects import first_of
from quaterion_core.eval.retrieval import Retrieval
from quaterion_core.eval.retrieval_metrics.retrieval_metric import relevance_of
from quaterion_core.eval.samplers.sampler_for import sampler_for

MATCH: Final = 0.5
"""Score from which a pair is a match."""


@dataclass(frozen=True)
class LabelledSimilarities:
    """Similarities of pairs, of which it is known whether they match.

    Attributes:
        similarities: Similarities of pairs, shape (P,).
        is_match: Which pairs are matches, shape (P,), bool.
        matches: Similarities of matches, one for each query.
        others: Similarities of what is no match, one for each query.
    """

    similarities: Tensor
    is_match: Tensor
    matches: Tensor
    others: Tensor


class Encode(Protocol):
    """A function that embeds objects, as :meth:`SimilarityModel.encode` does."""

    def __call__(self, inputs: Any, batch_size: int = ..., *, to_numpy: Literal[False]) -> Tensor:
        """Return the embeddings of n objects, shape (n, D)."""


def labelled_similarities(
    samples: Sequence[Any],
    encode: Encode,
    distance: BaseDistance,
    reference: Sequence[Any] | None = None,
    nearest: int = 10,
) -> LabelledSimilarities:
    """Return similarities of pairs that match, and of others.

    Where pairs are given of which some match, with a score of at least 0.5, and some do not, these
    pairs are returned. Else it is what a search finds: the nearest candidates of each query, and
    for each query its most similar match and the most similar other candidate.

    Args:
        samples: Pair samples or group samples.
        encode: Embeds objects.
        distance: Distance whose similarity is meant.
        reference: For group samples, those whose objects are searched.
        nearest: Number of candidates of each query.

    Raises:
        ValueError: There are no samples.
    """
    if not samples:
        raise ValueError("Expected samples whose objects match or not, got none.")
    model: Any = _Model(encode)
    retrieval = sampler_for(samples, reference).retrieval(samples, model)
    labels = retrieval.targets.get("labels")
    if labels is not None and bool((labels < MATCH).any()) and bool((labels >= MATCH).any()):
        return _of_given_pairs(retrieval, distance)
    return _of_found_pairs(retrieval, distance, nearest)


@dataclass(frozen=True)
class _Model:
    """What samplers need of a model."""

    encode: Encode


def _of_given_pairs(retrieval: Retrieval, distance: BaseDistance) -> LabelledSimilarities:
    targets = retrieval.targets
    pairs, is_match = targets["pairs"], targets["labels"] >= MATCH
    content = targets["objects"][pairs] if "objects" in targets else pairs
    _, number = torch.unique(
        torch.cat([content, is_match.long().unsqueeze(1)], dim=1), dim=0, return_inverse=True
    )
    first = first_of(number)
    pairs, is_match = pairs[first], is_match[first]
    similarities = retrieval.similarities(distance, pairs)
    return LabelledSimilarities(
        similarities, is_match, similarities[is_match], similarities[~is_match]
    )


def _of_found_pairs(
    retrieval: Retrieval, distance: BaseDistance, nearest: int
) -> LabelledSimilarities:
    pairs: list[Tensor] = []
    labels: list[Tensor] = []
    best: dict[bool, list[Tensor]] = {True: [], False: []}
    for start, stop in retrieval.query_ranges():
        scores = retrieval.scores(distance, start, stop)
        block = relevance_of(retrieval).block(start, stop)
        rows, columns, _ = block.listing()
        is_relevant = torch.zeros_like(scores, dtype=torch.bool)
        is_relevant[rows, columns] = True
        # What is similar to a query without anything relevant may be unlabelled rather than wrong.
        answered = block.counts() > 0
        queries = retrieval.queries[start:stop][answered]
        scores, is_relevant = scores[answered], is_relevant[answered]
        top = scores.topk(min(nearest, scores.shape[1]), dim=1)
        is_found = top.values > -torch.inf  # not the query itself
        pairs.append(_pairs(retrieval, queries, top.indices)[is_found])
        labels.append(is_relevant.gather(1, top.indices)[is_found])
        for relevant, of_kind in best.items():
            nearest_one = scores.masked_fill(is_relevant != relevant, -torch.inf).max(
                dim=1, keepdim=True
            )
            exists = nearest_one.values > -torch.inf
            of_kind.append(_pairs(retrieval, queries, nearest_one.indices)[exists])
    return LabelledSimilarities(
        retrieval.similarities(distance, torch.cat(pairs)),
        torch.cat(labels),
        retrieval.similarities(distance, torch.cat(best[True])),
        retrieval.similarities(distance, torch.cat(best[False])),
    )


def _pairs(retrieval: Retrieval, queries: Tensor, columns: Tensor) -> Tensor:
    """Return rows of queries (Q,) and of candidates in columns (Q, K) as pairs, (Q, K, 2)."""
    candidates = retrieval.candidates[columns]
    return torch.stack([queries.unsqueeze(1).expand_as(candidates), candidates], dim=2)
