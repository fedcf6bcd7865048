import math

import pytest
import torch
from sentence_transformers.sentence_transformer import losses as peers
from torch import nn

from quaterion_core.dataset.targets import NO_SUBGROUP
from quaterion_nlp import GuidedNegativesRankingLoss

COUNT = 8


@pytest.fixture
def peer(passing):
    """Return GISTEmbedLoss with stubs; its constructor asks for tokenizers."""

    class Guide(nn.Module):
        def forward(self, features, **kwargs):
            return {"sentence_embedding": features["guide"]}

    def build(margin=0.0, temperature=0.01):
        loss = peers.GISTEmbedLoss.__new__(peers.GISTEmbedLoss)
        nn.Module.__init__(loss)
        loss.model, loss.guide = passing(), Guide()
        loss.temperature, loss.margin, loss.margin_strategy = temperature, margin, "absolute"
        loss.contrast_anchors = loss.contrast_positives = True
        loss.must_retokenize = loss.gather_across_devices = False
        loss.similarity_fct, loss.cross_entropy_loss = (
            nn.CosineSimilarity(-1),
            nn.CrossEntropyLoss(),
        )
        return loss

    return build


@pytest.mark.parametrize("margin", [0.0, 0.3])
def test_it_agrees_with_sentence_transformers(margin, peer, pair_targets, vectors):
    """The sign of its margin is reversed: a larger one excludes more negatives."""
    columns = [vectors(COUNT, seed=seed).requires_grad_() for seed in (0, 1)]
    guides = [vectors(COUNT, 3, seed=seed) for seed in (2, 3)]
    features = [{"embeddings": a, "guide": b} for a, b in zip(columns, guides, strict=True)]
    expected = peer(margin)(features, None)
    value = GuidedNegativesRankingLoss(margin=-margin)(
        torch.cat(columns),
        **pair_targets([1.0] * COUNT, list(range(COUNT))),
        guide_embeddings=torch.cat(guides),
    )
    torch.testing.assert_close(value, expected)
    for ours, theirs in zip(
        torch.autograd.grad(value, columns), torch.autograd.grad(expected, columns), strict=True
    ):
        torch.testing.assert_close(ours, theirs)


def test_hard_negatives_agree_with_sentence_transformers(peer, pair_targets, vectors):
    """Its hard negatives are a third column; ours are pairs with label 0."""
    columns = [vectors(COUNT, seed=seed) for seed in (0, 1, 2)]
    guides = [vectors(COUNT, 3, seed=seed) for seed in (3, 4, 5)]
    features = [{"embeddings": a, "guide": b} for a, b in zip(columns, guides, strict=True)]
    anchors, positives, negatives = columns
    targets = pair_targets([1.0] * COUNT + [0.0] * COUNT, list(range(COUNT)) * 2)
    value = GuidedNegativesRankingLoss()(
        torch.cat([anchors, anchors, positives, negatives]),
        **targets,
        guide_embeddings=torch.cat([guides[0], guides[0], guides[1], guides[2]]),
    )
    torch.testing.assert_close(value, peer()(features, None))


def angles(*degrees):
    radians = torch.tensor(degrees).deg2rad()
    return torch.stack([radians.cos(), radians.sin()], dim=1)


def test_a_model_that_is_its_own_guide_worked_by_hand(pair_targets):
    # a_1 at 0°, b_1 at 60°; a_2 at 50° is more than 0.1 nearer to a_1, b_2 at 55° is not.
    embeddings = angles(0.0, 50.0, 60.0, 55.0)
    targets = pair_targets([1.0, 1e-20], [1, NO_SUBGROUP])  # the second is of no weight
    value = GuidedNegativesRankingLoss(scale=1.0)(embeddings, **targets)
    own, to_b2 = math.cos(math.radians(60)), math.cos(math.radians(55))
    # b_1 and b_2 are 5° apart, and so more similar than the partners by more than 0.1.
    assert value.item() == pytest.approx(math.log(1 + math.exp(to_b2 - own)), rel=1e-5)


def test_the_margin_of_a_model_that_is_its_own_guide_decides(pair_targets, vectors):
    targets = pair_targets([1.0] * COUNT, list(range(COUNT)))
    embeddings = vectors(2 * COUNT)
    as_guide = GuidedNegativesRankingLoss(margin=0.2)(
        embeddings, **targets, guide_embeddings=embeddings
    )
    assert GuidedNegativesRankingLoss(self_margin=0.2)(embeddings, **targets) == as_guide
    assert GuidedNegativesRankingLoss(self_margin=2.0)(embeddings, **targets) > as_guide


def test_objects_of_a_stated_subgroup_are_no_negatives(pair_targets, vectors):
    loss = GuidedNegativesRankingLoss(self_margin=2.0)
    embeddings = vectors(4).requires_grad_()
    value = loss(embeddings, **pair_targets([1.0, 1.0], [7, 7]))
    value.backward()
    assert value == 0
    assert not embeddings.grad.any()


def test_the_guide_gets_no_gradient(pair_targets, vectors):
    guide = vectors(4, seed=1).requires_grad_()
    embeddings = vectors(4).requires_grad_()
    loss = GuidedNegativesRankingLoss()
    loss(embeddings, **pair_targets([1.0, 1.0], [1, 2]), guide_embeddings=guide).backward()
    assert guide.grad is None
    assert embeddings.grad.isfinite().all()


def test_gradients_are_those_of_the_value(pair_targets, vectors):
    loss, targets = GuidedNegativesRankingLoss(scale=3.0), pair_targets([1.0, 0.5, 0.0], [1, 2, 3])
    guide = vectors(6, seed=1)
    assert torch.autograd.gradcheck(
        lambda x: loss(x, **targets, guide_embeddings=guide), vectors(6).requires_grad_()
    )


def test_a_guide_of_other_objects_is_refused(pair_targets, vectors):
    with pytest.raises(ValueError, match="of 4 objects, .* got 3"):
        GuidedNegativesRankingLoss()(
            vectors(4), **pair_targets([1.0, 1.0], [1, 2]), guide_embeddings=vectors(3)
        )
