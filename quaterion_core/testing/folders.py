"""Saving and loading a component as part of a model."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from quaterion_core.encoders import Encoder
from quaterion_core.heads import EncoderHead
from quaterion_core.model import SimilarityModel
from quaterion_core.plugins import registry
from quaterion_core.storage import InvalidFolderError, load_component, open_saved_folder
from quaterion_core.testing.checks import CheckError
from quaterion_core.types import CollateFnType
from quaterion_core.utils.child_components import component_id, remembered_classes

_CODE_OR_PICKLE: Final = {
    ".bin", ".ckpt", ".joblib", ".pickle", ".pkl", ".pt", ".pth", ".py", ".pyc", ".so",
}  # fmt: skip
_SURPLUS: Final = "surplus.json"
_PICKLE: Final = b"\x80"
_ZIP: Final = b"PK\x03\x04"
_FIRST_PICKLE_PROTOCOL: Final = 2


class IdentityEncoder(Encoder):
    """Identity encoder for lists of numbers, used to test heads.

    Args:
        size: Length of the lists.
    """

    def __init__(self, size: int):
        super().__init__()
        self._size = size

    @property
    def trainable(self) -> bool:
        """``False``."""
        return False

    @property
    def embedding_size(self) -> int:
        """Length of the lists."""
        return self._size

    def get_collate_fn(self) -> CollateFnType:
        """Return ``torch.tensor``."""
        return torch.tensor

    def forward(self, batch: Tensor) -> Tensor:
        """Return the batch."""
        return batch

    def get_config_dict(self) -> dict[str, Any]:
        """Return the size."""
        return {"size": self._size}


@contextmanager
def saved(model: SimilarityModel) -> Iterator[Path]:
    """Save a model to a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="quaterion-testing-") as folder:
        path = Path(folder, "model")
        model.save(path)
        yield path


def loaded(folder: Path, model: SimilarityModel) -> SimilarityModel:
    """Load a saved model, with the unregistered classes of the original model."""
    parts: list[tuple[str, Encoder | EncoderHead]] = [
        ("head", model.head),
        *(("encoder", encoder) for encoder in model.encoders.values()),
    ]
    ids = {component_id(kind, type(part)): type(part) for kind, part in parts}
    given = {name: cls for name, cls in ids.items() if name.startswith("local/")}
    return SimilarityModel.load(folder, components=given)


def require_surplus_refused(part: Encoder | EncoderHead) -> None:
    """Fail if loading ignores a file that saving does not write."""
    with tempfile.TemporaryDirectory(prefix="quaterion-testing-") as name:
        part.save(name)
        Path(name, _SURPLUS).write_text("{}")
        with registry.given(remembered_classes(name)), open_saved_folder(name) as folder:
            try:
                load_component(type(part), folder)
            except InvalidFolderError:
                return
    raise CheckError(
        f"expected an InvalidFolderError for the file {_SURPLUS!r}, which save() does not write, "
        "but it was ignored"
    )


def require_data_only(folder: Path) -> None:
    """Fail if a folder contains pickles or code, judged by file names and content."""
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        with file.open("rb") as stream:
            start = stream.read(4)
        is_pickle = start[:1] == _PICKLE and start[1:2] >= bytes([_FIRST_PICKLE_PROTOCOL])
        is_pickle = is_pickle and start[1:2] <= b"\x05"
        if file.suffix in _CODE_OR_PICKLE or is_pickle or start == _ZIP:
            raise CheckError(
                f"expected JSON, text and safetensors files, but save() writes "
                f"{file.relative_to(folder)}, which is code, a pickle or an archive"
            )
