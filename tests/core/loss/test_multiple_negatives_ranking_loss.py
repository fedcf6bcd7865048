import math

import pytest
import torch
from pytorch_metric_learning.losses import NTXentLoss

from quaterion_core.dataset.targets import NO_SUBGROUP
from quaterion_core.loss import MultipleNegativesRankingLoss
from quaterion_core.testing.loss_batches import pair_targets

# Dot products of obj_a (rows) and obj_b (columns): [[2, 1], [0, 3]].
EMBEDDINGS = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 0.0], [1.0, 3.0]])
FIRST = math.log(1 + math.exp(1 - 2))
SECOND = math.log(1 + math.exp(0 - 3))


def loss_of(labels, subgroups, embeddings=EMBEDDINGS, **kwargs):
    settings = {"scale": 1.0, "distance_metric_name": "dot_product", **kwargs}
    loss = MultipleNegativesRankingLoss(**settings)
    return loss(embeddings, **pair_targets(labels, subgroups)).item()


@pytest.mark.parametrize(
    "subgroups", [[7, 8], [NO_SUBGROUP, NO_SUBGROUP], [7, NO_SUBGROUP], [NO_SUBGROUP, 7]]
)
def test_other_pairs_are_negatives(subgroups):
    assert loss_of([1.0, 1.0], subgroups) == pytest.approx((FIRST + SECOND) / 2)


def test_both_directions_worked_by_hand():
    # Columns: 2 against 0, and 3 against 1.
    backwards = math.log(1 + math.exp(-2))
    expected = ((FIRST + SECOND) / 2 + backwards) / 2
    assert loss_of([1.0, 1.0], [7, 8], symmetric=True) == pytest.approx(expected)


@pytest.mark.parametrize("symmetric", [False, True])
def test_pairs_of_one_subgroup_are_not_each_others_negatives(symmetric):
    """Equal questions of a batch were once negatives of each other."""
    assert loss_of([1.0, 1.0], [7, 7], symmetric=symmetric) == 0


@pytest.mark.parametrize("subgroups", [[7, 7], [7, 8], [NO_SUBGROUP, NO_SUBGROUP]])
def test_a_pair_with_score_zero_is_a_hard_negative(subgroups):
    """Such pairs were once an error."""
    assert loss_of([1.0, 0.0], subgroups) == pytest.approx(FIRST)


def test_an_object_may_have_several_hard_negatives():
    # Dot products of the first obj_a: 2 with its partner, 1 and 3 with the hard negatives.
    embeddings = torch.tensor([[1.0]] * 3 + [[2.0], [1.0], [3.0]])
    expected = math.log(1 + math.exp(1 - 2) + math.exp(3 - 2))
    assert loss_of([1.0, 0.0, 0.0], [7, 7, 7], embeddings) == pytest.approx(expected)


def test_hard_negatives_come_beside_those_of_pairs_without_a_subgroup():
    # obj_a 1, 1, 1 with 2 (its partner), 1 (a hard negative) and 3 (another pair's partner).
    embeddings = torch.tensor([[1.0]] * 3 + [[2.0], [1.0], [3.0]])
    first = math.log(1 + math.exp(1 - 2) + math.exp(3 - 2))
    third = math.log(1 + math.exp(1 - 3) + math.exp(2 - 3))
    value = loss_of([1.0, 0.0, 1.0], [NO_SUBGROUP] * 3, embeddings)
    assert value == pytest.approx((first + third) / 2)


def test_a_hard_negative_is_one_for_other_subgroups_too():
    # obj_a 1, 1, 1 with 2 (its partner), 1 (its hard negative) and 3 (another pair's partner).
    embeddings = torch.tensor([[1.0]] * 3 + [[2.0], [1.0], [3.0]])
    first = math.log(1 + math.exp(1 - 2) + math.exp(3 - 2))
    third = math.log(1 + math.exp(1 - 3) + math.exp(2 - 3))
    value = loss_of([1.0, 0.0, 1.0], [7, 7, 8], embeddings)
    assert value == pytest.approx((first + third) / 2)


def test_the_first_object_of_a_hard_negative_is_no_negative():
    """It may be the partner itself, so the other direction has a single candidate."""
    value = loss_of([1.0, 0.0], [NO_SUBGROUP, NO_SUBGROUP], symmetric=True)
    assert value == pytest.approx(FIRST / 2)


def test_labels_weigh_pairs():
    expected = (FIRST + 0.5 * SECOND) / 1.5
    assert loss_of([1.0, 0.5], [7, 8]) == pytest.approx(expected)


@pytest.mark.parametrize("symmetric", [False, True])
def test_no_similar_pair_costs_nothing(symmetric):
    assert loss_of([0.0, 0.0], [7, 8], symmetric=symmetric) == 0


def test_scale_is_the_factor_of_the_cosine():
    """With the similarity (cos + 1)/2, a scale of 20 once acted as 10."""
    # Partners at cosine 1, others at cosine 0.
    embeddings = torch.eye(2).repeat(2, 1)
    value = loss_of([1.0, 1.0], [7, 8], embeddings, scale=5.0, distance_metric_name="cosine")
    assert value == pytest.approx(math.log(1 + math.exp(-5)))
    assert MultipleNegativesRankingLoss().scale == 20


def test_the_configuration_ends():
    """get_config_dict once recursed infinitely."""
    assert MultipleNegativesRankingLoss(scale=3.0, symmetric=True).get_config_dict() == {
        "distance_metric_name": "cosine",
        "scale": 3.0,
        "symmetric": True,
        "positive_from": 0.5,
    }


@pytest.mark.parametrize("symmetric", [False, True])
def test_it_agrees_with_the_ntxent_loss_of_pytorch_metric_learning(symmetric):
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.randn(24, 8, dtype=torch.float64, generator=generator)
    ours, theirs = embeddings.clone().requires_grad_(), embeddings.clone().requires_grad_()
    ids = torch.arange(12)
    value = MultipleNegativesRankingLoss(scale=20.0, symmetric=symmetric)(
        ours, **pair_targets(torch.ones(12), ids)
    )
    reference = NTXentLoss(temperature=1 / 20)
    a, b = theirs[:12], theirs[12:]
    expected = reference(a, ids, ref_emb=b, ref_labels=ids.clone())
    if symmetric:
        expected = (expected + reference(b, ids, ref_emb=a, ref_labels=ids.clone())) / 2
    torch.testing.assert_close(value, expected)
    value.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_pairs_may_share_rows():
    # One obj_a (row 0) with the partner in row 2 and the hard negative in row 3: 2 against 1.
    value = MultipleNegativesRankingLoss(scale=1.0, distance_metric_name="dot_product")(
        EMBEDDINGS, torch.tensor([[0, 2], [0, 3]]), torch.tensor([1.0, 0.0]), torch.full((4,), 7)
    )
    assert value.item() == pytest.approx(FIRST)


@pytest.mark.parametrize("symmetric", [False, True])
def test_the_gradient_is_that_of_finite_differences(symmetric):
    loss = MultipleNegativesRankingLoss(scale=3.0, symmetric=symmetric)
    embeddings = torch.randn(
        12, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True
    )
    labels = torch.tensor([1.0, 0.5, 0.0, 1.0, 0.3, 0.75], dtype=torch.float64)
    targets = pair_targets(labels, [7, 7, 7, 8, 9, NO_SUBGROUP])
    assert torch.autograd.gradcheck(lambda x: loss(x, **targets), embeddings)


MEMORY = torch.tensor([[1.0, 1.0], [0.0, 2.0], [3.0, 0.0], [0.0, 1.0]])
"""Two pairs, rows 0 and 2, 1 and 3. Their obj_b have the dot products 3 and 0 with [1, 0]."""


def memory_loss(memory_labels, memory_subgroups, labels=(1.0,), subgroups=(7,), **kwargs):
    """One pair, [1, 0] and [2, 0], against the memory."""
    loss = MultipleNegativesRankingLoss(scale=1.0, distance_metric_name="dot_product", **kwargs)
    return loss.xbm_loss(
        torch.tensor([[1.0, 0.0], [2.0, 0.0]]),
        torch.tensor([[0, 1]]),
        torch.tensor(labels),
        torch.tensor(subgroups).repeat(2),
        memory_embeddings=MEMORY,
        memory_pairs=torch.tensor([[0, 2], [1, 3]]),
        memory_labels=torch.tensor(memory_labels),
        memory_subgroups=torch.tensor(memory_subgroups).repeat(2),
    ).item()


@pytest.mark.parametrize(
    ("memory_labels", "memory_subgroups", "products"),
    [
        ([1.0, 1.0], [8, 9], [3, 0]),
        ([1.0, 1.0], [7, 9], [0]),
        ([0.0, 1.0], [7, 9], [3, 0]),
        ([1.0, 1.0], [7, 7], []),
        ([1.0, 1.0], [NO_SUBGROUP, NO_SUBGROUP], [3, 0]),
    ],
    ids=["others", "own subgroup", "hard negative", "nothing", "nothing stated"],
)
def test_a_memory_gives_more_negatives(memory_labels, memory_subgroups, products):
    expected = math.log(1 + sum(math.exp(product - 2) for product in products))
    assert memory_loss(memory_labels, memory_subgroups) == pytest.approx(expected)


def test_a_memory_is_symmetric_too():
    # [2, 0] has the dot product 2 with [1, 0], its partner, and 2 and 0 with the remembered obj_a.
    forwards = math.log(1 + math.exp(3 - 2) + math.exp(0 - 2))
    backwards = math.log(1 + math.exp(2 - 2) + math.exp(0 - 2))
    value = memory_loss([1.0, 1.0], [8, 9], symmetric=True)
    assert value == pytest.approx((forwards + backwards) / 2)


def test_hard_negatives_have_no_term_of_their_own_against_a_memory():
    assert memory_loss([1.0, 1.0], [8, 9], labels=[0.0]) == 0


def test_without_labels_and_subgroups_all_pairs_are_similar():
    loss = MultipleNegativesRankingLoss(scale=1.0, distance_metric_name="dot_product")
    value = loss(EMBEDDINGS, torch.tensor([[0, 2], [1, 3]]), torch.Tensor(), torch.Tensor())
    assert value.item() == pytest.approx((FIRST + SECOND) / 2)
