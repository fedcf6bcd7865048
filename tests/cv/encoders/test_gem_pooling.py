import pytest
import timm
import torch
from torch import nn

from quaterion_cv.encoders.gem_pooling import GeMPooling, use_gem_pooling

FEATURES = torch.rand(2, 5, 3, 4, generator=torch.Generator().manual_seed(0)) + 0.1


def test_it_is_the_generalised_mean():
    # (1 + 8 + 27 + 64) / 4 = 25 for p = 3
    features = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])

    torch.testing.assert_close(GeMPooling()(features), torch.tensor([[25 ** (1 / 3)]]))


def test_an_exponent_of_1_is_the_average():
    pooled = GeMPooling(exponent=1.0)(FEATURES)

    torch.testing.assert_close(pooled, nn.functional.adaptive_avg_pool2d(FEATURES, 1).flatten(1))


def test_a_huge_exponent_is_the_maximum():
    pooled = GeMPooling(exponent=1e4)(FEATURES)

    torch.testing.assert_close(pooled, FEATURES.amax((2, 3)), rtol=1e-3, atol=0)


def test_an_exponent_below_1_is_no_less_than_the_average():
    torch.testing.assert_close(GeMPooling(exponent=-2.0)(FEATURES), FEATURES.mean((2, 3)))


def test_channels_may_come_last():
    pooled = GeMPooling(dim=(1, 2))(FEATURES.permute(0, 2, 3, 1))

    torch.testing.assert_close(pooled, GeMPooling()(FEATURES))


def test_height_and_width_may_be_kept():
    assert GeMPooling(keepdim=True)(FEATURES).shape == (2, 5, 1, 1)


def test_gradients_are_those_of_the_formula():
    assert torch.autograd.gradcheck(GeMPooling().double(), FEATURES.double().requires_grad_())


def test_the_gradient_of_the_exponent_is_that_of_the_formula():
    def plain(exponent):
        return FEATURES.double().pow(exponent).mean((2, 3)).pow(1 / exponent).sum()

    pooling = GeMPooling().double()
    pooling(FEATURES.double()).sum().backward()
    exponent = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    plain(exponent).backward()

    torch.testing.assert_close(pooling.exponent.grad, exponent.grad)


@pytest.mark.parametrize("value", [0.0, -3.0, 1e-30, 1e30])
@pytest.mark.parametrize("exponent", [1.0, 3.0, 50.0])
def test_no_value_gives_nan(value, exponent):
    features = torch.full((1, 2, 3, 3), value)
    features[0, 1, 0, 0] = 1.0
    features.requires_grad_()
    pooling = GeMPooling(exponent)

    pooled = pooling(features)
    pooled.sum().backward()

    assert pooled.isfinite().all()
    assert features.grad.isfinite().all()
    assert pooling.exponent.grad.isfinite()


def test_half_precision_comes_back_as_half_precision_of_the_same():
    features = FEATURES.half() * 300  # the cube is beyond the range of half precision

    pooled = GeMPooling()(features)

    assert pooled.dtype == torch.float16
    torch.testing.assert_close(pooled.float(), GeMPooling()(features.float()), rtol=1e-3, atol=0)


@pytest.mark.parametrize(
    "name", ["test_resnet", "test_convnext", "test_efficientnet", "mobilenetv3_small_050"]
)
def test_an_exponent_of_1_changes_nothing_where_features_are_positive(name, monkeypatch):
    model = timm.create_model(name, num_classes=0).eval()
    images = torch.rand(2, 3, 64, 64)
    features = model.forward_features(images).abs()
    with torch.no_grad():
        before = model.forward_head(features)
        use_gem_pooling(model)
        (pooling,) = (module for module in model.modules() if isinstance(module, GeMPooling))
        pooling.exponent.fill_(1.0)
        after = model.forward_head(features)

    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-5)


def test_a_model_with_channels_last_is_pooled_alike():
    with torch.device("meta"):
        model = timm.create_model("swin_tiny_patch4_window7_224", num_classes=0)
        use_gem_pooling(model)
        assert model(torch.empty(2, 3, 224, 224)).shape == (2, 768)


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("test_vit", {}, "VisionTransformer pools no feature map"),
        ("test_resnet", {"global_pool": "max"}, "ResNet pools by AdaptiveMaxPool2d"),
    ],
)
def test_a_model_without_average_pooling_is_refused(name, arguments, reason):
    with pytest.raises(ValueError, match=f"{reason}. Leave pooling out"):
        use_gem_pooling(timm.create_model(name, num_classes=0, **arguments))
