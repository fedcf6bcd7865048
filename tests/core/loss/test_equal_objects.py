"""Tests that equal objects of a batch are treated as one by pairwise losses."""

import math

import pytest
import torch

from quaterion_core.dataset import PairsSimilarityDataLoader, SimilarityPairSample
from quaterion_core.dataset.targets import NO_SUBGROUP
from quaterion_core.loss import (
    ContrastiveLoss,
    MatryoshkaLoss,
    MultipleNegativesRankingLoss,
    PairwiseLoss,
)
from quaterion_core.loss.known_positives import known_positives, link_equal_positives
from quaterion_cv import NTXentLoss
from quaterion_nlp import GuidedNegativesRankingLoss, MarginMSELoss


def batch(*pairs, subgroups=None):
    """Return embeddings and targets of pairs of texts, with equal embeddings for equal texts."""
    samples = [
        SimilarityPairSample(*pair, subgroup=None if subgroups is None else subgroups[number])
        for number, pair in enumerate(pairs)
    ]
    objects, targets = PairsSimilarityDataLoader.pre_collate_fn(samples)
    generator = torch.Generator().manual_seed(0)
    vectors = {text: torch.randn(4, generator=generator) for text in sorted(set(objects))}
    return torch.stack([vectors[text] for text in objects]).double(), targets


SHARED = batch(("q1", "yes"), ("q2", "yes"), ("q3", "no"))
DISTINCT = batch(("q1", "yes"), ("q3", "no"))


def rows_of(loss, embeddings, targets):
    """Return -log softmax of each partner by hand, for every pair, over the listed candidates."""
    similarity = loss.distance_metric.similarity_matrix(embeddings) * loss.scale
    pairs = targets["pairs"].tolist()
    return similarity, pairs


@pytest.mark.parametrize("symmetric", [False, True])
def test_the_partner_of_a_pair_with_an_equal_positive_is_no_negative(symmetric):
    loss = MultipleNegativesRankingLoss(scale=3.0, symmetric=symmetric)
    embeddings, targets = SHARED
    s, pairs = rows_of(loss, embeddings, targets)

    def term(query, partner, negatives):
        return -s[query, partner] + torch.logsumexp(s[query, [partner, *negatives]], 0)

    (q1, yes1), (q2, yes2), (q3, no) = pairs
    expected = (term(q1, yes1, [no]) + term(q2, yes2, [no]) + term(q3, no, [yes1, yes2])) / 3
    if symmetric:
        back = (term(yes1, q1, [q3]) + term(yes2, q2, [q3]) + term(no, q3, [q1, q2])) / 3
        expected = (expected + back) / 2
    torch.testing.assert_close(loss.batch_loss(embeddings, targets), expected)


def test_a_known_partner_of_an_equal_query_is_no_negative():
    loss = MultipleNegativesRankingLoss(scale=3.0)
    embeddings, targets = batch(("q", "a"), ("q", "b"), ("r", "c"))
    s, ((q, a), (_, b), (r, c)) = rows_of(loss, embeddings, targets)
    expected = (
        s[q, [a, c]].logsumexp(0)
        - s[q, a]
        + s[q, [b, c]].logsumexp(0)
        - s[q, b]
        + s[r, [a, b, c]].logsumexp(0)
        - s[r, c]
    ) / 3
    torch.testing.assert_close(loss.batch_loss(embeddings, targets), expected)


def test_an_object_is_not_its_own_negative_in_a_chain_of_pairs():
    loss = MultipleNegativesRankingLoss(scale=3.0)
    embeddings, targets = batch(("a", "b"), ("b", "c"))
    s, ((a, b), (_, c)) = rows_of(loss, embeddings, targets)
    expected = (s[a, [b, c]].logsumexp(0) - s[a, b]) / 2  # b has neither b nor a to fear
    torch.testing.assert_close(loss.batch_loss(embeddings, targets), expected)


def test_a_pair_with_score_zero_stays_a_negative_of_its_query_alone():
    loss = MultipleNegativesRankingLoss(scale=3.0)
    embeddings, targets = batch(("q", "a"), ("q", "b", 0.0), ("r", "b"))
    s, ((q, a), (_, b), (r, _)) = rows_of(loss, embeddings, targets)
    of_q = s[q, [a, b, b]].logsumexp(0) - s[q, a]  # b is there twice, and stated not to be similar
    of_r = s[r, [b, a]].logsumexp(0) - s[r, b]  # b is the partner, also where it comes from q
    torch.testing.assert_close(loss.batch_loss(embeddings, targets), (of_q + of_r) / 2)


def test_views_of_equal_images_are_not_compared():
    loss = NTXentLoss(temperature=1.0)
    embeddings, targets = batch(("x", "x"), ("x", "x"), ("y", "y"))
    alone, alone_targets = batch(("x", "x"), ("y", "y"))
    s = loss.distance_metric.similarity_matrix(alone)[0, 1]
    # x: its partner against two views of y; y: its partner against four views of x.
    expected = (4 * torch.log1p(2 * (s - 1).exp()) + 2 * torch.log1p(4 * (s - 1).exp())) / 6
    torch.testing.assert_close(loss.batch_loss(embeddings, targets), expected)
    assert len(alone_targets["objects"]) == 4


def test_guided_negatives_leave_out_equal_objects():
    loss = GuidedNegativesRankingLoss(scale=1.0, self_margin=10.0)  # the guide rules nothing out
    embeddings, targets = SHARED
    s, ((q1, yes), (q2, _), (q3, no)) = rows_of(loss, embeddings, targets)

    def term(partner, *negatives):
        return torch.logsumexp(torch.stack([partner, *negatives]), 0) - partner

    expected = (
        term(s[q1, yes], s[q1, no], s[q1, q2], s[q1, q3], s[yes, no])
        + term(s[q2, yes], s[q2, no], s[q2, q1], s[q2, q3], s[yes, no])
        + term(s[q3, no], s[q3, yes], s[q3, yes], s[q3, q1], s[q3, q2], s[no, yes], s[no, yes])
    ) / 3
    torch.testing.assert_close(loss.batch_loss(embeddings, targets), expected)


def test_contrastive_loss_does_not_push_equal_objects_of_two_subgroups_apart():
    loss = ContrastiveLoss(margin=0.5)
    embeddings, targets = batch(("q1", "yes"), ("q2", "yes"), subgroups=[1, 2])
    embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.1], [1.0, 0.0], [1.0, 0.0]])
    d = 1 - 1 / math.sqrt(1.01)
    # Of other subgroups are q1 and q2 alone, which lie as near to one another as to "yes".
    expected = (d**2 / 2 + 2 * (0.5 - d) ** 2) / 2
    assert loss.batch_loss(embeddings, targets).item() == pytest.approx(expected, abs=1e-6)


class ByHand(PairwiseLoss):
    """A loss with in-batch negatives that reads only pairs, labels and subgroups."""

    def forward(self, embeddings, pairs, labels, subgroups):
        own = subgroups[pairs[:, 0]]
        negative = (own.unsqueeze(1) != own) | (own == NO_SUBGROUP).unsqueeze(1)
        s = self.distance_metric.similarity_matrix(embeddings[pairs[:, 0]], embeddings[pairs[:, 1]])
        s = s.masked_fill(~(negative | torch.eye(len(pairs), dtype=torch.bool)), -math.inf)
        return (s.logsumexp(1) - s.diagonal()).mean()


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_loss_that_knows_no_objects_gets_subgroups(wrapped):
    embeddings, targets = SHARED
    loss = MatryoshkaLoss(ByHand(), dims=[4]) if wrapped else ByHand()
    expected = MultipleNegativesRankingLoss(scale=1.0).batch_loss(embeddings, targets)
    torch.testing.assert_close(loss.batch_loss(embeddings, targets), expected)


def test_linking_keeps_stated_subgroups_and_does_not_chain_them():
    pairs = torch.tensor([[0, 4], [1, 5], [2, 6], [3, 7]])
    subgroups = torch.tensor([1, 1, 2, NO_SUBGROUP]).repeat(2)
    # Pairs 1, 2 and 3 share a positive; 0 and 1 a subgroup.
    linked = link_equal_positives(
        pairs, torch.ones(4), subgroups, torch.tensor([10, 11, 12, 13, 20, 21, 21, 21])
    )
    assert linked.tolist() == [1, 1, 2, 1] * 2


def test_a_pair_of_score_zero_links_nothing():
    pairs = torch.tensor([[0, 2], [1, 3]])
    subgroups = torch.full((4,), NO_SUBGROUP)
    objects = torch.tensor([10, 11, 20, 20])
    linked = link_equal_positives(pairs, torch.tensor([1.0, 0.0]), subgroups, objects)
    assert torch.equal(linked, subgroups)


def test_a_distillation_loss_does_not_take_an_equal_document_for_a_query():
    embeddings, targets = batch(("q1", "yes", 5.0), ("q2", "yes", 1.0))
    assert MarginMSELoss().batch_loss(embeddings, targets) == 0


@pytest.mark.parametrize("symmetric", [False, True])
def test_the_memory_holds_no_known_positive_against_an_object(symmetric):
    loss = MultipleNegativesRankingLoss(scale=2.0, symmetric=symmetric)
    embeddings, targets = batch(("q1", "yes"), ("q9", "no"))
    memory, memory_targets = batch(("q2", "yes"), ("q3", "maybe"))
    shared = loss.memory_loss(embeddings, targets, memory, memory_targets)

    def s(x, y):
        return 2 * torch.cosine_similarity(x, y, dim=0)

    (q1, q9, yes, no), (q2, q3, memory_yes, maybe) = embeddings, memory

    def term(query, partner, *negatives):
        logits = torch.stack([s(query, partner), *(s(query, negative) for negative in negatives)])
        return logits.logsumexp(0) - s(query, partner)

    expected = (term(q1, yes, maybe) + term(q9, no, memory_yes, maybe)) / 2
    if symmetric:
        expected = (expected + (term(yes, q1, q3) + term(no, q9, q2, q3)) / 2) / 2
    torch.testing.assert_close(shared, expected)


def test_a_foreign_loss_is_linked_across_the_memory():
    embeddings, targets = batch(("q1", "yes"), ("q9", "no"))
    memory, memory_targets = batch(("q2", "yes"), ("q3", "maybe"))
    value = ByHand().memory_loss(embeddings, targets, memory, memory_targets)
    together = batch(("q1", "yes"), ("q9", "no"), ("q2", "yes"), ("q3", "maybe"))[1]
    first, second = embeddings.chunk(2)
    embeddings = torch.cat([first, memory[:2], second, memory[2:]])
    expected = MultipleNegativesRankingLoss(scale=1.0).batch_loss(embeddings, together)
    torch.testing.assert_close(value, expected)


def test_known_positives_of_no_objects():
    nothing = torch.empty(0, dtype=torch.int64)
    assert known_positives(nothing, nothing, nothing.reshape(0, 2)).shape == (0, 0)
    one = torch.tensor([4])
    assert known_positives(one, nothing, torch.tensor([[4, 5]])).shape == (1, 0)
