"""Choice of an encoder: a pretrained one that is on this machine, or one trained from scratch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from quaterion_core.components import build_component
from quaterion_core.plugins import registry
from quaterion_tune.recognition import Modality

_TEXT_MODELS: Final = (
    "sentence-transformers/all-mpnet-base-v2",
    "BAAI/bge-small-en-v1.5",
    "intfloat/multilingual-e5-small",
    "sentence-transformers/all-MiniLM-L6-v2",
)
_IMAGE_MODELS: Final = (
    ("timm/resnet50.a1_in1k", "resnet50"),
    ("timm/resnet18.a1_in1k", "resnet18"),
)
_PLUGINS: Final = {"text": "quaterion-nlp", "image": "quaterion-cv"}


@dataclass(frozen=True)
class ChosenEncoder:
    """An encoder as a recipe chooses it.

    Attributes:
        choice: Its name and arguments.
        is_pretrained: Whether it is a pretrained one, which stays frozen.
        reason: Why it was chosen, for people.
    """

    choice: dict[str, Any]
    is_pretrained: bool
    reason: str

    def embedding_size(self) -> int:
        """Return the size of the embeddings of a pretrained one, which is built for it."""
        size: int = build_component("encoder", self.choice).embedding_size
        return size


def choose_encoder(modality: Modality, given: str | None = None) -> ChosenEncoder:
    """Return the encoder to start from. Nothing is downloaded.

    Args:
        modality: What the objects are.
        given: Name or folder of a pretrained model, if the user has chosen one.

    Raises:
        MissingComponentError: The plugin with the encoders is not installed.
    """
    kind = "sentence-transformer" if modality == "text" else "timm"
    registry.require([("encoder", f"{_PLUGINS[modality]}/{kind}")], source="the data")
    if given is not None:
        return ChosenEncoder({"name": kind, "model": given}, True, f"{given}, as given")
    if modality == "text":
        for name in _TEXT_MODELS:
            if _is_here(name, "config.json"):
                return ChosenEncoder({"name": kind, "model": name}, True, f"{name}, pretrained")
        choice: dict[str, Any] = {"name": "static", "embedding_size": 512}
        reason = "static, trained from scratch"
    else:
        for repository, name in _IMAGE_MODELS:
            if _is_here(repository, "model.safetensors"):
                return ChosenEncoder({"name": kind, "model": name}, True, f"{name}, pretrained")
        choice = {"name": kind, "model": "resnet10t", "pretrained": False, "trainable": True,
                  "image_size": 64}  # fmt: skip
        reason = "resnet10t, trained from scratch"
    return ChosenEncoder(
        choice, False, f"{reason}: no pretrained model is on this machine; --encoder names one"
    )


def _is_here(repository: str, file: str) -> bool:
    """Return whether a model of the Hugging Face Hub was downloaded before."""
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return False
    return isinstance(try_to_load_from_cache(repository, file), str)
