import io
import os

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from quaterion_cv.images import TurnedImage, read_image

PIXELS = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)


def save(image, path, **options):
    image.save(path, **options)
    return path


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: Image.fromarray(PIXELS),
        lambda folder: save(Image.fromarray(PIXELS), folder / "image.png"),
        lambda folder: str(save(Image.fromarray(PIXELS), folder / "image.png")),
        lambda folder: PIXELS,
        lambda folder: torch.from_numpy(PIXELS).permute(2, 0, 1),
    ],
    ids=["pillow", "path", "string", "array", "tensor"],
)
def test_an_8_bit_image_is_the_same_in_every_form(tmp_path, make):
    image = read_image(make(tmp_path), channels=3)

    assert image.mode == "RGB"
    assert np.array_equal(np.asarray(image), PIXELS)


@pytest.mark.parametrize("quarter_turns", [1, 2, 3])
def test_a_turned_image_is_turned_anticlockwise(tmp_path, quarter_turns):
    path = save(Image.fromarray(PIXELS), tmp_path / "image.png")

    image = read_image(TurnedImage(path, quarter_turns), channels=3)

    assert np.array_equal(np.asarray(image), np.rot90(PIXELS, quarter_turns))


@pytest.mark.parametrize("quarter_turns", [0, 1, 2, 3])
def test_a_mirrored_image_is_turned_afterwards(tmp_path, quarter_turns):
    path = save(Image.fromarray(PIXELS), tmp_path / "image.png")

    image = read_image(TurnedImage(path, quarter_turns, mirrored=True), channels=3)

    assert np.array_equal(np.asarray(image), np.rot90(np.fliplr(PIXELS), quarter_turns))


@pytest.mark.parametrize(
    ("quarter_turns", "mirrored"), [(0, False), (4, False), (-1, False), (90, False), (4, True)]
)
def test_other_turns_are_refused(tmp_path, quarter_turns, mirrored):
    with pytest.raises(ValueError, match=f"quarter_turns to be 1, 2 or 3, .* got {quarter_turns}"):
        TurnedImage(tmp_path / "image.png", quarter_turns, mirrored)


def test_a_turned_image_that_is_missing_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no image file .*lost\.png"):
        read_image(TurnedImage(tmp_path / "lost.png", 1), channels=3)


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 1)])
def test_a_grey_array_may_have_a_channel_or_not(shape):
    image = read_image(PIXELS[..., :1].reshape(shape), channels=1)

    assert np.array_equal(np.asarray(image), PIXELS[..., 0])


def test_grey_is_repeated_for_a_model_of_colours():
    image = read_image(np.full((2, 2), 7, dtype=np.uint8), channels=3)

    assert np.asarray(image).tolist() == [[[7, 7, 7]] * 2] * 2


def test_a_palette_is_looked_up():
    red = Image.new("RGB", (2, 2), (255, 0, 0)).convert("P")

    assert read_image(red, channels=3).getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize(
    ("background", "behind"), [("white", 255), ("#000000", 0), ((40, 40, 40), 40)]
)
@pytest.mark.parametrize("as_float", [False, True])
def test_a_transparent_image_is_composed_on_the_background(as_float, background, behind):
    pixels = np.array([[[10, 20, 30, 0], [10, 20, 30, 51], [10, 20, 30, 255]]], dtype=np.uint8)

    image = read_image(pixels / 255 if as_float else pixels, 3, background)

    colour = np.array([10.0, 20.0, 30.0])
    expected = np.stack([behind + share * (colour - behind) for share in (0, 0.2, 1)])
    got = image[:, 0].T * 255 if as_float else np.asarray(image)[0]
    np.testing.assert_allclose(got, expected, atol=0.01 if as_float else 1)


def disc_or_square(mode, shape):
    """Return a black shape on transparent ground."""
    image = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    (draw.ellipse if shape == "disc" else draw.rectangle)((1, 1, 6, 6), fill=(0, 0, 0, 255))
    if mode == "RGB":  # one colour is transparent
        turned = Image.new("RGB", (8, 8), (1, 2, 3))
        turned.paste(image, mask=image)
        turned.info["transparency"] = (1, 2, 3)
        return turned
    return image.quantize(4) if mode == "P" else image.convert(mode)


@pytest.mark.parametrize("as_file", [False, True])
@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGB"])
@pytest.mark.parametrize("channels", [1, 3])
def test_black_shapes_on_transparent_ground_differ(tmp_path, mode, channels, as_file):
    disc, square = (disc_or_square(mode, shape) for shape in ("disc", "square"))
    if as_file:
        disc, square = save(disc, tmp_path / "disc.png"), save(square, tmp_path / "square.png")

    disc, square = np.asarray(read_image(disc, channels)), np.asarray(read_image(square, channels))

    assert not np.array_equal(disc, square)
    assert disc[0, 0].min() == 255
    assert disc[4, 4].max() == 0


def test_alpha_is_kept_for_a_model_of_four_channels():
    image = read_image(disc_or_square("RGBA", "disc"), channels=4)

    assert image.getpixel((0, 0)) == (0, 0, 0, 0)


@pytest.mark.parametrize("background", ["nocolour", (0, 0), (0, 0, 300), (0.5, 0, 0), None])
def test_a_background_that_is_no_colour_is_refused(background):
    with pytest.raises(ValueError, match="Expected background to be a colour, such as 'white'"):
        read_image(disc_or_square("RGBA", "disc"), 3, background)


def content(image, **options):
    file = io.BytesIO()
    image.save(file, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    "wrap",
    [
        lambda data: data,
        bytearray,
        io.BytesIO,
        lambda data: {"bytes": data, "path": None},
        lambda data: {"bytes": data, "path": "no such file"},
    ],
)
def test_the_content_of_a_file_is_an_image(wrap):
    image = wrap(content(Image.fromarray(PIXELS), format="PNG"))

    for _ in range(2):  # a buffer is read again from its start
        np.testing.assert_array_equal(np.asarray(read_image(image, channels=3)), PIXELS)


def test_a_dictionary_may_name_a_path_or_nothing(tmp_path):
    path = save(Image.fromarray(PIXELS), tmp_path / "a.png")
    image = read_image({"bytes": None, "path": str(path)}, channels=3)
    np.testing.assert_array_equal(np.asarray(image), PIXELS)
    with pytest.raises(ValueError, match="in which neither has a value"):
        read_image({"bytes": None, "path": None}, channels=3)


def test_bytes_that_are_no_image_are_refused():
    with pytest.raises(ValueError, match="in memory cannot be read as an image: its format is not"):
        read_image(b"bytes", channels=3)


def test_a_format_for_which_another_program_would_be_started_is_refused():
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
    with pytest.raises(ValueError, match=r"its format is not known. Expected one of .*PNG"):
        read_image(postscript, channels=3)


def test_more_pixels_than_pillow_allows_are_refused_before_they_are_decoded(monkeypatch):
    data = content(Image.new("L", (60, 50)), format="PNG")
    assert read_image(data, channels=1).size == (60, 50)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2999)
    with pytest.raises(ValueError, match=r"3,000 pixels, more than the 2,999 of PIL.Image.MAX_IM"):
        read_image(data, channels=1)


def test_of_an_animated_image_the_first_frame_is_taken():
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    data = content(frames[0], format="GIF", save_all=True, append_images=frames[1:])

    assert read_image(data, channels=3).getpixel((0, 0)) == (255, 0, 0)


def test_cmyk_is_converted():
    assert read_image(Image.new("CMYK", (4, 4), (0, 255, 255, 0)), 3).getpixel((0, 0)) == (
        255,
        0,
        0,
    )


def test_a_tiff_of_floating_point_is_named(tmp_path):
    path = save(Image.fromarray(np.full((4, 4), 700.0, dtype=np.float32)), tmp_path / "float.tif")

    with pytest.raises(ValueError, match="float.tif: .*mode 'F'"):
        read_image(path, channels=3)


def test_a_pipe_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")

    with pytest.raises(ValueError, match="pipe.png cannot be read as an image: it is a pipe"):
        read_image(tmp_path / "pipe.png", channels=3)


@pytest.mark.parametrize("as_float", [False, True])
def test_an_image_without_transparency_is_opaque(as_float):
    pixels = np.array([[[10, 20, 30]]], dtype=np.uint8)

    image = read_image(pixels / 255 if as_float else pixels, channels=4)

    assert (image[3].item() if as_float else image.getpixel((0, 0))[3] / 255) == 1.0


def test_colours_of_floating_point_are_weighed_into_grey_by_bt_601():
    red_green_blue = np.eye(3).reshape(1, 3, 3)

    grey = read_image(red_green_blue, channels=1)

    torch.testing.assert_close(grey, torch.tensor([[[0.299, 0.587, 0.114]]]))


def test_floating_point_values_are_not_rounded_to_8_bits():
    values = np.array([[0.1234567, 0.1234568]])

    assert torch.equal(read_image(values, channels=1), torch.tensor(values[None]).float())


def test_a_tensor_of_half_precision_with_a_gradient_is_read():
    values = torch.full((3, 2, 2), 0.5, dtype=torch.float16, requires_grad=True)

    image = read_image(values, channels=3)

    assert torch.equal(image, torch.full((3, 2, 2), 0.5))
    assert not image.requires_grad


def test_a_flipped_array_is_read():
    image = read_image(PIXELS[::-1] / 255, channels=3)

    torch.testing.assert_close(image[:, 0, 0] * 255, torch.tensor([54.0, 55.0, 56.0]))


def test_16_bits_of_a_file_are_kept(tmp_path):
    values = np.array([[0, 257, 65535]], dtype=np.uint16)
    path = save(Image.fromarray(values), tmp_path / "scan.png")

    image = read_image(path, channels=1)

    torch.testing.assert_close(image, torch.tensor([[[0.0, 257 / 65535, 1.0]]]))


def test_a_photo_is_turned_as_its_exif_orientation_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: turn by 90 degrees clockwise
    path = save(Image.new("L", (6, 4)), tmp_path / "photo.jpg", exif=exif)

    assert read_image(path, channels=1).size == (4, 6)


def test_other_numbers_of_channels_are_kept():
    values = np.random.default_rng(0).random((4, 6, 5))

    image = read_image(values, channels=5)

    torch.testing.assert_close(image, torch.tensor(values.transpose(2, 0, 1)).float())


def test_8_bits_of_other_numbers_of_channels_are_scaled():
    image = read_image(np.full((4, 6, 2), 51, dtype=np.uint8), channels=2)

    torch.testing.assert_close(image, torch.full((2, 4, 6), 0.2))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no image file .*missing.png"):
        read_image(tmp_path / "missing.png", channels=3)


def test_a_file_that_is_no_image_is_named(tmp_path):
    (tmp_path / "notes.png").write_text("not an image")

    with pytest.raises(ValueError, match="notes.png cannot be read as an image"):
        read_image(tmp_path / "notes.png", channels=3)


def test_a_file_that_was_cut_off_is_named(tmp_path):
    noise = np.random.default_rng(0).integers(256, size=(64, 64, 3), dtype=np.uint8)
    path = save(Image.fromarray(noise), tmp_path / "cut.jpg")
    path.write_bytes(path.read_bytes()[:1500])

    with pytest.raises(ValueError, match="cut.jpg cannot be read as an image"):
        read_image(path, channels=3)


def test_a_folder_is_named(tmp_path):
    with pytest.raises(ValueError, match="cannot be read as an image"):
        read_image(tmp_path, channels=3)


@pytest.mark.parametrize("obj", [{"image": PIXELS}, [1, 2], None])
def test_another_type_is_refused(obj):
    with pytest.raises(TypeError, match=f"of type {type(obj).__name__}"):
        read_image(obj, channels=3)


@pytest.mark.parametrize("values", [PIXELS.astype(np.int64), torch.ones(3, 4, 6, dtype=torch.bool)])
def test_values_of_another_type_are_refused(values):
    with pytest.raises(TypeError, match=f"type {values.dtype}"):
        read_image(values, channels=3)


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (8,), (0, 8, 3)])
def test_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match=f"{shape[0]}, ?.*one by one"):
        read_image(np.zeros(shape), channels=3)


def test_an_array_with_its_channels_first_is_refused():
    with pytest.raises(ValueError, match="with 3 channels, got 32"):
        read_image(np.zeros((3, 32, 32), dtype=np.uint8), channels=3)


def test_a_pillow_image_is_refused_by_a_model_of_five_channels():
    with pytest.raises(ValueError, match="with 5 channels, got 3"):
        read_image(Image.new("RGB", (4, 4)), channels=5)


@pytest.mark.parametrize(
    ("value", "range_"), [(255.0, "0 to 255"), (-1.0, "-1 to 0"), (float("nan"), "nan to nan")]
)
def test_values_outside_of_0_to_1_are_refused(value, range_):
    with pytest.raises(ValueError, match=f"values from {range_}"):
        read_image(np.array([[0.0, value]]), channels=1)


def test_a_pillow_image_of_no_fixed_range_is_refused():
    with pytest.raises(ValueError, match="mode 'F'"):
        read_image(Image.new("F", (4, 4)), channels=1)
