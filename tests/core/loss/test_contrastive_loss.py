import pytest
import torch

from quaterion_core.dataset.targets import NO_SUBGROUP
from quaterion_core.loss import ContrastiveLoss

# Two pairs: 0 with 0.5, and 1 with 1.2.
LINE = torch.tensor([[0.0], [1.0], [0.5], [1.2]])
PAIRS = torch.tensor([[0, 2], [1, 3]])


def loss_of(labels, subgroups, embeddings=LINE, pairs=PAIRS, **kwargs):
    loss = ContrastiveLoss(**{"margin": 0.6, "distance_metric_name": "euclidean", **kwargs})
    return loss(embeddings, pairs, torch.tensor(labels), torch.tensor(subgroups).repeat(2)).item()


def test_pairs_of_one_subgroup_worked_by_hand():
    similar, dissimilar = 0.5**2 / 2, (0.6 - 0.2) ** 2 / 2
    assert loss_of([1.0, 0.0], [7, 7]) == pytest.approx((similar + dissimilar) / 2)


def test_objects_of_other_subgroups_are_held_apart():
    # Nearest of the other subgroup: 0 and 1: 1, costs 0; 0.5 and 1: 0.5, each costs (0.6 - 0.5)²;
    # 1.2 and 0.5: 0.7, costs 0.
    first, second = 0.5**2 / 2 + 0.1**2, (0.6 - 0.2) ** 2 / 2 + 0.1**2
    assert loss_of([1.0, 0.0], [7, 8]) == pytest.approx((first + second) / 2)


def test_the_sum_is_not_averaged():
    first, second = 0.5**2 / 2 + 0.1**2, (0.6 - 0.2) ** 2 / 2 + 0.1**2
    assert loss_of([1.0, 0.0], [7, 8], size_average=False) == pytest.approx(first + second)


def test_a_graded_label_weighs_both_sides():
    expected = (0.25 * 0.5**2 + 0.75 * (0.6 - 0.5) ** 2) / 2
    assert loss_of([0.25], [7], LINE[::2], torch.tensor([[0, 1]])) == pytest.approx(expected)


@pytest.mark.parametrize("subgroups", [[7, NO_SUBGROUP], [NO_SUBGROUP, NO_SUBGROUP]])
def test_objects_without_a_subgroup_are_never_negatives(subgroups):
    assert loss_of([1.0, 0.0], subgroups) == loss_of([1.0, 0.0], [7, 7])


def test_an_object_without_a_subgroup_has_none_nearby_even_if_others_have():
    # The third pair lies where the first one does, and the stated subgroups are far apart.
    line = torch.tensor([[0.0], [9.0], [0.0], [0.0], [9.0], [0.0]])
    pairs = torch.tensor([[0, 3], [1, 4], [2, 5]])
    assert loss_of([1.0, 1.0, 1.0], [7, 8, NO_SUBGROUP], line, pairs) == 0


def test_both_terms_measure_with_one_distance():
    """The paired cosine distance was 1 - cos, that of other subgroups (1 - cos)/2."""
    # Three orthogonal directions: cosine distance 1 between any two of them.
    embeddings = torch.eye(3)[[0, 2, 1, 2]]
    dissimilar, other_subgroup = 0.5**2 / 2, 0.5**2
    expected = (dissimilar + 2 * other_subgroup + 2 * other_subgroup) / 2
    value = loss_of([0.0, 1.0], [7, 8], embeddings, margin=1.5, distance_metric_name="cosine")
    assert value == pytest.approx(expected)


def test_a_nearest_object_gets_its_gradient_too():
    embeddings = LINE.clone().requires_grad_()
    loss = ContrastiveLoss("euclidean", margin=0.6)
    loss(embeddings, PAIRS, torch.tensor([1.0, 1.0]), torch.tensor([7, 8, 7, 8])).backward()
    # d²/2 of the pairs and (0.6 - 0.5)² of 0.5 and of 1, over 2 pairs:
    # 0.5: (0.5 + 2·2·0.1)/2, 1: (-0.2 - 2·2·0.1)/2
    expected = [-0.25, -0.3, 0.45, 0.1]
    assert embeddings.grad.flatten().tolist() == pytest.approx(expected)


def test_other_targets_are_ignored():
    targets = {"pairs": PAIRS, "labels": torch.ones(2), "subgroups": torch.zeros(4).long()}
    assert ContrastiveLoss()(LINE, **targets, weights=torch.ones(2)) >= 0
