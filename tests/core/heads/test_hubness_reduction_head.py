import math

import pytest
import torch
import torch.nn.functional as F

from quaterion_core.distances import Distance
from quaterion_core.heads import EmptyHead, HubnessReductionHead, LinearProjectionHead

CROWD = [[1.0, 0.0], [3.0, 0.1], [1.0, -0.1]]


def around(reference, **arguments) -> HubnessReductionHead:
    return HubnessReductionHead(EmptyHead(len(reference[0])), torch.tensor(reference), **arguments)


def test_the_last_number_is_how_sparse_the_neighbourhood_is():
    head = around([[5.0, 0.0], [0.0, 2.0], [-1.0, 0.0]], neighbors=2, weight=4.0)
    # The cosines of (3, 4) with the reference are 0.6, 0.8 and -0.6: the nearest two have 0.7.
    expected = torch.tensor([[0.6, 0.8, 2.0 * (1 - 0.7)]]) / math.sqrt(1 + 0.6**2)
    torch.testing.assert_close(head(torch.tensor([[3.0, 4.0]])), expected)


@pytest.mark.parametrize("distance", [Distance.COSINE, Distance.DOT_PRODUCT, Distance.EUCLIDEAN])
def test_of_two_objects_at_one_angle_the_one_outside_the_crowd_is_nearer(distance):
    head = around([*CROWD, [0.0, 1.0]], neighbors=3)
    query, objects = head(torch.tensor([[1.0, 1.0]])), head(torch.eye(2))
    crowded, apart = Distance.get_by_name(distance).distance_matrix(query, objects)[0]
    assert apart < crowded - 0.01


def test_without_weight_angles_stay_what_they_are():
    head = around(torch.randn(9, 6).tolist(), neighbors=3, weight=0.0)
    vectors = torch.randn(4, 6)
    expected = F.cosine_similarity(vectors[:1], vectors)
    embeddings = head(vectors)
    torch.testing.assert_close(F.cosine_similarity(embeddings[:1], embeddings), expected)


def test_the_reference_is_neither_trained_nor_left_out_of_what_is_saved(tmp_path):
    inner = LinearProjectionHead(6, 4)
    reference = torch.randn(9, 4, requires_grad=True)
    head = HubnessReductionHead(inner, reference, neighbors=3, weight=0.5)
    assert {id(p) for p in head.parameters()} == {id(p) for p in inner.parameters()}
    head.save(tmp_path)
    restored = HubnessReductionHead.load(tmp_path)
    assert torch.equal(restored.reference, F.normalize(reference.detach(), dim=1))
    assert (restored.neighbors, restored.weight) == (3, 0.5)


@pytest.mark.parametrize("neighbors", [0, 4])
def test_more_neighbors_than_there_are_is_refused(neighbors):
    with pytest.raises(ValueError, match=f"neighbors between 1 and 3, .*got {neighbors}"):
        around(CROWD, neighbors=neighbors)


def test_a_negative_weight_is_refused():
    with pytest.raises(ValueError, match=r"Expected weight to be 0 or more, got -0\.1"):
        around(CROWD, neighbors=1, weight=-0.1)


def test_a_reference_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"shape \(R, 4\), got shape \(3, 2\)"):
        HubnessReductionHead(LinearProjectionHead(2, 4), torch.tensor(CROWD), neighbors=1)


def test_what_is_no_head_is_refused():
    with pytest.raises(TypeError, match="Expected head to be an EncoderHead, got a Linear"):
        HubnessReductionHead(torch.nn.Linear(2, 2), torch.tensor(CROWD), neighbors=1)
