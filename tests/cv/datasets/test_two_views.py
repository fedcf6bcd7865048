from quaterion_core.dataset import SimilarityGroupSample, SimilarityPairSample
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
