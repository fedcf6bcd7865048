import pytest
import timm
import torch
from safetensors.torch import save_file

from quaterion_cv.encoders.timm_models import (
    build_skeleton,
    embedding_size,
    fetch_pretrained,
    find_model,
    read_checkpoint,
)

WITHOUT_CLASSIFIER = {"num_classes": 0}


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))


def test_an_unknown_model_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match="no model 'resnet-18': did you mean 'resnet18'"):
        find_model("resnet-18")


def test_an_unknown_tag_is_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match=r"Invalid pretrained tag.* test_resnet\.r160_in1k"):
        find_model("test_resnet.imagenet")


@pytest.mark.parametrize("place", ["hf-hub:timm/resnet18.a1_in1k", "models/resnet18"])
def test_a_place_is_refused(place):
    with pytest.raises(ValueError, match="not the name of a model.*checkpoint_path"):
        find_model(place)


@pytest.mark.parametrize(
    "name", ["test_mambaout", "test_vit", "test_efficientnet", "ghostnet_050", "lcnet_035"]
)
def test_the_embedding_size_is_that_of_a_real_embedding(name):
    model = timm.create_model(name, num_classes=0).eval()
    with torch.no_grad():
        real = model(torch.zeros(1, *model.default_cfg["input_size"]))

    skeleton = build_skeleton(name, WITHOUT_CLASSIFIER)

    assert embedding_size(skeleton, model.default_cfg["input_size"]) == real.shape[1]


def test_a_skeleton_has_no_memory_for_weights():
    skeleton = build_skeleton("test_resnet", WITHOUT_CLASSIFIER)

    assert {tensor.device.type for tensor in skeleton.state_dict().values()} == {"meta"}


def test_arguments_that_the_model_does_not_take_are_refused():
    with pytest.raises(ValueError, match=r"cannot build test_resnet .*'depth': 3"):
        build_skeleton("test_resnet", {"depth": 3})


@pytest.mark.parametrize(
    ("arguments", "form"),
    [({"global_pool": ""}, r"\(1, 96, 5, 5\)"), ({"features_only": True}, "list")],
)
def test_a_model_that_gives_no_single_embedding_is_refused(arguments, form):
    skeleton = build_skeleton("test_resnet", {**WITHOUT_CLASSIFIER, **arguments})

    with pytest.raises(ValueError, match=f"got {form}.*global_pool"):
        embedding_size(skeleton, (3, 160, 160))


def test_an_image_size_that_the_model_does_not_take_is_refused():
    skeleton = build_skeleton("test_vit", WITHOUT_CLASSIFIER)

    with pytest.raises(ValueError, match="does not take images of 100 × 90 pixels"):
        embedding_size(skeleton, (3, 100, 90))


@pytest.mark.usefixtures("no_network")
def test_without_network_the_error_tells_what_was_tried_and_the_way_out():
    tried = r"timm/test_resnet\.r160_in1k.*checkpoint_path.*pretrained=False"

    with pytest.raises(OSError, match=tried):
        fetch_pretrained("test_resnet", WITHOUT_CLASSIFIER)


def test_a_model_without_pretrained_weights_is_told_apart_from_a_missing_network():
    with pytest.raises(ValueError, match="no pretrained weights for coatnet_0_224"):
        fetch_pretrained("coatnet_0_224", WITHOUT_CLASSIFIER)


def read(path, **arguments):
    arguments = {**WITHOUT_CLASSIFIER, **arguments}
    skeleton = build_skeleton("test_resnet", arguments)
    return read_checkpoint("test_resnet", arguments, skeleton, path)


@pytest.fixture(scope="module")
def classifier():
    return timm.create_model("test_resnet", num_classes=5)


@pytest.fixture
def checkpoint(classifier, tmp_path):
    save_file(classifier.state_dict(), tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def test_a_checkpoint_gives_all_weights_but_the_classifier(classifier, checkpoint):
    loaded = read(checkpoint).state_dict()

    expected = {n: t for n, t in classifier.state_dict().items() if not n.startswith("fc.")}
    assert loaded.keys() == expected.keys()
    assert all(torch.equal(loaded[name], expected[name]) for name in expected)


def test_a_checkpoint_for_colours_sees_grey_as_three_equal_colours(checkpoint):
    colours, grey = read(checkpoint).eval(), read(checkpoint, in_chans=1).eval()
    images = torch.rand(2, 1, 64, 64)

    with torch.no_grad():
        torch.testing.assert_close(
            grey(images), colours(images.expand(-1, 3, -1, -1)), rtol=1e-4, atol=1e-5
        )


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no checkpoint file .*none.safetensors"):
        read(tmp_path / "none.safetensors")


def test_a_checkpoint_that_lacks_weights_is_refused(classifier, tmp_path):
    partial = classifier.state_dict()
    del partial["layer1.0.conv1.weight"]
    save_file(partial, tmp_path / "part.safetensors")

    with pytest.raises(ValueError, match=r"no weights for 1 of .*'layer1.0.conv1.weight'"):
        read(tmp_path / "part.safetensors")


def test_a_checkpoint_of_another_shape_is_refused(classifier, tmp_path):
    weights = classifier.state_dict()
    save_file({**weights, "bn1.weight": torch.ones(7)}, tmp_path / "other.safetensors")

    with pytest.raises(
        ValueError, match=r"(?s)other.safetensors do not fit test_resnet.*bn1.weight"
    ):
        read(tmp_path / "other.safetensors")


def test_a_checkpoint_that_was_cut_off_is_named(checkpoint):
    checkpoint.write_bytes(checkpoint.read_bytes()[:5000])

    with pytest.raises(ValueError, match="model.safetensors is cut off"):
        read(checkpoint)


def test_a_pickled_checkpoint_is_refused(classifier, tmp_path):
    torch.save(classifier.state_dict(), tmp_path / "model.pth")

    with pytest.raises(ValueError, match=r"model.pth is not named as a safetensors file"):
        read(tmp_path / "model.pth")
