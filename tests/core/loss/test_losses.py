"""What holds for every loss."""

import json

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import quaterion_core.loss as losses
from quaterion_core.dataset.targets import NO_SUBGROUP
from quaterion_core.loss import (
    ArcFaceLoss,
    BatchHardTripletLoss,
    CenterLoss,
    CircleLoss,
    ContrastiveLoss,
    CosFaceLoss,
    FastAPLoss,
    GroupLoss,
    HardPairContrastiveLoss,
    MatryoshkaLoss,
    MultipleNegativesRankingLoss,
    MultiSimilarityLoss,
    NTXentLoss,
    OnlineContrastiveLoss,
    ProxyAnchorLoss,
    SimilarityLoss,
    SoftmaxLoss,
    SupConLoss,
    TripletLoss,
)
from quaterion_core.testing.loss_batches import pair_targets

SIZE = 4
"""Of the embeddings."""

COMPARING = {
    "triplet-hard": lambda **kwargs: TripletLoss(**kwargs),
    "triplet-soft": lambda **kwargs: TripletLoss(soft=True, **kwargs),
    "triplet-all": lambda **kwargs: TripletLoss(mining="all", **kwargs),
    "triplet-semi-hard": lambda **kwargs: TripletLoss(mining="semi_hard", **kwargs),
    "batch-hard-triplet": lambda **kwargs: BatchHardTripletLoss(**kwargs),
    "online-contrastive-hard": lambda **kwargs: OnlineContrastiveLoss(**kwargs),
    "online-contrastive-all": lambda **kwargs: OnlineContrastiveLoss(mining="all", **kwargs),
    "circle": lambda **kwargs: CircleLoss(**kwargs),
    "multi-similarity": lambda **kwargs: MultiSimilarityLoss(**kwargs),
    "supcon": lambda **kwargs: SupConLoss(**kwargs),
}
CLASSIFYING = {
    "softmax": lambda: SoftmaxLoss(SIZE, 20),
    "arcface": lambda: ArcFaceLoss(SIZE, 20),
    "cosface": lambda: CosFaceLoss(SIZE, 20),
    "center": lambda: CenterLoss(SIZE, 20),
    "proxy-anchor": lambda: ProxyAnchorLoss(SIZE, 20),
}
COMPARISONS = {**COMPARING, "fastap": FastAPLoss}
GROUP = {
    **COMPARISONS,
    **CLASSIFYING,
    "matryoshka": lambda: MatryoshkaLoss(TripletLoss(), dims=[SIZE, 2]),
}
PAIRWISE = {
    "contrastive": lambda **kwargs: ContrastiveLoss(**kwargs),
    "contrastive-sum": lambda **kwargs: ContrastiveLoss(size_average=False, **kwargs),
    "hard-pair-contrastive": lambda **kwargs: HardPairContrastiveLoss(**kwargs),
    "multiple-negatives-ranking": lambda **kwargs: MultipleNegativesRankingLoss(**kwargs),
    "multiple-negatives-ranking-symmetric": (
        lambda **kwargs: MultipleNegativesRankingLoss(symmetric=True, **kwargs)
    ),
    "nt-xent": lambda **kwargs: NTXentLoss(**kwargs),
}
ALL = {**GROUP, **PAIRWISE}
WITH_DISTANCE = {**COMPARING, **PAIRWISE}


def of(table):
    return pytest.mark.parametrize("make", table.values(), ids=table.keys())


def group_targets(groups):
    return {"groups": torch.tensor(groups)}


def targets_for(loss, ids):
    """Six objects in three groups, or three similar pairs in three subgroups."""
    if loss.sample_kind == "groups":
        return group_targets([ids[i] for i in (0, 0, 1, 1, 2, 2)])
    return pair_targets([1.0, 1.0, 0.0], list(ids))


def vectors(count=6, size=SIZE, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, size, dtype=torch.float64, generator=generator).to(dtype)


def backward(loss, embeddings, targets):
    """Return the value and the gradients of embeddings and parameters."""
    embeddings = embeddings.clone().requires_grad_()
    value = loss(embeddings=embeddings, **targets)
    value.backward()
    gradients = [embeddings.grad, *(parameter.grad for parameter in loss.parameters())]
    return value.detach(), gradients


def assert_finite(value, gradients):
    assert value.shape == ()
    assert torch.isfinite(value)
    for gradient in gradients:
        assert torch.isfinite(gradient).all()


def test_every_loss_of_the_package_is_tested_here():
    exported = {getattr(losses, name) for name in losses.__all__}
    interfaces = {GroupLoss, losses.PairwiseLoss, SimilarityLoss}
    tested = {cls for make in ALL.values() for cls in type(make()).__mro__}
    assert exported - interfaces <= tested


GROUP_BATCHES = {
    "one sample": (vectors(1), [5]),
    "one group": (vectors(4), [5, 5, 5, 5]),
    "no positive": (vectors(4), [5, 6, 7, 8]),
    "all equal": (torch.ones(4, SIZE), [5, 5, 6, 6]),
    "duplicates": (vectors(2).repeat(3, 1), [5, 6, 5, 6, 6, 5]),
    "zero vectors": (torch.zeros(4, SIZE), [5, 5, 6, 6]),
    "one zero vector": (torch.cat([torch.zeros(1, SIZE), vectors(3)]), [5, 5, 6, 6]),
    "opposite": (torch.cat([torch.ones(2, SIZE), -torch.ones(2, SIZE)]), [5, 6, 5, 6]),
    "very long vectors": (vectors(4) * 1e4, [5, 5, 6, 6]),
}


@of(GROUP)
@pytest.mark.parametrize(("embeddings", "groups"), GROUP_BATCHES.values(), ids=GROUP_BATCHES.keys())
def test_group_losses_and_gradients_are_finite(make, embeddings, groups):
    assert_finite(*backward(make(), embeddings, group_targets(groups)))


PAIR_BATCHES = {
    "one pair": (vectors(2), [1.0], [5]),
    "one dissimilar pair": (vectors(2), [0.0], [5]),
    "no similar pair": (vectors(4), [0.0, 0.0], [5, 6]),
    "one subgroup": (vectors(4), [1.0, 1.0], [5, 5]),
    "no subgroup stated": (vectors(4), [1.0, 0.0], [NO_SUBGROUP] * 2),
    "one subgroup stated": (vectors(4), [1.0, 0.0], [5, NO_SUBGROUP]),
    "all equal": (torch.ones(4, SIZE), [1.0, 0.0], [5, 6]),
    "duplicates": (vectors(2).repeat(4, 1), [1.0, 0.0, 1.0, 0.5], [5, 5, 6, 6]),
    "zero vectors": (torch.zeros(4, SIZE), [1.0, 0.0], [5, 6]),
    "opposite": (torch.cat([torch.ones(2, SIZE), -torch.ones(2, SIZE)]), [1.0, 0.0], [5, 6]),
    "very long vectors": (vectors(4) * 1e4, [1.0, 0.0], [5, 6]),
}


@of(PAIRWISE)
@pytest.mark.parametrize(
    ("embeddings", "labels", "subgroups"), PAIR_BATCHES.values(), ids=PAIR_BATCHES.keys()
)
def test_pairwise_losses_and_gradients_are_finite(make, embeddings, labels, subgroups):
    assert_finite(*backward(make(), embeddings, pair_targets(labels, subgroups)))


@of(WITH_DISTANCE)
@pytest.mark.parametrize("name", ["cosine", "dot_product", "euclidean", "manhattan"])
@pytest.mark.parametrize("rows", [vectors(6), torch.ones(6, SIZE), torch.zeros(6, SIZE)])
def test_losses_are_finite_with_every_distance(make, name, rows):
    loss = make(distance_metric_name=name)
    assert_finite(*backward(loss, rows, targets_for(loss, [5, 6, 7])))


@of(ALL)
def test_an_empty_batch_costs_nothing(make):
    loss = make()
    targets = (
        {"groups": torch.empty(0, dtype=torch.int64)}
        if loss.sample_kind == "groups"
        else {
            "pairs": torch.empty(0, 2, dtype=torch.int64),
            "labels": torch.empty(0),
            "subgroups": torch.empty(0, dtype=torch.int64),
        }
    )
    value, gradients = backward(loss, torch.empty(0, SIZE), targets)
    assert value == 0
    assert_finite(value, gradients)


@of({name: COMPARISONS[name] for name in COMPARISONS if not name.startswith(("online", "supcon"))})
@pytest.mark.parametrize("groups", [[5], [5, 6, 7]], ids=["one sample", "no positive"])
def test_nothing_to_learn_without_a_positive(make, groups):
    value, (gradient,) = backward(make(), vectors(len(groups)), group_targets(groups))
    assert value == 0
    assert not gradient.any()


@of({name: make for name, make in COMPARING.items() if not name.startswith(("online", "supcon"))})
def test_nothing_to_learn_without_a_negative(make):
    value, (gradient,) = backward(make(), vectors(3), group_targets([5, 5, 5]))
    assert value == 0
    assert not gradient.any()


@of(ALL)
@pytest.mark.parametrize(
    "ids",
    [
        [2**24 - 1, 2**24, 2**24 + 1],
        [2**62, 2**62 + 1, 2**62 + 2],
        [-(2**63) + 1, -7_046_029_254_386_353_131, 2**63 - 1],
    ],
    ids=["beyond float32", "beyond float64", "hashes"],
)
def test_only_the_equality_of_ids_counts(make, ids):
    """Ids went through float32, where 2^24 and 2^24 + 1 are one, and hashes always collide."""
    torch.manual_seed(0)
    loss = make()
    torch.manual_seed(0)
    other = make()
    expected = backward(loss, vectors(), targets_for(loss, [0, 1, 2]))
    value = backward(other, vectors(), targets_for(other, ids))
    assert value[0] == expected[0]
    assert all(torch.equal(a, b) for a, b in zip(value[1], expected[1], strict=True))


@of(ALL)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_embeddings_lose_nothing_in_the_loss(make, dtype):
    loss, half = make(), vectors(dtype=dtype)
    targets = targets_for(loss, [5, 6, 7])
    value, gradients = backward(loss, half, targets)
    assert_finite(value, gradients)
    assert value.dtype == torch.float32
    assert value == loss(embeddings=half.float(), **targets)


@of(ALL)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("rows", [torch.ones(6, SIZE), torch.zeros(6, SIZE)], ids=["ones", "zeros"])
def test_collapsed_half_precision_embeddings_have_finite_gradients(make, dtype, rows):
    loss = make()
    assert_finite(*backward(loss, rows.to(dtype), targets_for(loss, [5, 6, 7])))


@of(ALL)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_autocast_changes_nothing(make, dtype):
    loss, embeddings = make(), vectors(dtype=dtype)
    targets = targets_for(loss, [5, 6, 7])
    expected = loss(embeddings=embeddings, **targets)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(embeddings=embeddings, **targets)
    assert value.dtype == torch.float32
    assert value == expected


@of({name: make for name, make in ALL.items() if name != "circle"})
def test_gradients_are_those_of_the_value(make):
    """Circle loss is apart: its weights are constants for the gradient, by its equations."""
    torch.manual_seed(0)
    loss = make().double()
    targets = targets_for(loss, [5, 6, 7])
    loss(embeddings=vectors(), **targets)  # groups have their rows now
    parameters = list(loss.parameters())

    def value(embeddings, *parameters):
        names = [name for name, _ in loss.named_parameters()]
        state = dict(zip(names, parameters, strict=True))
        return torch.func.functional_call(loss, state, kwargs={"embeddings": embeddings, **targets})

    embeddings = vectors(dtype=torch.float64).requires_grad_()
    assert value(embeddings, *parameters) > 0
    assert torch.autograd.gradcheck(value, (embeddings, *parameters))


@of(ALL)
def test_the_order_of_a_batch_does_not_matter(make):
    torch.manual_seed(0)
    loss = make()
    if loss.sample_kind == "groups":
        order = torch.tensor([3, 5, 0, 4, 2, 1])
        shuffled = {"groups": targets_for(loss, [5, 6, 7])["groups"][order]}
    else:
        order = torch.tensor([2, 0, 1, 5, 3, 4])
        shuffled = pair_targets([0.0, 1.0, 1.0], [7, 5, 6])
    expected = loss(embeddings=vectors(), **targets_for(loss, [5, 6, 7]))
    torch.testing.assert_close(loss(embeddings=vectors()[order], **shuffled), expected)


@of(ALL)
def test_a_loss_is_built_again_from_its_configuration(make):
    loss = make()
    config = json.loads(json.dumps(loss.get_config_dict()))
    again = type(loss).from_config(config)
    again.load_state_dict(loss.state_dict())
    assert again.get_config_dict() == config
    targets = targets_for(loss, [5, 6, 7])
    assert again(embeddings=vectors(), **targets) == loss(embeddings=vectors(), **targets)


@of(WITH_DISTANCE)
def test_a_configuration_keeps_what_is_not_a_default(make):
    loss = make(distance_metric_name="manhattan")
    again = type(loss).from_config(loss.get_config_dict())
    assert again.distance_metric_name == "manhattan"


@of(ALL)
def test_broken_embeddings_are_seen_in_the_loss(make):
    loss = make()
    embeddings = torch.full((6, SIZE), torch.nan)
    assert loss(embeddings=embeddings, **targets_for(loss, [5, 6, 7])).isnan()


class LargestTensor(TorchDispatchMode):
    """Records the size of the largest tensor returned by an operation."""

    values = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        sizes = [leaf.numel() for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
        self.values = max(self.values, *sizes, 0)
        return result


@of(ALL)
def test_no_tensor_is_larger_than_all_pairs_of_a_batch(make):
    """Mining "all" once took O(N³) memory."""
    count = 128
    loss = make()
    targets = (
        group_targets([i // 8 for i in range(count)])
        if loss.sample_kind == "groups"
        else pair_targets([1.0] * (count // 2), list(range(count // 2)))
    )
    with LargestTensor() as largest:
        backward(loss, vectors(count), targets)
    assert largest.values <= count * count


@of(GROUP)
def test_a_memory_gets_no_gradient_and_the_batch_does(make):
    """Once, only triplet loss supported cross-batch memory."""
    loss = make()
    embeddings = vectors(4).requires_grad_()
    memory = vectors(6, seed=1).requires_grad_()
    value = loss.xbm_loss(
        embeddings, torch.tensor([5, 5, 6, 6]), memory, torch.tensor([5, 6, 7, 5, 6, 7])
    )
    value.backward()
    assert torch.isfinite(value)
    assert memory.grad is None
    assert torch.isfinite(embeddings.grad).all()
    assert embeddings.grad.any()


@of(GROUP)
def test_an_empty_memory_costs_nothing(make):
    embeddings = vectors(4).requires_grad_()
    value = make().xbm_loss(
        embeddings,
        torch.tensor([5, 5, 6, 6]),
        torch.empty(0, SIZE),
        torch.empty(0, dtype=torch.int64),
    )
    value.backward()
    assert value == 0
    assert not embeddings.grad.any()


@of(COMPARISONS)
@pytest.mark.parametrize("memory_groups", [[8, 9], [5, 5]], ids=["no positive", "no negative"])
def test_a_memory_that_lacks_one_side_has_finite_gradients(make, memory_groups):
    embeddings = torch.ones(2, SIZE).requires_grad_()
    value = make().xbm_loss(
        embeddings, torch.tensor([5, 5]), torch.ones(2, SIZE), torch.tensor(memory_groups)
    )
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(embeddings.grad).all()


@of({name: make for name, make in COMPARISONS.items() if name != "triplet-semi-hard"})
def test_an_object_of_the_memory_is_another_object_than_that_of_the_batch(make):
    """So the diagonal counts. Not for semi-hard mining, which excludes these hard negatives."""
    loss, groups = make(), torch.tensor([5, 6])
    batch = torch.eye(2, SIZE)
    swapped = torch.eye(2, SIZE).flip(0)
    assert loss.xbm_loss(batch, groups, swapped, groups) > loss.xbm_loss(
        batch, groups, batch, groups
    )


@of(GROUP)
def test_group_losses_refuse_shapes_that_do_not_fit(make):
    with pytest.raises(
        ValueError, match=r"embeddings of shape \(N, D\) and groups of shape \(N,\)"
    ):
        make()(vectors(3), torch.tensor([1, 2]))


@of(GROUP)
def test_group_losses_refuse_ids_that_their_type_does_not_tell_apart(make):
    for inexact in (0.5, 2.0**24, float("nan")):
        with pytest.raises(TypeError, match=r"groups as int64, got torch\.float32 with"):
            make()(vectors(2), torch.tensor([1.0, inexact]))


@of(GROUP)
def test_group_losses_take_whole_numbers(make):
    ids = torch.tensor([1.0, 2.0, 2.0**24 - 1, 1.0, -5.0, 2.0])
    loss = make()
    torch.testing.assert_close(loss(vectors(), ids), loss(vectors(), ids.long()))


@of(PAIRWISE)
def test_pairwise_losses_refuse_shapes_that_do_not_fit(make):
    targets = pair_targets([1.0, 1.0], [5, 6])
    with pytest.raises(ValueError, match=r"pairs \(B, 2\)"):
        make()(vectors(4), targets["pairs"].T[:1], targets["labels"], targets["subgroups"])


@of(PAIRWISE)
def test_pairwise_losses_refuse_ids_that_their_type_does_not_tell_apart(make):
    targets = pair_targets([1.0, 1.0], [5.0, 6.5])
    with pytest.raises(TypeError, match=r"subgroups as int64, got torch\.float32 with 6\.5"):
        make()(vectors(4), **targets)


@of(PAIRWISE)
def test_pairwise_losses_take_whole_numbers_and_no_subgroups(make):
    targets = pair_targets([1.0, 1.0, 0.0], [5, 6, 7])
    loss, embeddings = make(), vectors()
    floats = {**targets, "subgroups": targets["subgroups"].float()}
    torch.testing.assert_close(loss(embeddings, **floats), loss(embeddings, **targets))
    stated = {**targets, "subgroups": torch.full((6,), NO_SUBGROUP)}
    empty = {**targets, "subgroups": torch.tensor([])}
    torch.testing.assert_close(loss(embeddings, **empty), loss(embeddings, **stated))


def test_a_zero_that_can_be_back_propagated_is_there_for_every_loss():
    embeddings = vectors().requires_grad_()
    value = SimilarityLoss.nothing_to_learn(embeddings)
    value.backward()
    assert value == 0
    assert not embeddings.grad.any()
