"""An encoder that delegates to one of several encoders for each object."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from typing_extensions import Self

from quaterion_core.encoders.encoder import Encoder
from quaterion_core.encoders.export_form import ExportForm
from quaterion_core.plugins import is_id, registry
from quaterion_core.storage import InvalidFolderError, SavedFolder, load_component, write_json
from quaterion_core.storage.modules import CONFIG_FILE
from quaterion_core.types import CollateFnType, TensorTree
from quaterion_core.utils.child_components import (
    component_id,
    describe,
    rebuild,
    remembering_classes,
)
from quaterion_core.utils.objects import as_part_of
from quaterion_core.utils.options import check_option_keys, inverse_permutation, rows_by_option

__all__ = ["SwitchEncoder", "inverse_permutation"]


class SwitchEncoder(Encoder):
    """Encoder that delegates each object to the encoder chosen by :meth:`encoder_selection`.

    It is for models over several modalities, such as images and texts, each with an encoder of its
    own in a shared embedding space. A subclass defines the choice. Options that are not trainable
    stay frozen while others are trained.

    The meta of each object is ``{"encoder": key}``, so that a
    :class:`~quaterion_core.heads.SwitchHead` can make the same choice. Each option is saved by
    its own ``save`` to a folder named after its key. A subclass whose constructor takes further
    arguments overrides :meth:`save` and :meth:`load_from`.

    Args:
        options: Encoders by key, all of the same embedding size.

    Raises:
        TypeError: An option is not an encoder.
        ValueError: There are no options, a key is invalid, or the sizes differ.

    Example:
        >>> import torch
        >>> class Ones(Encoder):
        ...     trainable = False
        ...     embedding_size = 2
        ...     def get_collate_fn(self): return len
        ...     def forward(self, batch): return torch.ones(batch, 2)
        >>> class Zeros(Ones):
        ...     def forward(self, batch): return torch.zeros(batch, 2)
        >>> class ByType(SwitchEncoder):
        ...     @classmethod
        ...     def encoder_selection(cls, record):
        ...         return "text" if isinstance(record, str) else "number"
        >>> encoder = ByType({"number": Ones(), "text": Zeros()})
        >>> encoder(encoder.get_collate_fn()(["a", 1, "b"]))
        tensor([[0., 0.],
                [1., 1.],
                [0., 0.]])
    """

    def __init__(self, options: Mapping[str, Encoder]):
        super().__init__()
        check_option_keys(options.keys(), type(self).__name__)
        for key, option in options.items():
            if not isinstance(option, Encoder):
                raise TypeError(
                    f"Expected the option {key!r} of {type(self).__name__} to be an Encoder, got a "
                    f"{type(option).__name__}."
                )
        sizes = {key: option.embedding_size for key, option in options.items()}
        if len(set(sizes.values())) > 1:
            raise ValueError(
                f"Expected all options of {type(self).__name__} to have one embedding size, got "
                f"{sizes}."
            )
        # A torch module; the annotation is for type checkers.
        self.options = cast("Mapping[str, Encoder]", nn.ModuleDict(options))

    @classmethod
    @abstractmethod
    def encoder_selection(cls, record: Any) -> str:
        """Choose the encoder for an object.

        It runs in the data loader's workers, once to collate the object and once for its meta.

        Args:
            record: A raw object.

        Returns:
            The key of an option.
        """

    @property
    def trainable(self) -> bool:
        """Whether training changes any of the options."""
        return any(option.trainable for option in self.options.values())

    @property
    def embedding_size(self) -> int:
        """The size of the embeddings, the same for all options."""
        return next(iter(self.options.values())).embedding_size

    def disable_gradients_if_required(self) -> None:
        """Freeze the parameters of each option that is not trainable."""
        for option in self.options.values():
            option.disable_gradients_if_required()

    def get_collate_fn(self) -> CollateFnType:
        """Return :meth:`switch_collate_fn` with the collate functions of the options.

        It can be pickled where those can.
        """
        return partial(
            self.switch_collate_fn,
            encoder_collates={key: option.get_collate_fn() for key, option in self.options.items()},
        )

    def get_train_collate_fn(self) -> CollateFnType | None:
        """Return the same with the collate functions for training data, if an option has one."""
        options = self.options.items()
        collates = {key: option.get_train_collate_fn() for key, option in options}
        if not any(collates.values()):
            return None
        return partial(
            self.switch_collate_fn,
            encoder_collates={
                key: collates[key] or option.get_collate_fn() for key, option in options
            },
        )

    @classmethod
    def switch_collate_fn(
        cls, batch: list[Any], encoder_collates: dict[str, CollateFnType]
    ) -> TensorTree:
        """Collate the objects of each option with its collate function.

        Args:
            batch: N raw objects.
            encoder_collates: The collate function of each option.

        Returns:
            For each option with objects: ``"batch"``, its collated objects, and
            ``"ordering"``, their positions among the N.

        Raises:
            ValueError: An object is for an unknown option.
        """
        rows_of_options = rows_by_option(
            map(cls.encoder_selection, batch), encoder_collates.keys(), cls.__name__
        )
        parts: TensorTree = {}
        for key, rows in rows_of_options.items():
            with as_part_of(rows):
                collated = encoder_collates[key]([batch[row] for row in rows])
            parts[key] = {"batch": collated, "ordering": torch.tensor(rows)}
        return parts

    @classmethod
    def extract_meta(cls, batch: list[Any]) -> list[dict[str, Any]]:
        """Return ``{"encoder": key}`` for each object."""
        return [{"encoder": cls.encoder_selection(record)} for record in batch]

    def forward(self, batch: TensorTree) -> Tensor:
        """Embed a batch, each object by its option; frozen options run without a graph.

        Args:
            batch: Result of :meth:`switch_collate_fn` for N objects.

        Returns:
            Embeddings of shape (N, D), in the order of the objects.
        """
        if not batch:
            parameter = next(self.parameters(), torch.empty(0))
            return parameter.new_zeros(0, self.embedding_size)
        embeddings: list[Tensor] = []
        for key, part in batch.items():
            option = self.options[key]
            with torch.set_grad_enabled(option.trainable and torch.is_grad_enabled()):
                embeddings.append(option(part["batch"]))
        ordering = torch.cat([part["ordering"] for part in batch.values()])
        return torch.cat(embeddings)[inverse_permutation(ordering)]

    def get_export_form(self) -> ExportForm:
        """Raise an error: objects of the options differ, so each is exported by itself.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError(
            f"{type(self).__name__} chooses between encoders, which one graph cannot. Export each "
            f"of them by itself, as the part {' or '.join(self.options)}."
        )

    def get_config_dict(self) -> dict[str, Any]:
        """Return the id and the configuration of each option, as JSON values.

        Raises:
            NotImplementedError: An option declares no configuration. :meth:`save` works without it.
        """
        return {
            "options": {key: describe("encoder", option) for key, option in self.options.items()}
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Build an encoder from the result of :meth:`get_config_dict`."""
        options = {key: rebuild("encoder", option) for key, option in config["options"].items()}
        return cls(**{**config, "options": options})

    def save(self, output_path: str | Path) -> None:
        """Save each option to a folder of its own, and their ids as JSON.

        Args:
            output_path: An existing folder.
        """
        folder = Path(output_path)
        with remembering_classes(folder):
            ids = {
                key: {"component": component_id("encoder", type(option))}
                for key, option in self.options.items()
            }
            write_json(folder / CONFIG_FILE, {"options": ids}, owner=type(self).__name__)
            for key, option in self.options.items():
                (folder / key).mkdir()
                option.save(str(folder / key))

    @classmethod
    def load_from(cls, folder: SavedFolder) -> Self:
        """Load an encoder from an open folder that :meth:`save` has written.

        Raises:
            InvalidFolderError: The folder does not contain what :meth:`save` writes.
            MissingComponentError: The registry has no encoder of a saved id.
        """
        ids = _read_ids(folder, cls.__name__)
        for name in folder.files:
            key, slash, _ = name.partition("/")
            if name != CONFIG_FILE and not (slash and key in ids):
                raise InvalidFolderError(
                    f"{folder.path / name} belongs to none of the options {', '.join(ids)}. Remove "
                    "it, or save the model again."
                )
        return cls(
            {
                key: load_component(registry.load("encoder", name), folder.subfolder(key))
                for key, name in ids.items()
            }
        )


def _read_ids(folder: SavedFolder, owner: str) -> dict[str, str]:
    """Read the id of each option, and check the form of keys and ids."""
    file = folder.path / CONFIG_FILE
    config = folder.read_json(CONFIG_FILE)
    options = config.get("options")
    if not isinstance(options, dict):
        raise InvalidFolderError(f"{file} lists no options of a {owner}.")
    if len(config) > 1:
        raise InvalidFolderError(f"{file} holds more than the options of a {owner}.")
    try:
        check_option_keys(options.keys(), owner)
    except ValueError as error:
        raise InvalidFolderError(f"{file} lists options that cannot be: {error}") from error
    ids: dict[str, str] = {}
    for key, option in options.items():
        name = option.get("component") if isinstance(option, dict) else None
        if not isinstance(name, str) or not is_id(name) or len(option) > 1:
            raise InvalidFolderError(
                f"{file} names {name!r:.80} for the option {key!r}, which is no component id such "
                "as 'quaterion-nlp/sentence-transformer', or holds more than the id."
            )
        ids[key] = name
    return ids
