import copy
import pickle

import pytest
import torch

from quaterion_core.components import build_component
from quaterion_core.loss import (
    ArcFaceLoss,
    MatryoshkaLoss,
    MultipleNegativesRankingLoss,
    TripletLoss,
)

EMBEDDINGS = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
GROUPS = {"groups": torch.tensor([1, 1, 2, 2, 3, 3, 4, 4])}
PAIRS = {
    "pairs": torch.tensor([[0, 4], [1, 5], [2, 6], [3, 7]]),
    "labels": torch.ones(4),
    "subgroups": torch.arange(4).repeat(2),
}


@pytest.mark.parametrize(
    ("loss", "targets"),
    [(TripletLoss(), GROUPS), (MultipleNegativesRankingLoss(), PAIRS)],
    ids=["groups", "pairs"],
)
def test_it_is_the_weighted_sum_over_the_sizes(loss, targets):
    expected = 2.0 * loss(EMBEDDINGS, **targets) + 0.5 * loss(EMBEDDINGS[:, :3], **targets)
    value = MatryoshkaLoss(loss, dims=[4, 3], weights=[2.0, 0.5])(EMBEDDINGS, **targets)
    torch.testing.assert_close(value, expected)


@pytest.mark.parametrize(
    ("loss", "targets"),
    [(TripletLoss(), GROUPS), (MultipleNegativesRankingLoss(), PAIRS)],
    ids=["groups", "pairs"],
)
def test_a_memory_is_cut_off_too(loss, targets):
    memory = {f"memory_{name}": values for name, values in targets.items()}
    remembered = EMBEDDINGS.flip(0)
    expected = sum(
        loss.xbm_loss(EMBEDDINGS[:, :m], **targets, memory_embeddings=remembered[:, :m], **memory)
        for m in (4, 2)
    )
    value = MatryoshkaLoss(loss, dims=[4, 2]).xbm_loss(
        EMBEDDINGS, **targets, memory_embeddings=remembered, **memory
    )
    torch.testing.assert_close(value, expected)


def test_it_is_of_the_kind_that_it_wraps():
    for loss, kind in ((TripletLoss(), "groups"), (MultipleNegativesRankingLoss(), "pairs")):
        wrapped = MatryoshkaLoss(loss, [2])
        assert type(wrapped) is MatryoshkaLoss
        assert wrapped.sample_kind == loss.sample_kind == kind


def test_a_wrapped_wrapper_can_be_described():
    inner = MatryoshkaLoss(TripletLoss(), [2])
    loss = MatryoshkaLoss(inner, [4, 2])
    assert loss.get_config_dict()["loss"]["name"] == "quaterion-core/matryoshka"
    torch.testing.assert_close(loss(EMBEDDINGS, **GROUPS), 2 * inner(EMBEDDINGS, **GROUPS))


def test_a_loss_with_weights_has_weights_of_each_size():
    loss = ArcFaceLoss(embedding_size=4, num_groups=5)
    wrapped = MatryoshkaLoss(loss, dims=[4, 2])
    assert sorted(parameter.shape for parameter in wrapped.parameters()) == [(5, 2), (5, 4)]
    assert any(parameter is loss.weight for parameter in wrapped.parameters())
    wrapped(EMBEDDINGS, **GROUPS).backward()
    assert all(parameter.grad is not None for parameter in wrapped.parameters())


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_it_can_be_copied(copied):
    loss = MatryoshkaLoss(ArcFaceLoss(4, 5), dims=[4, 2])
    other = copied(loss)
    assert type(other) is type(loss)
    torch.testing.assert_close(other.state_dict(), loss.state_dict())


def test_the_configuration_builds_it_again():
    loss = MatryoshkaLoss(TripletLoss(margin=0.25), dims=[4, 2], weights=[1.0, 0.5])
    config = loss.get_config_dict()
    again = MatryoshkaLoss.from_config(config)
    assert again.get_config_dict() == config
    torch.testing.assert_close(again(EMBEDDINGS, **GROUPS), loss(EMBEDDINGS, **GROUPS))


def test_a_recipe_names_the_loss_inside():
    choice = {"name": "matryoshka", "loss": {"name": "arcface", "scale": 8.0}, "dims": [4, 2]}
    loss = build_component(
        "loss", choice, provided={"embedding_size": lambda: 4, "num_groups": lambda: 5}
    )
    assert sorted(parameter.shape for parameter in loss.parameters()) == [(5, 2), (5, 4)]
    with pytest.raises(TypeError, match="no argument 'scal': did you mean 'scale'"):
        build_component("loss", {**choice, "loss": {"name": "arcface", "scal": 8.0}})


@pytest.mark.parametrize("dims", [[], [2, 2], [0], [-1]])
def test_sizes_are_different_positive_integers(dims):
    with pytest.raises(ValueError, match="Expected dims to be distinct positive integers"):
        MatryoshkaLoss(TripletLoss(), dims=dims)


@pytest.mark.parametrize("dims", [[2.5], [True], ["2"], 2])
def test_sizes_are_integers(dims):
    with pytest.raises(TypeError, match="dims: Expected a list of integers, got"):
        MatryoshkaLoss(TripletLoss(), dims=dims)


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="one weight for each of the sizes"):
        MatryoshkaLoss(TripletLoss(), dims=[4, 2], weights=[1.0])
    with pytest.raises(TypeError, match="loss: Expected a SimilarityLoss, got 'triplet'"):
        MatryoshkaLoss("triplet", dims=[4, 2])
    with pytest.raises(ValueError, match="Choose dims up to the model's embedding_size"):
        MatryoshkaLoss(TripletLoss(), dims=[8])(EMBEDDINGS, **GROUPS)
