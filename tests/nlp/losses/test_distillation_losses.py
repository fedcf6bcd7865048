"""Tests of MarginMSE and KL distillation losses."""

import math
from itertools import permutations

import pytest
import torch
from sentence_transformers.sentence_transformer import losses as peers

from quaterion_core.dataset.targets import NO_SUBGROUP
from quaterion_nlp import KLDistillationLoss, MarginMSELoss

both = pytest.mark.parametrize("cls", [MarginMSELoss, KLDistillationLoss])
QUERIES = 4


@pytest.fixture
def scored(pair_targets, vectors):
    """Return embeddings and targets of pairs whose model's score is given: e_1 · (score, 0)."""

    def build(scores, teacher_scores, subgroups):
        queries = torch.tensor([[1.0, 0.0]]).repeat(len(scores), 1)
        documents = torch.tensor([[score, 7.0] for score in scores])
        return {
            "embeddings": torch.cat([queries, documents]).requires_grad_(),
            **pair_targets(teacher_scores, subgroups),
        }

    return build


@pytest.fixture
def several_documents(pair_targets, vectors):
    """Return queries, documents of each, teacher's scores, and the same as a batch of pairs."""

    def build(documents):
        queries = vectors(QUERIES)
        columns = [vectors(QUERIES, seed=1 + number) for number in range(documents)]
        teacher_scores = 3 * vectors(QUERIES, documents, seed=99)
        batch = {
            "embeddings": torch.cat([queries.repeat(documents, 1), *columns]),
            **pair_targets(teacher_scores.T.flatten(), list(range(QUERIES)) * documents),
        }
        return [queries, *columns], teacher_scores, batch

    return build


def test_margin_mse_worked_by_hand(scored):
    value = MarginMSELoss()(**scored([5.0, 2.0, 1.0], [8.0, 4.0, 9.0], [1, 1, NO_SUBGROUP]))
    assert value.item() == pytest.approx(((5 - 2) - (8 - 4)) ** 2)


def test_margin_mse_compares_every_two_pairs_of_a_query(scored):
    scores, teacher_scores, queries = [5.0, 2.0, 1.0, 4.0, 0.5], [8.0, 4.0, 9.0, 1.0, 2.0], "aabab"
    value = MarginMSELoss(scale=2.0)(**scored(scores, teacher_scores, [ord(q) for q in queries]))
    errors = [
        (2 * (scores[i] - scores[j]) - (teacher_scores[i] - teacher_scores[j])) ** 2
        for i, j in permutations(range(5), 2)
        if queries[i] == queries[j]
    ]
    assert value.item() == pytest.approx(sum(errors) / len(errors))


def test_margin_mse_agrees_with_sentence_transformers(several_documents, peer_value, passing):
    columns, teacher_scores, batch = several_documents(2)
    expected = peer_value(peers.MarginMSELoss(passing()), columns, teacher_scores)
    torch.testing.assert_close(MarginMSELoss()(**batch), expected)


def test_kl_distillation_worked_by_hand(scored):
    # The model's odds are 1 : 1 at a temperature of 2, the teacher's 4 : 1.
    teacher_scores = [2 * math.log(4), 0.0, 3.0]
    batch = scored([6.0, 6.0, 1.0], teacher_scores, [1, 1, NO_SUBGROUP])
    value = KLDistillationLoss(temperature=2.0)(**batch)
    divergence = 0.8 * math.log(0.8 / 0.5) + 0.2 * math.log(0.2 / 0.5)
    assert value.item() == pytest.approx(4 * divergence, rel=1e-5)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
@pytest.mark.parametrize("documents", [2, 5])
@pytest.mark.filterwarnings("ignore:.*teacher")
def test_kl_distillation_agrees_with_sentence_transformers(
    temperature, documents, several_documents, peer_value, passing
):
    columns, teacher_scores, batch = several_documents(documents)
    peer = peers.DistillKLDivLoss(passing(), temperature=temperature)
    expected = peer_value(peer, columns, teacher_scores)
    torch.testing.assert_close(KLDistillationLoss(temperature)(**batch), expected)


def test_kl_distillation_takes_the_mean_over_queries_of_different_sizes(scored):
    loss = KLDistillationLoss()
    both = loss(**scored([1.0, 2.0, 3.0, 0.0, 1.0], [2.0, 0.0, 1.0, 5.0, 1.0], [1, 1, 1, 2, 2]))
    first = loss(**scored([1.0, 2.0, 3.0], [2.0, 0.0, 1.0], [1, 1, 1]))
    second = loss(**scored([0.0, 1.0], [5.0, 1.0], [2, 2]))
    torch.testing.assert_close(both, (first + second) / 2)


@both
def test_a_model_with_the_scores_of_the_teacher_costs_nothing(cls, scored):
    batch = scored([5.0, 2.0, 3.0], [15.0, 12.0, 13.0], [1, 1, 1])
    value = cls()(**batch)
    value.backward()
    assert value.item() == pytest.approx(0, abs=1e-6)
    assert batch["embeddings"].grad.abs().max() < 1e-5


@both
@pytest.mark.parametrize("subgroups", [[1, 2, 3], [NO_SUBGROUP] * 3], ids=["alone", "none"])
def test_a_query_with_one_pair_teaches_nothing(cls, subgroups, scored):
    batch = scored([5.0, 2.0, 1.0], [8.0, 4.0, 9.0], subgroups)
    value = cls()(**batch)
    value.backward()
    assert value == 0
    assert not batch["embeddings"].grad.any()


@both
def test_gradients_are_those_of_the_value(cls, several_documents):
    _, _, batch = several_documents(3)
    embeddings = batch.pop("embeddings").requires_grad_()
    loss = cls(scale=0.7)
    assert torch.autograd.gradcheck(lambda x: loss(x, **batch), embeddings)


@both
def test_a_teacher_who_is_certain_leaves_everything_finite(cls, scored):
    batch = scored([5.0, -2.0], [1e4, -1e4], [1, 1])
    value = cls()(**batch)
    value.backward()
    assert value.isfinite()
    assert batch["embeddings"].grad.isfinite().all()


@both
def test_settings_out_of_range_are_refused(cls):
    with pytest.raises(ValueError, match=r"Expected scale to be positive, got -1\.0"):
        cls(scale=-1.0)


def test_a_temperature_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match=r"Expected temperature to be positive, got 0\.0"):
        KLDistillationLoss(temperature=0.0)
