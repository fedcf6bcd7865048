"""Tests of thumbnails, and of the files for TensorBoard's projector."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from quaterion_report import gather, write_projector
from quaterion_report.thumbnails import SIZES, sprite_of, thumbnail

RED = np.zeros((20, 40, 3), dtype=np.uint8)
RED[..., 0] = 255


def picture_of(sprite):
    return Image.open(io.BytesIO(base64.b64decode(sprite.image.partition(",")[2])))


@pytest.mark.parametrize(
    "obj",
    [
        RED,
        torch.from_numpy(RED).permute(2, 0, 1),
        (torch.from_numpy(RED).permute(2, 0, 1) / 255).double(),
        Image.fromarray(RED),
        Image.fromarray(RED).convert("RGBA"),
    ],
    ids=["array", "tensor", "floats", "image", "transparent"],
)
def test_all_kinds_of_images_have_the_same_thumbnail(obj):
    picture = thumbnail(obj, 32)
    assert picture.size == (32, 32)
    assert picture.getpixel((16, 16)) == (255, 0, 0)
    assert picture.getpixel((16, 2)) == (255, 255, 255)  # the rest of the square


@pytest.mark.parametrize("mode", ["1", "L", "P", "I;16", "CMYK", "LA"])
def test_every_mode_is_drawn(mode):
    assert thumbnail(Image.new(mode, (5, 9)), 16).mode == "RGB"


def test_a_file_is_turned_as_its_camera_says(tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(RED).save(tmp_path / "photo.jpg", exif=turned)
    picture = thumbnail(tmp_path / "photo.jpg", 32)
    assert picture.getpixel((2, 16)) == (255, 255, 255)
    assert picture.getpixel((16, 2))[0] > 240


def test_thumbnails_shrink_until_they_fit():
    noise = np.random.default_rng(0).integers(0, 256, (200, 64, 64, 3), dtype=np.uint8)
    objects = dict(enumerate(noise))
    large, _ = sprite_of(objects, 10_000_000)
    assert large.size == SIZES[0]
    assert picture_of(large).size == (large.columns * 64, 14 * 64)
    for budget in (300_000, 100_000, 8_000):
        sprite, _ = sprite_of(objects, budget)
        assert len(sprite.image) <= budget
        assert sprite.objects == list(range(len(sprite.objects)))
    assert sprite.size == SIZES[-1]
    assert 0 < len(sprite.objects) < 200


def test_what_cannot_be_read_is_counted(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no image")
    sprite, unreadable = sprite_of(
        {0: tmp_path / "broken.png", 1: RED, 2: tmp_path / "missing.png"}, 10_000
    )
    assert sprite.objects == [1]
    assert unreadable == [0, 2]
    assert sprite_of({0: tmp_path / "missing.png"}, 10_000) == (None, [0])
    assert sprite_of({}, 10_000) == (None, [])


def test_a_thumbnail_is_at_its_place():
    shades = [np.full((8, 8), shade, dtype=np.uint8) for shade in range(0, 250, 25)]
    sprite, _ = sprite_of(dict(enumerate(shades)), 100_000)
    picture = picture_of(sprite).convert("L")
    for place, shade in enumerate(range(0, 250, 25)):
        row, column = divmod(place, sprite.columns)
        middle = (int((column + 0.5) * sprite.size), int((row + 0.5) * sprite.size))
        assert abs(picture.getpixel(middle) - shade) <= 3


def test_the_projector_gets_embeddings_texts_and_configuration(faq, tmp_path):
    gathered = gather(faq("first"))
    folder = tmp_path / "projector"
    write_projector(gathered, folder)
    header, *rows = (folder / "metadata.tsv").read_text().splitlines()
    assert header == "object\tgroup"
    assert len(rows) == len(gathered.corpus.objects)
    assert rows[0] == "How do I reset my password?\tqueries"
    for key, system in gathered.systems.items():
        table = np.loadtxt(folder / f"{key}.tsv", delimiter="\t")
        np.testing.assert_allclose(table, system.embeddings.numpy(), rtol=1e-5, atol=1e-7)


def test_tensorboard_reads_the_configuration(faq, tmp_path):
    config = pytest.importorskip("tensorboard.plugins.projector.projector_config_pb2")
    text_format = pytest.importorskip("google.protobuf.text_format")
    folder = tmp_path / "projector"
    write_projector(gather(faq("first")), folder)
    parsed = text_format.Parse(
        (folder / "projector_config.pbtxt").read_text(), config.ProjectorConfig()
    )
    assert [entry.tensor_name for entry in parsed.embeddings] == ["first", "untouched encoder"]
    for entry in parsed.embeddings:
        assert (folder / entry.tensor_path).is_file()
        assert (folder / entry.metadata_path).is_file()


def test_images_have_a_sprite(tmp_path):
    from quaterion_core.dataset import SimilarityGroupSample
    from quaterion_core.distances import Distance
    from quaterion_report.building import Gathered
    from quaterion_report.corpus import Corpus
    from quaterion_report.gathering import Evaluated, page_data
    from quaterion_report.searching import search

    shades = np.arange(6, dtype=np.uint8).repeat(64).reshape(6, 8, 8) * 40
    samples = [SimilarityGroupSample(shade, n % 2) for n, shade in enumerate(shades)]
    corpus = Corpus.of(samples)
    embeddings = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    found = search(corpus, embeddings, Distance.COSINE, 3)
    systems = {"model": Evaluated("model", "m", embeddings, found)}
    data = page_data(corpus, systems, title="m", split="test")
    assert sorted(data.sprites[0].objects) == list(range(6))
    assert sorted(data.objects) == [f"image {n}" for n in range(1, 7)]
    write_projector(Gathered(data, corpus, systems), tmp_path / "projector")
    with Image.open(tmp_path / "projector" / "sprite.png") as sprite:
        assert sprite.width == sprite.height
    assert "sprite.png" in (tmp_path / "projector" / "projector_config.pbtxt").read_text()
