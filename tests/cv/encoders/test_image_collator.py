import pickle

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from torch.utils.data import DataLoader

from quaterion_cv.encoders.image_collator import ImageCollator, model_data_config

GREY = {"mean": [0.5], "std": [0.25]}
NOISE = np.random.default_rng(0).integers(256, size=(50, 70, 3), dtype=np.uint8)


def test_a_batch_is_what_timm_evaluates_the_model_with():
    model = timm.create_model("test_resnet")
    config = timm.data.resolve_model_data_config(model)
    image = Image.fromarray(NOISE)

    batch = ImageCollator(3, (160, 160), model_data_config(model, 3, {}))([image])

    assert torch.equal(batch[0], timm.data.create_transform(**config)(image))


def test_mean_and_standard_deviation_are_of_values_between_0_and_1():
    batch = ImageCollator(1, (2, 2), GREY)([np.full((2, 2), 0.75)])

    torch.testing.assert_close(batch, torch.full((1, 1, 2, 2), (0.75 - 0.5) / 0.25))


def test_floating_point_and_8_bits_give_the_same_where_nothing_is_resized():
    collator = ImageCollator(3, (50, 70), {"crop_pct": 1.0})

    batch = collator([NOISE, NOISE / 255])

    torch.testing.assert_close(batch[0], batch[1])


def test_height_comes_before_width():
    assert ImageCollator(1, (20, 30), GREY)([NOISE]).shape == (1, 1, 20, 30)


def test_a_pickled_collator_gives_the_same_and_holds_no_weights():
    collator = ImageCollator(3, (32, 32), {})
    pickled = pickle.dumps(collator)

    assert len(pickled) < 10_000
    assert torch.equal(pickle.loads(pickled)([NOISE]), collator([NOISE]))


def test_a_worker_of_a_data_loader_gives_the_same():
    collator = ImageCollator(3, (32, 32), {})
    loader = DataLoader([NOISE] * 3, batch_size=3, num_workers=1, collate_fn=collator)

    assert torch.equal(next(iter(loader)), collator([NOISE] * 3))


def test_a_setting_that_timm_does_not_know_is_refused():
    with pytest.raises(ValueError, match="'interpolation': 'cubic'"):
        ImageCollator(3, (32, 32), {"interpolation": "cubic"})


def test_averages_serve_another_number_of_channels():
    config = model_data_config(timm.create_model("test_efficientnet", in_chans=1), 1, {})

    assert config["mean"] == [pytest.approx((0.485 + 0.456 + 0.406) / 3)]
    assert config["std"] == [pytest.approx((0.229 + 0.224 + 0.225) / 3)]


def test_entries_of_the_data_config_can_be_replaced():
    replaced = {"mean": (0.1, 0.2, 0.3), "crop_mode": "squash"}

    config = model_data_config(timm.create_model("test_resnet"), 3, replaced)

    assert (config["mean"], config["crop_mode"]) == ([0.1, 0.2, 0.3], "squash")


def test_an_unknown_entry_of_the_data_config_is_refused():
    with pytest.raises(ValueError, match="no entry 'input_size', but: .*image_size"):
        model_data_config(timm.create_model("test_resnet"), 3, {"input_size": (3, 8, 8)})


def test_a_mean_of_another_number_of_channels_is_refused():
    with pytest.raises(ValueError, match=r"mean \[0.5\], but the images have 3 channels"):
        model_data_config(timm.create_model("test_resnet"), 3, {"mean": [0.5]})
