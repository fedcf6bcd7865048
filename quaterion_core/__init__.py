"""Fine-tune similarity models: encoders, heads, losses and metrics, with plugins.

Every name is imported on first use, so that ``import quaterion_core`` costs nothing and serving a
model (:class:`SimilarityModel`) never imports the training stack.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from quaterion_core.version import __version__

if TYPE_CHECKING:
    from quaterion_core.main import Quaterion
    from quaterion_core.model import SimilarityModel
    from quaterion_core.train.trainable_model import TrainableModel

__all__ = ["Quaterion", "SimilarityModel", "TrainableModel", "__version__"]

_HOMES = {
    "Quaterion": "quaterion_core.main",
    "SimilarityModel": "quaterion_core.model",
    "TrainableModel": "quaterion_core.train.trainable_model",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
