import json

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

from quaterion_core import Quaterion, SimilarityModel
from quaterion_core.dataset import GroupSimilarityDataLoader, SimilarityGroupSample
from quaterion_core.heads import EmptyHead
from quaterion_core.storage import InvalidFolderError, NotSavableError
from quaterion_cv import TimmEncoder

IMAGES = [np.random.default_rng(seed).integers(256, size=(8, 8), dtype=np.uint8) for seed in (0, 1)]


def digit_encoder(trainable=False, **arguments):
    return TimmEncoder(
        "test_resnet", pretrained=False, trainable=trainable, in_chans=1, image_size=32, **arguments
    )


def embed(encoder, images=IMAGES):
    return encoder(encoder.get_collate_fn()(images))


def save(encoder, folder):
    folder.mkdir(exist_ok=True)
    encoder.save(folder)
    return folder


def test_embeddings_are_the_features_that_timm_gives_the_classifier(tmp_path):
    model = timm.create_model("test_efficientnet", num_classes=5).eval()
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    encoder = TimmEncoder("test_efficientnet", checkpoint_path=tmp_path / "model.safetensors")
    batch = torch.randn(2, 3, 160, 160)

    with torch.no_grad():
        features = model.forward_head(model.forward_features(batch), pre_logits=True)
    assert torch.equal(encoder(batch), features)


@pytest.mark.parametrize("name", ["test_resnet", "test_vit"])
def test_small_grey_images_are_embedded(name):
    encoder = TimmEncoder(name, pretrained=False, in_chans=1, image_size=32)

    assert embed(encoder).shape == (2, encoder.embedding_size)


def test_a_frozen_encoder_stays_in_evaluation_without_a_graph():
    encoder = digit_encoder().train()

    assert not any(module.training for module in encoder.modules())
    assert not embed(encoder).requires_grad
    assert not any(parameter.requires_grad for parameter in encoder.parameters())


def test_a_frozen_encoder_makes_no_graph_for_an_input_that_wants_one():
    assert not digit_encoder()(torch.zeros(2, 1, 32, 32, requires_grad=True)).requires_grad


def test_every_weight_of_a_trainable_encoder_gets_a_gradient():
    encoder = digit_encoder(trainable=True)

    embed(encoder).square().sum().backward()

    assert all(parameter.grad is not None for parameter in encoder.parameters())


def test_no_gradient_is_kept_of_a_trainable_encoder_under_no_grad():
    with torch.no_grad():
        assert not embed(digit_encoder(trainable=True)).requires_grad


@pytest.mark.parametrize("trainable", [True, False])
def test_a_loaded_encoder_gives_bit_identical_embeddings(tmp_path, trainable):
    encoder = digit_encoder(trainable=trainable).eval()

    loaded = TimmEncoder.load(save(encoder, tmp_path / "encoder")).eval()

    assert torch.equal(embed(loaded), embed(encoder))
    assert loaded.trainable is trainable


def test_batch_norm_statistics_are_saved(tmp_path):
    encoder = digit_encoder(trainable=True)
    before = embed(encoder.eval())
    embed(encoder.train())
    after = embed(encoder.eval())

    loaded = TimmEncoder.load(save(encoder, tmp_path / "encoder")).eval()

    assert not torch.equal(after, before)
    assert torch.equal(embed(loaded), after)


def test_all_settings_are_saved(tmp_path):
    settings = {
        "model": "test_vit",
        "pretrained": False,
        "trainable": True,
        "train_stages": 2,
        "pooling": None,
        "in_chans": 1,
        "image_size": [32, 48],
        "data_config": {
            "interpolation": "bilinear",
            "mean": [0.25],
            "std": [0.5],
            "crop_pct": 1.0,
            "crop_mode": "squash",
        },
        "augmentation": ["flip", {"name": "crop", "scale": [0.5, 1.0]}],
        "background": [250, 200, 0],
        "model_kwargs": {"patch_size": 8},
    }
    encoder = TimmEncoder.from_config(settings)

    folder = save(encoder, tmp_path / "encoder")

    assert json.loads((folder / "config.json").read_text()) == settings
    assert TimmEncoder.load(folder).get_config_dict() == settings


def test_images_with_transparency_are_composed_on_the_background(tmp_path):
    clear = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    encoder = digit_encoder(background="black", augmentation="flip")
    loaded = TimmEncoder.load(save(encoder, tmp_path / "encoder"))
    for collate in (loaded.get_collate_fn(), loaded.get_train_collate_fn()):
        assert torch.equal(*collate([clear, Image.new("L", (8, 8), 0)]))
    white, expected = digit_encoder().get_collate_fn()([clear, Image.new("L", (8, 8), 255)])
    assert torch.equal(white, expected)
    with pytest.raises(ValueError, match="Expected background to be a colour, .* got 'whyte'"):
        digit_encoder(background="whyte")


def test_a_model_saved_without_a_background_has_the_default_one(tmp_path):
    folder = save(digit_encoder(), tmp_path / "encoder")
    config = json.loads((folder / "config.json").read_text())
    del config["background"]
    (folder / "config.json").write_text(json.dumps(config))
    assert TimmEncoder.load(folder).background == "white"


@pytest.mark.parametrize("background", [[0, 0], [0, 0, 256], ["a"] * 3, "a" * 100, {"path": "x"}])
def test_a_saved_background_that_is_no_colour_is_refused(tmp_path, background):
    folder = save(digit_encoder(), tmp_path / "encoder")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "background": background}))
    with pytest.raises(InvalidFolderError, match="background"):
        TimmEncoder.load(folder)


def test_an_encoder_with_fetched_weights_is_loaded_without_fetching(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "timm.models._builder.load_state_dict_from_hf",
        lambda *args, **kwargs: timm.create_model("test_resnet").state_dict(),
    )
    encoder = TimmEncoder("test_resnet.r160_in1k", pretrained=True)
    monkeypatch.delattr("timm.models._builder.load_state_dict_from_hf")

    loaded = TimmEncoder.load(save(encoder, tmp_path / "encoder"))

    assert torch.equal(embed(loaded), embed(encoder))


@pytest.mark.parametrize("demand", [{"pretrained": True}, {"checkpoint_path": "/etc/weights"}])
def test_a_saved_configuration_that_asks_for_other_weights_is_refused(tmp_path, demand):
    folder = save(digit_encoder(), tmp_path / "encoder")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **demand}))

    with pytest.raises(InvalidFolderError, match="asks for weights from elsewhere"):
        TimmEncoder.load(folder)


def test_a_saved_configuration_cannot_name_a_file_through_timm(tmp_path):
    folder = save(digit_encoder(), tmp_path / "encoder")
    config = json.loads((folder / "config.json").read_text())
    config["model_kwargs"] = {"checkpoint_path": "/etc/weights.pth"}
    (folder / "config.json").write_text(json.dumps(config))

    with pytest.raises(InvalidFolderError, match="model_kwargs holds 'checkpoint_path'"):
        TimmEncoder.load(folder)


def test_weights_of_another_model_are_refused(tmp_path):
    folder = save(digit_encoder(), tmp_path / "encoder")
    save(TimmEncoder("test_efficientnet", pretrained=False), tmp_path / "other")
    (tmp_path / "other" / "weights.safetensors").replace(folder / "weights.safetensors")

    with pytest.raises(InvalidFolderError, match="does not fit TimmEncoder"):
        TimmEncoder.load(folder)


def fine_tuned(**arguments):
    return digit_encoder(trainable=True, train_stages=1, **arguments)


def test_only_the_last_stages_are_in_training_and_ask_for_gradients():
    encoder = fine_tuned(pooling="gem").train()

    embed(encoder).square().sum().backward()

    with_gradient = {name for name, p in encoder.named_parameters() if p.grad is not None}
    assert {name.split(".")[1] for name in with_gradient} == {"layer4", "global_pool"}
    assert with_gradient == {name for name, p in encoder.named_parameters() if p.requires_grad}
    training = {name for name, module in encoder.named_modules() if module.training}
    assert {name.split(".")[1] for name in training if "." in name} == {
        "layer4", "global_pool", "fc",
    }  # fmt: skip
    assert encoder.model.training  # which decides on the dropout behind the pooling


def test_training_leaves_weights_and_statistics_of_earlier_stages_as_they_are():
    encoder = fine_tuned()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in encoder.parameters() if p.requires_grad], lr=1.0)

    embed(encoder.train()).square().sum().backward()
    optimizer.step()

    changed = {n for n, value in encoder.state_dict().items() if not torch.equal(value, before[n])}
    assert {name.split(".")[1] for name in changed} == {"layer4"}
    assert any("running_mean" in name for name in changed)


def test_a_model_around_it_keeps_the_earlier_stages_frozen():
    encoder = fine_tuned()
    model = SimilarityModel(encoder, EmptyHead(encoder.embedding_size)).train()

    assert not encoder.model.layer3.training
    assert not any(p.requires_grad for p in encoder.model.layer3.parameters())
    model.eval()
    assert not any(module.training for module in encoder.modules())


def test_stages_of_a_frozen_encoder_cannot_be_trained():
    with pytest.raises(ValueError, match="train_stages is 1, but the encoder is frozen"):
        digit_encoder(train_stages=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"trainable": True, "train_stages": 9}, "ResNet has 4 stages"),
        ({"pooling": "mean"}, "pooling to be 'gem' or None .* got 'mean'"),
        ({"augmentation": "flop"}, "no augmentation 'flop'"),
    ],
)
def test_bad_options_are_refused_before_anything_is_fetched(arguments, message, monkeypatch):
    monkeypatch.delattr("timm.models._builder.load_state_dict_from_hf")

    with pytest.raises(ValueError, match=message):
        TimmEncoder("test_resnet", pretrained=True, **arguments)


def test_generalised_mean_pooling_is_saved_with_what_it_learned(tmp_path):
    encoder = digit_encoder(trainable=True, pooling="gem").eval()
    average = embed(digit_encoder())
    with torch.no_grad():
        encoder.model.global_pool.pool.exponent.fill_(5.0)

    loaded = TimmEncoder.load(save(encoder, tmp_path / "encoder")).eval()

    assert loaded.model.global_pool.pool.exponent.item() == 5.0
    assert torch.equal(embed(loaded), embed(encoder))
    assert embed(loaded).shape == average.shape


def test_generalised_mean_pooling_goes_with_the_weights_of_a_checkpoint(tmp_path):
    plain = digit_encoder()
    save_file(plain.model.state_dict(), tmp_path / "model.safetensors")

    encoder = TimmEncoder(
        "test_resnet", in_chans=1, image_size=32, pooling="gem",
        checkpoint_path=tmp_path / "model.safetensors",
    )  # fmt: skip

    batch = encoder.get_collate_fn()(IMAGES)
    features = plain.model.forward_features(batch)
    expected = features.clamp(min=1e-6).pow(3).mean((2, 3)).pow(1 / 3)
    torch.testing.assert_close(encoder(batch), expected)


def test_training_images_alone_are_augmented():
    encoder = digit_encoder(augmentation={"name": "flip", "p": 1.0})
    plain = digit_encoder().get_collate_fn()(IMAGES)

    assert torch.equal(encoder.get_collate_fn()(IMAGES), plain)
    assert torch.equal(encoder.get_train_collate_fn()(IMAGES), plain.flip(-1))


def test_without_augmentation_training_images_are_like_any_others():
    assert digit_encoder().get_train_collate_fn() is None


@pytest.mark.parametrize("size", [0, (32,), (32, -1), (3, 32, 32), 32.0, "32"])
def test_an_impossible_image_size_is_refused(size):
    with pytest.raises(ValueError, match="image_size to be a side or"):
        TimmEncoder("test_resnet", pretrained=False, image_size=size)


def test_an_argument_of_the_encoder_is_refused_among_those_of_timm():
    with pytest.raises(ValueError, match="'img_size', which it may not: use .* image_size"):
        TimmEncoder("test_vit", pretrained=False, model_kwargs={"img_size": 32})


def test_bad_arguments_are_refused_before_anything_is_fetched(monkeypatch):
    monkeypatch.delattr("timm.models._builder.load_state_dict_from_hf")

    with pytest.raises(ValueError, match="cannot build test_resnet"):
        TimmEncoder("test_resnet", pretrained=True, model_kwargs={"depth": 3})


def test_a_model_with_the_encoder_is_saved_and_loaded(tmp_path):
    encoder = digit_encoder()
    model = SimilarityModel(encoder, EmptyHead(encoder.embedding_size))
    model.save(tmp_path / "model")

    loaded = SimilarityModel.load(tmp_path / "model")

    assert np.array_equal(loaded.encode(IMAGES), model.encode(IMAGES))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_weights_of_another_precision_embed_images(dtype):
    encoder = TimmEncoder("test_resnet", pretrained=False, image_size=32).eval()
    images = [np.full((8, 8, 3), value, dtype=np.uint8) for value in (0, 90, 255)]
    batch = encoder.get_collate_fn()(images)
    with torch.no_grad():
        expected = encoder(batch)
        embeddings = encoder.to(dtype)(batch)
    assert embeddings.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    torch.testing.assert_close(embeddings.float(), expected, atol=0.05, rtol=0.05)


@pytest.mark.filterwarnings("ignore:.*LeafSpec", "ignore:.*does not have many workers")
@pytest.mark.parametrize("precision", ["bf16-true", "64-true"])
@pytest.mark.parametrize("trainable", [True, False])
def test_a_training_run_in_another_precision(precision, trainable, quiet_trainer):
    torch.manual_seed(0)
    samples = [
        SimilarityGroupSample(np.full((8, 8, 3), 20 * n, dtype=np.uint8), n % 2) for n in range(8)
    ]
    model = Quaterion.build(
        encoder=TimmEncoder("test_resnet", pretrained=False, trainable=trainable, image_size=32),
        head="gated",
        loss="triplet",
        optimizer={"name": "adam", "lr": 0.1},  # a smaller step is lost in bfloat16
    )
    trainer = quiet_trainer(max_epochs=1, precision=precision)
    loader = GroupSimilarityDataLoader(samples, batch_size=8)
    before = model.model.head.gates.clone()
    Quaterion.fit(model, trainer, loader, loader)
    assert not torch.equal(model.model.head.gates, before.to(model.model.head.gates))
    assert np.isfinite(model.model.encode([sample.obj for sample in samples])).all()


def test_all_arguments_of_a_wrong_type_are_named_at_once(monkeypatch):
    monkeypatch.delattr("timm.models._builder.load_state_dict_from_hf")
    with pytest.raises(ValueError, match="Expected pretrained to be bool, got 'no'") as caught:
        TimmEncoder(
            "test_resnet", pretrained="no", trainable=1, train_stages=0, in_chans=True,
            data_config=[], augmentation=3, background=7, checkpoint_path=5, model_kwargs="x",
        )  # fmt: skip
    lines = str(caught.value).splitlines()
    names = [
        "pretrained", "trainable", "train_stages", "in_chans", "data_config", "augmentation",
        "background", "checkpoint_path", "model_kwargs",
    ]  # fmt: skip
    assert [line.split()[1] for line in lines] == names
    with pytest.raises(TypeError, match="Expected trainable to be bool, got 'yes'"):
        digit_encoder(trainable="yes")


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (None, TypeError, "Object 1: .*NoneType"),
        (7, TypeError, "Object 1: .*int"),
        ("no/such/file.png", FileNotFoundError, "Object 1: There is no image file"),
        (np.zeros((2, 2, 2, 2)), ValueError, "Object 1: Expected an image as"),
        (np.full((8, 8), np.nan), ValueError, "Object 1: Expected floating-point values"),
    ],
)
def test_what_is_no_image_is_named_with_its_position(value, error, message):
    with pytest.raises(error, match=message):
        digit_encoder().get_collate_fn()([IMAGES[0], value])


@pytest.mark.parametrize("name", ["test_resnet", "test_vit"])
def test_a_batch_is_what_the_transforms_of_timm_make(name):
    model = timm.create_model(name, pretrained=False)
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
    pixels = np.random.default_rng(0).integers(256, size=(200, 240, 3), dtype=np.uint8)
    batch = TimmEncoder(name, pretrained=False).get_collate_fn()([pixels])
    torch.testing.assert_close(batch[0], transform(Image.fromarray(pixels)))


def test_an_encoder_that_could_not_be_loaded_is_not_saved(tmp_path):
    encoder = TimmEncoder("test_resnet", pretrained=False, image_size=(4096, 2048))
    with pytest.raises(NotSavableError, match="could not be loaded: 'image_size'.*4,194,304 pix"):
        encoder.save(tmp_path)
    assert list(tmp_path.iterdir()) == []
