"""Which kinds of objects a model embeds, found out by trial."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from quaterion_core import SimilarityModel
from quaterion_serving.service.errors import invalid

_TEXT: Final = "text"
_IMAGE: Final = "image"


@dataclass(frozen=True)
class Accepted:
    """Kinds of objects that a model embeds.

    Attributes:
        kinds: Of ``text`` and ``image``.
    """

    kinds: tuple[str, ...]

    @classmethod
    def by(cls, model: SimilarityModel) -> Accepted:
        """Embed an object of each kind, which also prepares the model for the first request."""
        return cls(tuple(kind for kind, obj in _examples().items() if _embeds(model, obj)))

    def check(self, objects: Sequence[Any]) -> None:
        """Check that the model embeds objects of these kinds.

        An encoder of images takes a text for the path of a file of this machine, which no request
        may name.

        Raises:
            ServiceError: It does not.
        """
        for obj in objects:
            kind = _TEXT if isinstance(obj, str) else _IMAGE
            if kind not in self.kinds:
                accepted = " and ".join(f"{kind}s" for kind in self.kinds) or "other objects"
                raise invalid(f"Expected {accepted}, which the model embeds, got one {kind}.")


def _examples() -> dict[str, Any]:
    examples: dict[str, Any] = {_TEXT: secrets.token_hex()}  # no name of a file
    try:
        from PIL import Image
    except ImportError:
        return examples
    return {**examples, _IMAGE: Image.new("RGB", (64, 64), "white")}


def _embeds(model: SimilarityModel, obj: Any) -> bool:
    try:
        model.encode([obj])
    except Exception:  # of whatever kind: it does not embed such objects
        return False
    return True
