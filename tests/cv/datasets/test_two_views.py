import torch

from quaterion_core.dataset import (
    PairsSimilarityDataLoader,
    SimilarityGroupSample,
    SimilarityPairSample,
)
from quaterion_core.loss import NTXentLoss
from quaterion_cv import TwoViews


def test_an_image_and_its_augmentations_are_a_pair_without_a_subgroup():
    numbers = iter(range(10))
    views = TwoViews(["a", "b"], augment=lambda image: f"{image}{next(numbers)}")
    assert len(views) == 2
    assert views[1] == SimilarityPairSample("b0", "b1")
    assert views[1] == SimilarityPairSample("b2", "b3")


def test_groups_of_samples_are_not_looked_at():
    views = TwoViews([SimilarityGroupSample("a", group=3)])
    assert views[0] == SimilarityPairSample("a", "a")


def test_views_are_pairs_for_nt_xent():
    generator = torch.Generator().manual_seed(0)

    def augment(image):
        return (image + 0.1 * torch.randn(8, generator=generator)).tolist()

    loader = PairsSimilarityDataLoader(TwoViews(torch.eye(4, 8), augment), batch_size=4)
    objects, targets = next(iter(loader))
    first, second = torch.tensor(objects).split(4)
    assert not torch.equal(first, second)
    aligned = NTXentLoss()(torch.cat([first, second]), **targets)
    assert aligned < NTXentLoss()(torch.cat([first, second.roll(1, 0)]), **targets)
