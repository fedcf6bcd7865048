"""The recipe that is saved with a model, with full ids and absolute paths."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML

from quaterion_core.recipe.settings import Recipe


def saved_recipe(recipe: Recipe) -> str:
    """Return a resolved recipe as YAML, with its original comments.

    Args:
        recipe: A recipe with full ids and absolute paths.
    """
    content: Any = recipe.model_dump(exclude_unset=True)
    yaml = YAML()
    yaml.width = 4096  # long lines are not wrapped
    if recipe._text is not None:
        content = _merged(yaml.load(recipe._text), content)
    stream = io.StringIO()
    yaml.dump(content, stream)
    return stream.getvalue()


def _merged(written: Any, new: Any) -> Any:
    """Update the original values, so that comments and style are kept."""
    if isinstance(written, dict) and isinstance(new, Mapping):
        for key, value in new.items():
            written[key] = _merged(written.get(key), value)
        return written
    if isinstance(written, list) and isinstance(new, (list, tuple)) and len(written) == len(new):
        for number, value in enumerate(new):
            written[number] = _merged(written[number], value)
        return written
    return written if written == new else new
