"""Conformance checks for augmentations of images."""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Iterator
from typing import Any, Final

import torch
from torch import Tensor, nn

from quaterion_core.testing.checks import CheckError, Checks
from quaterion_core.testing.comparing import require_interface
from quaterion_core.testing.subject import Subject

_SIZE: Final = 16


class AugmentationSubject(Subject[nn.Module]):
    """An augmentation under test."""


AUGMENTATION_CHECKS: Final[Checks[AugmentationSubject]] = Checks("augmentation")


def images() -> Iterator[Any]:
    """Yield an image as each type that augmentations get: a tensor, and one of Pillow."""
    pixels = torch.rand(3, _SIZE, _SIZE, generator=torch.Generator().manual_seed(0))
    yield pixels
    with contextlib.suppress(ImportError):
        from PIL import Image

        yield Image.fromarray((pixels * 255).byte().permute(1, 2, 0).numpy())


@AUGMENTATION_CHECKS.add
def construction(subject: AugmentationSubject) -> None:
    """The augmentation cannot be built from the arguments given, or cannot be copied.

    Pass the arguments that its constructor requires: `Example(arguments={...})` under the
    augmentation's name in `examples`; or fix the constructor.
    """
    subject.built()


@AUGMENTATION_CHECKS.add
def interface(subject: AugmentationSubject) -> None:
    """The class is not derived from `torch.nn.Module`.

    Derive from `torch.nn.Module`, or from `torchvision.transforms.v2.Transform`.
    """
    require_interface(subject.fresh(), nn.Module)


@AUGMENTATION_CHECKS.add
def output(subject: AugmentationSubject) -> None:
    """What is returned is no image of the same type and size.

    Return a tensor (C, H, W) for a tensor, and a Pillow image for a Pillow image; the functions of
    `torchvision.transforms.v2.functional` take both.
    """
    augmentation = subject.fresh()
    for image in images():
        changed = augmentation(image)
        kind = type(image).__name__
        if isinstance(image, Tensor):
            if not isinstance(changed, Tensor) or changed.shape != image.shape:
                raise CheckError(f"expected a tensor of shape {tuple(image.shape)}, got {changed}")
            if not torch.isfinite(changed.float()).all():
                raise CheckError("expected finite pixels, got NaN or infinity")
        elif getattr(changed, "size", None) != image.size or not hasattr(changed, "mode"):
            raise CheckError(f"expected an image of size {image.size} for a {kind}, got {changed}")


@AUGMENTATION_CHECKS.add
def arguments_unchanged(subject: AugmentationSubject) -> None:
    """The image that is given is changed.

    Return a new image: the same one is augmented again in the next epoch.
    """
    augmentation = subject.fresh()
    for image, before in zip(images(), images(), strict=True):
        augmentation(image)
        is_same = torch.equal(image, before) if isinstance(image, Tensor) else image == before
        if not is_same:
            raise CheckError(f"expected the {type(image).__name__} to stay as it is")


@AUGMENTATION_CHECKS.add
def determinism(subject: AugmentationSubject) -> None:
    """The same seed gives different images.

    Draw random numbers with PyTorch's global generator, `torch.rand(())`, which a training run
    seeds in each worker.
    """
    augmentation = subject.fresh()
    image = next(images())
    found = []
    for _ in range(2):
        torch.manual_seed(7)
        found.append([augmentation(image) for _ in range(3)])
    if not all(map(torch.equal, *found)):
        raise CheckError("expected the same images for the same seed, got others")


@AUGMENTATION_CHECKS.add
def is_picklable(subject: AugmentationSubject) -> None:
    """The augmentation cannot be pickled, which the workers of a data loader require.

    Keep plain values in attributes, and no lambdas or open files.
    """
    pickle.loads(pickle.dumps(subject.fresh()))
