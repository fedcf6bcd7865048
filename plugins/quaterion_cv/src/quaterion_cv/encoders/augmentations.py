"""Augmentations of training images by name: those of torchvision, and the recipe of SimCLR."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from torch import Tensor, nn
from torchvision.transforms import InterpolationMode, v2

from quaterion_core.components import build_component, split_choice
from quaterion_core.plugins import ComponentKind, is_id, registry
from quaterion_core.plugins.nearest import unknown_name
from quaterion_cv.encoders.elastic_change import ElasticChange

AugmentationChoice: TypeAlias = str | Mapping[str, Any]
"""A name of :data:`AUGMENTATIONS` or of a plugin's augmentation, or a mapping of ``name`` and
arguments."""

_SHARE_OF_BLUR: Final = 0.1


def crop(
    image_size: tuple[int, int],
    interpolation: str,
    *,
    scale: Sequence[float] = (0.2, 1.0),
    ratio: Sequence[float] = (3 / 4, 4 / 3),
) -> list[Any]:
    """Random resized crop, which replaces resizing and center cropping.

    Source: Szegedy et al., Going Deeper with Convolutions, CVPR 2015, section 6.

    Args:
        image_size: Height and width of the batch.
        interpolation: timm's name of the interpolation.
        scale: Minimum and maximum area of the crop, relative to the image.
        ratio: Minimum and maximum aspect ratio of the crop, width / height.
    """
    return [
        v2.RandomResizedCrop(
            image_size,
            scale=tuple(scale),
            ratio=tuple(ratio),
            interpolation=InterpolationMode(interpolation),
        )
    ]


def flip(image_size: tuple[int, int], interpolation: str, *, p: float = 0.5) -> list[Any]:
    """Random horizontal flip with probability ``p``."""
    return [v2.RandomHorizontalFlip(p)]


def rotate(image_size: tuple[int, int], interpolation: str, *, degrees: float = 15) -> list[Any]:
    """Random rotation by at most ``degrees`` in either direction; corners are filled with black."""
    return [v2.RandomRotation(degrees, interpolation=InterpolationMode.BILINEAR)]


def affine(
    image_size: tuple[int, int],
    interpolation: str,
    *,
    degrees: float = 15,
    translate: float = 0.1,
    scale: Sequence[float] = (0.8, 1.2),
    shear: float = 10,
    fill: float = 0.0,
) -> list[Any]:
    """Random rotation, translation, scaling and shear in one transform, suited to handwriting.

    Source: Simard, Steinkraus, Platt, Best Practices for Convolutional Neural Networks Applied to
    Visual Document Analysis, ICDAR 2003, section 2.

    Args:
        image_size: Height and width of the batch.
        interpolation: Not used.
        degrees: Maximum rotation in either direction.
        translate: Maximum translation, relative to the height and width.
        scale: Minimum and maximum scaling factor.
        shear: Maximum shear along each axis, in degrees.
        fill: Brightness of the area outside the image, from 0 (black) to 1 (white).
    """
    if not 0 <= fill <= 1:
        raise ValueError(f"Expected fill to be between 0 (black) and 1 (white), got {fill}.")
    return [
        v2.RandomAffine(
            degrees,
            translate=(translate, translate),
            scale=tuple(scale),
            shear=[-shear, shear, -shear, shear],
            interpolation=InterpolationMode.BILINEAR,
            fill={Tensor: fill, "others": round(255 * fill)},
        )
    ]


def color_jitter(
    image_size: tuple[int, int],
    interpolation: str,
    *,
    brightness: float = 0.4,
    contrast: float = 0.4,
    saturation: float = 0.4,
    hue: float = 0.1,
    p: float = 0.8,
) -> list[Any]:
    """Random change of colours with probability ``p``, by at most these fractions."""
    return [v2.RandomApply([v2.ColorJitter(brightness, contrast, saturation, hue)], p)]


def elastic(
    image_size: tuple[int, int],
    interpolation: str,
    *,
    deviation: float = 0.04,
    points: int = 5,
) -> list[Any]:
    """Random smooth deformation, suited to handwriting and soft objects.

    Args:
        image_size: Height and width of the batch.
        interpolation: Not used.
        deviation: Standard deviation of the displacement of pixels, relative to the image size.
        points: Number of grid points per side whose displacements are drawn; fewer are smoother.
    """
    if points < 2 or deviation < 0:
        raise ValueError(
            "Expected points to be at least 2 and deviation at least 0, got "
            f"points={points} and deviation={deviation}."
        )
    return [ElasticChange(deviation, points)]


def grayscale(image_size: tuple[int, int], interpolation: str, *, p: float = 0.2) -> list[Any]:
    """Conversion to grayscale with probability ``p``."""
    return [v2.RandomGrayscale(p)]


def blur(
    image_size: tuple[int, int],
    interpolation: str,
    *,
    p: float = 0.5,
    sigma: Sequence[float] = (0.1, 2.0),
) -> list[Any]:
    """Gaussian blur with probability ``p`` and a kernel size of a tenth of the image's height.

    Source: Chen et al., A Simple Framework for Contrastive Learning of Visual Representations,
    ICML 2020, appendix A.

    Args:
        image_size: Height and width of the batch.
        interpolation: Not used.
        p: The probability.
        sigma: Minimum and maximum standard deviation, in pixels.
    """
    kernel = 2 * int(_SHARE_OF_BLUR * image_size[0] / 2) + 1  # odd
    return [v2.RandomApply([v2.GaussianBlur(kernel, tuple(sigma))], p)]


def randaugment(
    image_size: tuple[int, int], interpolation: str, *, num_ops: int = 2, magnitude: int = 9
) -> list[Any]:
    """RandAugment: ``num_ops`` random changes of colour and shape, ``magnitude`` from 0 to 30.

    Source: Cubuk et al., RandAugment, NeurIPS 2020.
    """
    return [v2.RandAugment(num_ops, magnitude)]


def trivial_augment(image_size: tuple[int, int], interpolation: str) -> list[Any]:
    """TrivialAugment: one random change of colour or shape of random strength, without parameters.

    Source: Müller, Hutter, TrivialAugment, ICCV 2021.
    """
    return [v2.TrivialAugmentWide()]


def simclr(image_size: tuple[int, int], interpolation: str, *, strength: float = 1.0) -> list[Any]:
    """SimCLR's crop, flip, color jitter, grayscale and blur, for training without labels.

    Source: Chen et al., A Simple Framework for Contrastive Learning of Visual Representations,
    ICML 2020, appendix A.

    Args:
        image_size: Height and width of the batch.
        interpolation: timm's name of the interpolation.
        strength: Factor of the color jitter; 0.5 for small images.
    """
    jitter = {"brightness": 0.8, "contrast": 0.8, "saturation": 0.8, "hue": 0.2}
    scaled = {name: share * strength for name, share in jitter.items()}
    return [
        *crop(image_size, interpolation, scale=(0.08, 1.0)),
        *flip(image_size, interpolation),
        *color_jitter(image_size, interpolation, **scaled),
        *grayscale(image_size, interpolation),
        *blur(image_size, interpolation),
    ]


AUGMENTATIONS: Final[Mapping[str, Callable[..., list[Any]]]] = {
    "affine": affine,
    "blur": blur,
    "color-jitter": color_jitter,
    "crop": crop,
    "elastic": elastic,
    "flip": flip,
    "grayscale": grayscale,
    "randaugment": randaugment,
    "rotate": rotate,
    "simclr": simclr,
    "trivial-augment": trivial_augment,
}
"""The augmentations by name."""

_OF_COLOURS: Final = ("color-jitter", "grayscale", "randaugment", "simclr", "trivial-augment")


def build_augmentation(
    choices: AugmentationChoice | Sequence[AugmentationChoice],
    channels: int,
    image_size: tuple[int, int],
    interpolation: str,
) -> list[Any]:
    """Build torchvision transforms, which are applied in order.

    Args:
        choices: One or several names of :data:`AUGMENTATIONS` or of augmentations of plugins, or
            mappings of ``name`` and arguments.
        channels: Number of channels of the images.
        image_size: Height and width of the batch.
        interpolation: timm's name of the interpolation.

    Raises:
        TypeError: A choice is neither a name nor a mapping, or has an unknown argument.
        ValueError: A name is unknown, an augmentation does not support the number of channels, or
            an argument is out of range.
        MissingComponentError: An augmentation is that of a plugin that is not installed.

    Example:
        >>> build_augmentation({"name": "flip", "p": 0.1}, 3, (32, 32), "bilinear")
        [RandomHorizontalFlip(p=0.1)]
    """
    listed = [choices] if isinstance(choices, (str, Mapping)) else choices
    transforms: list[Any] = []
    for choice in listed:
        name, arguments = split_choice("augmentation", choice)
        if name not in AUGMENTATIONS:
            transforms.append(_of_plugin(name, arguments))
            continue
        if name in _OF_COLOURS and channels not in (1, 3):
            without = [other for other in AUGMENTATIONS if other not in _OF_COLOURS]
            raise ValueError(
                f"The augmentation {name!r} changes colours: it takes images of 1 or 3 channels, "
                f"not {channels}. For any number of channels: {', '.join(without)}."
            )
        try:
            transforms += AUGMENTATIONS[name](image_size, interpolation, **arguments)
        except (TypeError, ValueError) as error:
            raise type(error)(
                f"The augmentation {name!r} does not take the arguments {arguments}: {error}"
            ) from error
    return transforms


def with_ids(choice: AugmentationChoice) -> AugmentationChoice:
    """Return a choice with the full id of an augmentation of a plugin."""
    name, arguments = split_choice("augmentation", choice)
    if name in AUGMENTATIONS or is_id(name) or name not in _names_of_plugins():
        return choice if isinstance(choice, str) else dict(choice)
    full = registry.find(ComponentKind.AUGMENTATION, name).id
    return {"name": full, **arguments} if arguments else full


def _of_plugin(name: str, arguments: Mapping[str, Any]) -> nn.Module:
    if not is_id(name) and name not in _names_of_plugins():
        known = [*AUGMENTATIONS, *_names_of_plugins()]
        raise ValueError(
            unknown_name("There is no augmentation", name, known, known_as="Choose among")
        )
    transform: nn.Module = build_component("augmentation", {"name": name, **arguments})
    return transform


def _names_of_plugins() -> list[str]:
    return [record.name for record in registry.components(ComponentKind.AUGMENTATION)]
