import pytest
import timm
import torch
from torch import nn

from quaterion_cv.encoders.model_stages import modules_before


def trained(name, last_stages):
    """Return the names of trainable parameters, up to the second dot."""
    with torch.device("meta"):
        model = timm.create_model(name, num_classes=0)
    before = set(modules_before(model, last_stages))
    names = {
        f"{module_name}.{name}".lstrip(".")
        for module_name, module in model.named_modules()
        if module not in before
        for name, _ in module.named_parameters(recurse=False)
    }
    return {".".join(name.split(".")[:2]) for name in names}


def first_parts(names):
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize(
    ("name", "last_stages", "expected"),
    [
        ("test_resnet", 1, {"layer4.0"}),
        ("test_resnet", 2, {"layer3.0", "layer4.0"}),
        ("test_convnext", 1, {"stages.3", "head.norm"}),
        ("test_vit", 2, {"blocks.4", "blocks.5", "norm.weight", "norm.bias"}),
        (
            "test_efficientnet",
            1,
            {"blocks.4", "conv_head.weight", "bn2.weight", "bn2.bias"},
        ),
    ],
)
def test_the_last_stages_and_what_comes_after_them_are_left(name, last_stages, expected):
    assert trained(name, last_stages) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("swin_tiny_patch4_window7_224", {"layers", "norm"}),
        ("densenet121", {"features"}),
        ("hrnet_w18_small", {"stage4", "incre_modules", "downsamp_modules", "final_layer"}),
    ],
)
def test_models_name_their_stages_in_many_ways(name, expected):
    assert first_parts(trained(name, 1)) == expected


def test_a_normalisation_before_the_blocks_is_not_one_after_them():
    with torch.device("meta"):
        model = timm.create_model("vit_tiny_patch16_224", pre_norm=True, num_classes=0)
    assert model.norm_pre in modules_before(model, 1)


@pytest.mark.parametrize("count", [0, 5, -1])
def test_a_number_of_stages_that_there_are_not_is_refused(count):
    with pytest.raises(ValueError, match=f"train_stages is {count}, but ResNet has 4 stages"):
        trained("test_resnet", count)


def test_a_model_that_timm_does_not_divide_is_refused():
    with pytest.raises(ValueError, match="does not divide Linear into stages"):
        modules_before(nn.Linear(2, 2), 1)
