"""Fingerprints of encoders: equal only if the encoders compute the same embeddings."""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from quaterion_core.encoders.encoder import Encoder
from quaterion_core.storage import folder_checksums
from quaterion_core.train.cache.code_digest import code_digest

FORMAT_VERSION: Final = 2
"""Version of the file layout and of the way files are filled; change it along with either."""


def encoder_fingerprint(encoder: Encoder) -> str:
    """Return a digest of an encoder's configuration, weights and code.

    The code is that of its class, of its collate functions and of what they use of their own
    package. An encoder that cannot be saved is identified by its class, weights and code.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            encoder.save(folder)
            content: Any = folder_checksums(Path(folder))
        except NotImplementedError:
            content = _weights_digest(encoder)
    cls = type(encoder)
    functions = encoder.get_collate_fn(), encoder.get_train_collate_fn()
    code = code_digest(cls, Encoder, *functions)
    return _digest([f"{cls.__module__}.{cls.__qualname__}", code, content])


def cache_fingerprint(
    encoder: Encoder, objects: str, dtype: str, views: int, batches: list[npt.NDArray[np.int64]]
) -> str:
    """Return a digest of everything that the content of a table and its order depend on."""
    order = hashlib.sha256()
    for rows in batches:
        order.update(f"{len(rows)} ".encode() + rows.tobytes())
    plan = order.hexdigest()
    return _digest([FORMAT_VERSION, encoder_fingerprint(encoder), objects, dtype, views, plan])


def _weights_digest(encoder: Encoder) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(encoder.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(
            value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
        )
    return digest.hexdigest()


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
