"""An encoder that wraps any image model of timm (PyTorch Image Models)."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal

import timm
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from typing_extensions import Self

from quaterion_core.encoders import Encoder, ExportForm, ImageInputs
from quaterion_core.plugins import MissingComponentError
from quaterion_core.storage import InvalidFolderError, SavedFolder, load_module
from quaterion_core.storage.modules import CONFIG_FILE
from quaterion_core.utils.faults import Faults, first_fault
from quaterion_core.utils.precision import at_least_float32
from quaterion_cv.encoders.augmentations import AugmentationChoice, with_ids
from quaterion_cv.encoders.gem_pooling import use_gem_pooling
from quaterion_cv.encoders.image_collator import ImageCollator, model_data_config
from quaterion_cv.encoders.model_stages import modules_before
from quaterion_cv.encoders.saved_config import SavedTimmConfig, check_savable
from quaterion_cv.encoders.timm_models import (
    build_skeleton,
    embedding_size,
    fetch_pretrained,
    find_model,
    read_checkpoint,
)
from quaterion_cv.images import Background, background_colour

_NOT_FOR_MODEL_KWARGS: Final = {
    "cache_dir": "set the environment variable HF_HUB_CACHE",
    "checkpoint_path": "use the argument checkpoint_path",
    "img_size": "use the argument image_size",
    "in_chans": "use the argument in_chans",
    "num_classes": "the encoder has no classifier",
    "pretrained": "use the argument pretrained",
    "pretrained_cfg": "use the arguments data_config and checkpoint_path",
    "pretrained_cfg_overlay": "use the arguments data_config and checkpoint_path",
}
_OPTIONAL: Final = {"train_stages", "data_config", "checkpoint_path", "model_kwargs"}


class TimmEncoder(Encoder):
    """Encoder of images that wraps a timm model without its classifier.

    An embedding consists of the pooled features before the classifier. Images are prepared as in
    timm's evaluation of the model; ``augmentation`` applies to training images only. For supported
    types of images see :func:`quaterion_cv.images.read_image`.

    Args:
        model: Name of a model, with or without the tag of its weights, such as
            ``"resnet18"`` or ``"resnet18.a1_in1k"``; see ``timm.list_models()`` and
            ``timm.list_pretrained()``.
        pretrained: Fetch timm's weights, from the Hugging Face hub or its cache on this machine;
            otherwise start from random ones.
        trainable: Whether training changes the model. A frozen one, the default, can be cached.
        train_stages: Number of last stages (of a vision transformer: blocks) to train, together
            with the normalisation and pooling after them. What comes before stays as it is,
            statistics of batch normalisation included, and takes no memory for gradients. By
            default all of a trainable model is trained.
        pooling: ``"gem"`` takes the generalised mean of the last feature map, with a learned
            exponent, instead of the average; see
            :class:`~quaterion_cv.encoders.gem_pooling.GeMPooling`. By default the model's own.
        in_chans: Number of channels that the model takes; images are converted to it. timm
            adapts its weights, which are made for three.
        image_size: Height and width, or the side of a square, that images are brought to; the
            model's own by default.
        data_config: Entries of the model's data config to replace: ``interpolation``, ``mean``,
            ``std``, ``crop_pct``, ``crop_mode``, explained at
            :class:`~quaterion_cv.encoders.image_collator.ImageCollator`. Where ``in_chans`` is
            not three, the averages of the model's mean and standard deviation serve all channels.
        augmentation: How images are changed at random in training: a name of
            :data:`~quaterion_cv.encoders.augmentations.AUGMENTATIONS`, such as ``"simclr"``, or of
            an augmentation that a plugin declares, a
            mapping of a name and arguments, such as ``{"name": "rotate", "degrees": 10}``, or a
            list of these. Not at all by default.
        background: The colour behind transparent images: a name, such as ``"white"``, a value, such
            as ``"#ff0000"``, or red, green and blue from 0 to 255.
        checkpoint_path: A local safetensors file with weights of this model under timm's names,
            to read instead of fetching any. Those of a classifier are left out; timm adapts those
            that depend on ``in_chans`` or ``image_size``.
        model_kwargs: More arguments for ``timm.create_model``, JSON values, such as
            ``{"drop_path_rate": 0.1}``.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: The model is unknown, has no pretrained weights, cannot be built or fed with
            these arguments, or does not give one embedding for each image; or it does not have
            these stages or a pooling to be replaced; or there is no such augmentation; or the
            checkpoint does not fit. Nothing was fetched.
        FileNotFoundError: There is no such checkpoint.
        OSError: The weights could not be fetched.

    Example:
        >>> from PIL import Image
        >>> encoder = TimmEncoder("test_resnet", pretrained=False, in_chans=1, image_size=32)
        >>> batch = encoder.get_collate_fn()([Image.new("L", (8, 8)), Image.new("RGB", (50, 40))])
        >>> batch.shape, encoder(batch).shape, encoder.embedding_size
        (torch.Size([2, 1, 32, 32]), torch.Size([2, 96]), 96)
    """

    def __init__(
        self,
        model: str,
        *,
        pretrained: bool = True,
        trainable: bool = False,
        train_stages: int | None = None,
        pooling: Literal["gem"] | None = None,
        in_chans: int = 3,
        image_size: int | Sequence[int] | None = None,
        data_config: Mapping[str, Any] | None = None,
        augmentation: AugmentationChoice | Sequence[AugmentationChoice] = (),
        background: Background = "white",
        checkpoint_path: str | Path | None = None,
        model_kwargs: Mapping[str, Any] | None = None,
    ):
        super().__init__()
        _check_types(
            {
                "model": (model, str),
                "pretrained": (pretrained, bool),
                "trainable": (trainable, bool),
                "train_stages": (train_stages, int),
                "in_chans": (in_chans, int),
                "data_config": (data_config, Mapping),
                "augmentation": (augmentation, (str, Mapping, Sequence)),
                "background": (background, (str, Sequence)),
                "checkpoint_path": (checkpoint_path, (str, Path)),
                "model_kwargs": (model_kwargs, Mapping),
            }
        )
        known = find_model(model)
        self.model_name = model
        self.in_chans = in_chans
        self.image_size = _height_and_width(
            known.input_size[1:] if image_size is None else image_size
        )
        self.model_kwargs = _checked(dict(model_kwargs or {}))
        self._trainable = trainable
        self.train_stages = train_stages
        self.pooling = pooling

        arguments = {**self.model_kwargs, "in_chans": in_chans, "num_classes": 0}
        if known.fixed_input_size:
            arguments["img_size"] = self.image_size
        skeleton = build_skeleton(model, arguments)
        _before_trained(skeleton, trainable, train_stages)
        pooled = _set_pooling(copy.deepcopy(skeleton), pooling)
        self._embedding_size = embedding_size(pooled, (in_chans, *self.image_size))
        self.data_config = model_data_config(skeleton, in_chans, data_config or {})
        self.background = background if isinstance(background, str) else tuple(background)
        self._collator = ImageCollator(
            in_chans, self.image_size, self.data_config, background=self.background
        )
        self.augmentation = _listed(augmentation)
        self._train_collator: ImageCollator | None = None
        with suppress(MissingComponentError):  # training needs the plugin, serving does not
            self._train_collator = self._new_train_collator()

        if checkpoint_path is not None:
            self.model = read_checkpoint(model, arguments, skeleton, Path(checkpoint_path))
        elif pretrained:
            self.model = fetch_pretrained(model, arguments)
        else:
            self.model = timm.create_model(model, pretrained=False, **arguments)
        _set_pooling(self.model, pooling)
        self._before_trained = _before_trained(self.model, trainable, train_stages)
        self.disable_gradients_if_required()
        self.train()

    @property
    def trainable(self) -> bool:
        """Whether training changes the model."""
        return self._trainable

    @property
    def embedding_size(self) -> int:
        """Number of columns D of the embeddings."""
        return self._embedding_size

    def disable_gradients_if_required(self) -> None:
        """Freeze the parameters that are not trained."""
        super().disable_gradients_if_required()
        for module in self._before_trained:
            for parameter in module.parameters(recurse=False):
                parameter.requires_grad_(False)

    def train(self, mode: bool = True) -> Self:
        """Set training or evaluation mode; frozen modules stay in evaluation mode."""
        super().train(mode)
        before = set(self._before_trained)
        for module in before:
            if before.issuperset(module.modules()):
                module.training = False
        return self

    def get_collate_fn(self) -> ImageCollator:
        """Return the function that turns N images into a batch (N, C, H, W), float32."""
        return self._collator

    def get_train_collate_fn(self) -> ImageCollator | None:
        """Return the function that augments the images too, if they are to be augmented.

        Raises:
            MissingComponentError: An augmentation is that of a plugin that is not installed.
        """
        if not self.augmentation:
            return None
        if self._train_collator is None:
            self._train_collator = self._new_train_collator()
        return self._train_collator

    def _new_train_collator(self) -> ImageCollator:
        return ImageCollator(
            self.in_chans, self.image_size, self.data_config, self.augmentation, self.background
        )

    def forward(self, batch: Tensor) -> Tensor:
        """Embed a batch of images (N, C, H, W); without a graph where the encoder is frozen.

        Returns:
            Embeddings (N, D), of float32 at least, whatever the precision of the weights.
        """
        dtypes = (p.dtype for p in self.model.parameters() if p.is_floating_point())
        with torch.set_grad_enabled(self.trainable and torch.is_grad_enabled()):
            embeddings: Tensor = self.model(batch.to(next(dtypes, batch.dtype)))
        return at_least_float32(embeddings)

    def get_export_form(self) -> ExportForm:
        """Return the model over pixel values, and how images become these.

        Raises:
            NotImplementedError: Images are neither cropped at the center nor squashed, or the
                model takes another number of channels than 1, 3 or 4.
        """
        crop_mode = self.data_config.get("crop_mode", "center")
        if crop_mode not in ("center", "squash") or self.in_chans not in (1, 3, 4):
            raise NotImplementedError(
                f"{type(self).__name__} can be exported with the crop modes center and squash and "
                f"with 1, 3 or 4 channels, got {crop_mode!r} and {self.in_chans}."
            )
        height, width = self.image_size
        return ExportForm(
            self.model,
            ImageInputs(
                self.in_chans,
                height,
                width,
                self.data_config["mean"],
                self.data_config["std"],
                self.data_config["interpolation"],
                self.data_config["crop_pct"],
                crop_mode,
                background_colour(self.background),
            ),
        )

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that build this encoder again, with random weights.

        All settings that come with pretrained weights are spelled out, so that neither network
        nor another version of timm changes them.
        """
        return {
            "model": self.model_name,
            "pretrained": False,
            "trainable": self.trainable,
            "train_stages": self.train_stages,
            "pooling": self.pooling,
            "in_chans": self.in_chans,
            "image_size": list(self.image_size),
            "data_config": dict(self.data_config),
            "augmentation": copy.deepcopy(self.augmentation),
            "background": (
                self.background if isinstance(self.background, str) else list(self.background)
            ),
            "model_kwargs": dict(self.model_kwargs),
        }

    def save(self, output_path: str | Path) -> None:
        """Save configuration (JSON) and weights (safetensors) to an existing folder.

        Raises:
            NotSavableError: The encoder could not be loaded again, such as one of images of more
                than 2048 × 2048 pixels.
        """
        check_savable(self.get_config_dict())
        super().save(output_path)

    @classmethod
    def load_from(cls, folder: SavedFolder) -> Self:
        """Load an encoder from an opened folder that :meth:`save` filled, without any network.

        Raises:
            InvalidFolderError: A file is missing, surplus or broken, or the configuration asks for
                something that :meth:`save` does not write, such as weights from elsewhere.
        """
        source = str(folder.path / CONFIG_FILE)
        config = folder.read_json(CONFIG_FILE)
        if config.get("pretrained") is not False or "checkpoint_path" in config:
            raise InvalidFolderError(
                f"{source} asks for weights from elsewhere, but an encoder that was saved has its "
                "own, and 'pretrained': false. Save it again."
            )
        try:
            _checked(dict(config.get("model_kwargs") or {}))
            SavedTimmConfig.model_validate(config)
        except ValidationError as error:
            raise InvalidFolderError(
                f"{source} is not what is saved: {first_fault(error)}."
            ) from error
        except (TypeError, ValueError) as error:
            raise InvalidFolderError(f"{source} is not what is saved: {error}") from error
        return load_module(cls, folder)


def _check_types(arguments: Mapping[str, tuple[Any, type | tuple[type, ...]]]) -> None:
    """Refuse arguments of other types; positive integers are the only ones.

    Raises:
        TypeError: An argument is of another type.
        ValueError: An integer is not positive, or there are faults of both kinds.
    """
    faults = Faults()
    for name, (value, kinds) in arguments.items():
        is_bool_as_number = kinds is int and isinstance(value, bool)
        with faults.collected():
            if value is None and name in _OPTIONAL:
                continue
            if not isinstance(value, kinds) or is_bool_as_number:
                listed = kinds if isinstance(kinds, tuple) else (kinds,)
                expected = " or ".join(kind.__name__ for kind in listed)
                raise TypeError(f"Expected {name} to be {expected}, got {value!r:.60}.")
            if isinstance(value, int) and kinds is int and value < 1:
                raise ValueError(f"Expected {name} to be a positive integer, got {value}.")
    faults.raise_all()


def _height_and_width(size: int | Sequence[int]) -> tuple[int, int]:
    sides = tuple(size) if isinstance(size, Sequence) else (size, size)
    if len(sides) != 2 or not all(type(side) is int and side > 0 for side in sides):
        raise ValueError(
            f"Expected image_size to be a side or (height, width) in pixels, got {size!r}."
        )
    return sides


def _listed(
    augmentation: AugmentationChoice | Sequence[AugmentationChoice],
) -> list[AugmentationChoice]:
    choices = [augmentation] if isinstance(augmentation, (str, Mapping)) else augmentation
    return [with_ids(choice) for choice in choices]


def _set_pooling(model: nn.Module, pooling: str | None) -> nn.Module:
    """Give a model another pooling than its own, if one is chosen."""
    if pooling == "gem":
        use_gem_pooling(model)
    elif pooling is not None:
        raise ValueError(
            f"Expected pooling to be 'gem' or None for the model's own, got {pooling!r}. For "
            "others of timm, pass model_kwargs={'global_pool': 'max'}."
        )
    return model


def _before_trained(model: nn.Module, trainable: bool, train_stages: int | None) -> list[nn.Module]:
    """Return the modules that stay as they are while later ones are trained."""
    if train_stages is None:
        return []
    if not trainable:
        raise ValueError(
            f"train_stages is {train_stages}, but the encoder is frozen. Give trainable=True too, "
            "or leave train_stages out."
        )
    return modules_before(model, train_stages)


def _checked(model_kwargs: dict[str, Any]) -> dict[str, Any]:
    for name, advice in _NOT_FOR_MODEL_KWARGS.items():
        if name in model_kwargs:
            raise ValueError(f"model_kwargs holds {name!r}, which it may not: {advice}.")
    return model_kwargs
