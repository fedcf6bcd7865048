import hashlib
import json
import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from quaterion_core import SimilarityModel
from quaterion_core.heads import EmptyHead
from quaterion_core.plugins import MissingComponentError, register_augmentation
from quaterion_cv.encoders.augmentations import AUGMENTATIONS, build_augmentation
from quaterion_cv.encoders.elastic_change import ElasticChange
from quaterion_cv.encoders.image_collator import ImageCollator
from quaterion_cv.encoders.timm_encoder import TimmEncoder

PIXELS = np.random.default_rng(0).integers(256, size=(40, 56, 3), dtype=np.uint8)
WHOLE = {"name": "crop", "scale": [1.0, 1.0]}
OF_COLOURS = {"color-jitter", "grayscale", "randaugment", "simclr", "trivial-augment"}


def collator(augmentation=(), channels=3, **config):
    values = {"mean": [0.5] * channels, "std": [0.5] * channels}
    return ImageCollator(channels, (32, 32), {**values, **config}, augmentation)


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_augmentation_takes_every_kind_of_image(name, channels):
    grey = PIXELS[..., 0]
    images = [Image.fromarray(PIXELS), Image.fromarray(grey), PIXELS / 255, grey / 255.0]
    torch.manual_seed(0)

    batches = [collator(name, channels)(images) for _ in range(8)]

    assert {batch.shape for batch in batches} == {(4, channels, 32, 32)}
    assert all(batch.isfinite().all() for batch in batches)


@pytest.mark.parametrize("name", sorted(AUGMENTATIONS.keys() - {"grayscale"}))
def test_every_augmentation_changes_images_at_random(name):
    torch.manual_seed(0)
    augmented = collator([name])

    batches = [augmented([PIXELS]) for _ in range(10)]

    assert len({batch.numpy().tobytes() for batch in batches}) > 1


def test_the_same_seed_gives_the_same_images():
    batches = []
    for _ in range(2):
        torch.manual_seed(7)
        batches.append(collator("simclr")([PIXELS, PIXELS]))

    assert torch.equal(*batches)
    assert not torch.equal(batches[0][0], batches[0][1])


def test_flipping_comes_after_what_evaluation_does():
    flipped = collator({"name": "flip", "p": 1.0})([PIXELS])

    assert torch.equal(flipped, collator()([PIXELS]).flip(-1))


def test_a_crop_takes_the_place_of_the_one_in_the_middle():
    # The whole of a square image, once as a random part, once as all that evaluation keeps.
    square = Image.fromarray(PIXELS[:, :40])
    cropped = collator([{**WHOLE, "ratio": [1.0, 1.0]}], crop_pct=0.5)([square])

    assert torch.equal(cropped, collator(crop_pct=1.0, crop_mode="squash")([square]))


STILL = {"degrees": 0, "translate": 0, "scale": [1, 1], "shear": 0}


def affine(**changes):
    return collator([{"name": "affine", **STILL, **changes}], channels=1, crop_mode="squash")


@pytest.mark.parametrize("image", [PIXELS[..., 0], PIXELS[..., 0] / 255], ids=["uint8", "float"])
@pytest.mark.parametrize(("fill", "brightness"), [(0.0, -1.0), (1.0, 1.0)])
def test_what_comes_in_from_outside_is_as_bright_as_the_background(image, fill, brightness):
    smaller = affine(scale=[0.5, 0.5], fill=fill)([image])[0, 0]

    outside = torch.ones(32, 32, dtype=torch.bool)
    outside[7:25, 7:25] = False
    assert torch.all(smaller[outside] == brightness)
    assert smaller[~outside].std() > 0.1


def test_an_affine_change_by_nothing_changes_nothing():
    image = Image.fromarray(PIXELS[..., 0])

    assert torch.equal(affine()([image]), collator(channels=1, crop_mode="squash")([image]))


def moments(picture):
    """Return the centre (x, y) of a bright shape, in pixels from the middle, and its slopes."""
    weights = (picture - picture.min()).double()
    weights = weights / weights.sum()
    steps = torch.arange(32.0, dtype=torch.float64) - 15.5
    centre = (weights.sum(0) @ steps).item(), (weights.sum(1) @ steps).item()
    x, y = torch.meshgrid(steps - centre[0], steps - centre[1], indexing="xy")
    covariance = (weights * x * y).sum()
    across, along = (weights * x * x).sum(), (weights * y * y).sum()
    return centre, (covariance / along).item(), (covariance / across).item()


def bar(upright):
    pixels = np.zeros((32, 32), dtype=np.uint8)
    pixels[8:24, 14:18] = 255
    return Image.fromarray(pixels if upright else pixels.T)


def test_shapes_are_turned_to_both_sides_within_bounds():
    torch.manual_seed(0)
    slopes = [moments(picture[0])[1] for picture in affine(degrees=20)([bar(True)] * 100)]

    assert 0.2 < max(slopes) < np.tan(np.radians(21))
    assert 0.2 < -min(slopes) < np.tan(np.radians(21))


def test_rows_and_columns_are_slanted_to_both_sides_within_bounds():
    torch.manual_seed(0)
    of_columns = [moments(picture[0])[1] for picture in affine(shear=20)([bar(True)] * 100)]
    of_rows = [moments(picture[0])[2] for picture in affine(shear=20)([bar(False)] * 100)]

    for slopes in (of_columns, of_rows):
        assert 0.2 < max(slopes) < 0.5
        assert 0.2 < -min(slopes) < 0.5


def test_shapes_are_shifted_to_all_sides_within_bounds():
    torch.manual_seed(0)
    centres = [moments(picture[0])[0] for picture in affine(translate=0.2)([bar(True)] * 100)]

    for shifts in zip(*centres, strict=True):  # 0.2 · 32 = 6.4, and whole pixels
        assert 4 < max(shifts) <= 7
        assert 4 < -min(shifts) <= 7


def test_shapes_are_bent_smoothly_and_by_the_deviation_that_is_asked_for():
    torch.manual_seed(0)
    ramp = Image.fromarray(np.tile(np.arange(100, 164, dtype=np.uint8), (64, 1)))  # 1 a pixel
    change = ElasticChange(deviation=0.05, points=4)
    corners = [np.asarray(change(ramp), dtype=float)[21::21, 21::21] for _ in range(300)]

    shifts = np.stack(corners)[:, :2, :2] - np.array([121.0, 142.0])

    assert shifts.std() == pytest.approx(0.05 * 64, rel=0.1)
    assert abs(shifts.mean()) < 0.3


def test_an_elastic_change_draws_few_points_where_it_is_to_be_smooth():
    def roughness(points):
        torch.manual_seed(0)
        change = ElasticChange(deviation=0.05, points=points)
        shifts = change.make_params([torch.zeros(1, 64, 48)])["grid"]
        assert shifts.shape == (1, 64, 48, 2)
        return shifts.diff(dim=1).diff(dim=1).std()

    assert roughness(3) < 0.5 * roughness(8)


def test_an_elastic_change_by_nothing_changes_nothing():
    still = collator({"name": "elastic", "deviation": 0.0}, channels=1)
    image = Image.fromarray(PIXELS[..., 0])

    torch.testing.assert_close(still([image]), collator(channels=1)([image]), atol=1e-6, rtol=0)


def test_an_elastic_change_goes_on_outside_as_the_edge_is():
    torch.manual_seed(0)
    strong = collator({"name": "elastic", "deviation": 0.2}, channels=1)

    for white in (np.full((40, 40), 255, dtype=np.uint8), np.ones((40, 40))):
        torch.testing.assert_close(strong([white]), torch.ones(1, 1, 32, 32))


@pytest.mark.parametrize("arguments", [{"points": 1}, {"deviation": -0.1}])
def test_an_elastic_change_out_of_range_is_refused(arguments):
    with pytest.raises(ValueError, match="'elastic' does not take the arguments"):
        collator({"name": "elastic", **arguments})


def test_a_brightness_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"fill to be between 0 \(black\) and 1 \(white\), got"):
        affine(fill=255)


def test_the_order_is_that_of_the_names():
    torch.manual_seed(0)
    grey_last = collator([{"name": "color-jitter", "p": 1.0}, {"name": "grayscale", "p": 1.0}])

    red, green, blue = grey_last([PIXELS])[0]

    assert torch.equal(red, green)
    assert torch.equal(green, blue)


@pytest.mark.parametrize("name", sorted(AUGMENTATIONS.keys() - OF_COLOURS))
def test_shapes_can_be_changed_for_any_number_of_channels(name):
    image = torch.rand(5, 40, 40)

    assert collator(name, channels=5)([image]).shape[1] == 5


@pytest.mark.parametrize("name", sorted(OF_COLOURS))
def test_colours_cannot_be_changed_where_there_are_none(name):
    with pytest.raises(ValueError, match=f"'{name}' changes colours: .* 1 or 3 channels, not 5"):
        build_augmentation([name], 5, (32, 32), "bilinear")


def test_an_unknown_name_is_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match="'flop': did you mean 'flip'. Choose among: affine, .*"):
        collator("flop")


@pytest.mark.parametrize(
    ("choice", "error"),
    [({"name": "flip", "q": 1}, TypeError), ({"name": "flip", "p": 2}, ValueError)],
)
def test_arguments_that_an_augmentation_does_not_take_are_refused(choice, error):
    with pytest.raises(error, match="'flip' does not take the arguments"):
        collator([choice])


def test_a_pickled_collator_augments_alike():
    augmented = collator("simclr")
    restored = pickle.loads(pickle.dumps(augmented))
    batches = []
    for one in (augmented, restored):
        torch.manual_seed(3)
        batches.append(one([PIXELS]))

    assert torch.equal(*batches)


@register_augmentation("inverted")
class Inverted(torch.nn.Module):
    """Inverts the pixels of all images."""

    def __init__(self, strength: float = 1.0):
        super().__init__()
        self.strength = strength

    def forward(self, image):
        return v2.functional.invert(image)


def encoder_with(augmentation):
    return TimmEncoder(
        "test_resnet", pretrained=False, image_size=8, trainable=True, augmentation=augmentation,
        data_config={"mean": [0.0] * 3, "std": [1.0] * 3},
    )  # fmt: skip


@pytest.mark.parametrize("choice", ["inverted", {"name": "local/inverted", "strength": 0.5}])
def test_augmentations_of_plugins_are_chosen_by_name(choice):
    encoder = encoder_with([choice])
    white = Image.new("RGB", (8, 8), "white")
    assert encoder.get_collate_fn()([white]).min() == 1
    assert encoder.get_train_collate_fn()([white]).max() == 0
    name = encoder.augmentation[0]
    assert (name if isinstance(name, str) else name["name"]) == "local/inverted"


def test_a_model_is_served_without_the_plugin_of_its_augmentation(tmp_path):
    SimilarityModel(encoder_with(["inverted"]), EmptyHead(96)).save(tmp_path / "model")
    config = tmp_path / "model/encoders/default/config.json"
    text = config.read_text().replace("local/inverted", "acme-images/inverted")
    config.write_text(text)
    description = json.loads((tmp_path / "model/config.json").read_text())
    del description["checksum"]
    digest = hashlib.sha256(text.encode()).hexdigest()
    description["files"]["encoders/default/config.json"] = digest
    checksum = hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()
    (tmp_path / "model/config.json").write_text(json.dumps({**description, "checksum": checksum}))
    loaded = SimilarityModel.load(tmp_path / "model")
    assert loaded.encode([Image.new("RGB", (8, 8))]).shape == (1, 96)
    with pytest.raises(MissingComponentError, match="acme-images"):
        loaded.encoders["default"].get_train_collate_fn()


def test_misspelt_augmentations_of_plugins_are_told():
    with pytest.raises(ValueError, match="did you mean 'inverted'"):
        encoder_with(["invertd"])
    with pytest.raises(TypeError, match="strength: Expected a number"):
        encoder_with([{"name": "inverted", "strength": "much"}])
