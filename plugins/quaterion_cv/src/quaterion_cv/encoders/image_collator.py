"""Collation of images into a batch for a timm model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from timm.data.config import resolve_model_data_config
from timm.data.transforms_factory import create_transform
from torch import Tensor, nn
from torchvision.transforms import v2

from quaterion_core.utils.objects import about_object
from quaterion_cv.encoders.augmentations import AugmentationChoice, build_augmentation
from quaterion_cv.images import Background, background_colour, read_image


class ImageCollator:
    """Collate function that reads, resizes, crops and normalises images as in timm's evaluation.

    It has no weights and can be pickled, so it runs in the workers of a data loader.

    Args:
        in_chans: Number of channels C that images are converted to.
        image_size: Height H and width W of the batch.
        data_config: timm's ``interpolation``, ``mean`` and ``std`` (one value per channel, for
            pixel values in [0, 1]), ``crop_pct`` (the share of the resized image that the crop
            keeps, per side) and ``crop_mode`` (``"center"``: the shorter side is fitted and the
            longer one cropped; ``"squash"``: both sides are fitted; ``"border"``: the longer
            side is fitted and the shorter one padded).
        augmentation: Random changes of the images, by the names and arguments of
            :data:`~quaterion_cv.encoders.augmentations.AUGMENTATIONS`, applied in their order
            after the image is resized and cropped. ``"crop"`` replaces resizing and cropping.
        background: The colour behind transparent images; see
            :func:`~quaterion_cv.images.read_image`.

    Raises:
        ValueError: timm cannot make a transform of the data config, or there is no such
            augmentation, or it does not fit the images, or ``background`` is not a colour.

    Example:
        >>> from PIL import Image
        >>> collator = ImageCollator(1, (4, 4), {"mean": [0.5], "std": [0.5]})
        >>> batch = collator([Image.new("L", (8, 8), color=255), Image.new("RGB", (6, 9))])
        >>> batch.shape, batch[:, 0, 0, 0]
        (torch.Size([2, 1, 4, 4]), tensor([ 1., -1.]))
    """

    def __init__(
        self,
        in_chans: int,
        image_size: tuple[int, int],
        data_config: Mapping[str, Any],
        augmentation: AugmentationChoice | Sequence[AugmentationChoice] = (),
        background: Background = "white",
    ):
        self.in_chans = in_chans
        background_colour(background)  # raises an error for an invalid colour
        self.background = background
        try:
            transform = create_transform(input_size=(in_chans, *image_size), **data_config)
        except (KeyError, TypeError) as error:
            raise ValueError(
                f"timm cannot make a transform of the data config {dict(data_config)}: {error!r}"
            ) from error
        interpolation = data_config.get("interpolation", "bilinear")
        changes = build_augmentation(augmentation, in_chans, image_size, interpolation)
        *resize_and_crop, to_tensor, normalise = transform.transforms
        if any(isinstance(change, v2.RandomResizedCrop) for change in changes):
            resize_and_crop = []
        self.transform = v2.Compose([*resize_and_crop, *changes, to_tensor, normalise])

    def __call__(self, images: list[Any]) -> Tensor:
        """Return a batch (N, C, H, W), float32, of N images.

        Args:
            images: Whatever :func:`quaterion_cv.images.read_image` takes.

        Raises:
            FileNotFoundError: There is no such file.
            TypeError: An object is no image.
            ValueError: An object is an image that cannot be read. All errors name its position.
        """
        return torch.stack(
            [self.transform(self._read(*numbered)) for numbered in enumerate(images)]
        )

    def _read(self, index: int, obj: Any) -> Any:
        try:
            return read_image(obj, self.in_chans, self.background)
        except FileNotFoundError as error:
            raise about_object(FileNotFoundError(f"Object {index}: {error}"), index) from error
        except TypeError as error:
            raise about_object(TypeError(f"Object {index}: {error}"), index) from error
        except ValueError as error:
            raise about_object(ValueError(f"Object {index}: {error}"), index) from error


def model_data_config(
    model: nn.Module, in_chans: int, replaced: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the data config of a timm model as JSON values.

    Args:
        model: The model.
        in_chans: Number of its input channels. If this differs from the number of values in its
            own mean and standard deviation, their averages are used for all channels.
        replaced: Entries to replace.

    Raises:
        ValueError: An entry to replace is none of :class:`ImageCollator`'s, or a mean or
            standard deviation has not one value for each channel.

    Example:
        >>> import timm
        >>> model_data_config(timm.create_model("test_resnet", in_chans=1), 1, {"crop_pct": 1.0})
        {'interpolation': 'bilinear', 'mean': [0.5], 'std': [0.5],
         'crop_pct': 1.0, 'crop_mode': 'center'}
    """
    own: dict[str, Any] = resolve_model_data_config(model)  # type: ignore[no-untyped-call]
    del own["input_size"]
    if unknown := sorted(replaced.keys() - own.keys()):
        raise ValueError(
            f"data_config has no entry {unknown[0]!r}, but: {', '.join(own)}. (The size of images "
            "is the argument image_size.)"
        )
    for name in ("mean", "std"):
        if len(own[name]) != in_chans:
            own[name] = [sum(own[name]) / len(own[name])] * in_chans
    config = {**own, **replaced}
    for name in ("mean", "std"):
        config[name] = list(config[name])
        if len(config[name]) != in_chans:
            raise ValueError(
                f"data_config has the {name} {config[name]}, but the images have {in_chans} "
                "channels. Give one value for each."
            )
    return config
