"""Adapter for the Massive Text Embedding Benchmark: a model as mteb evaluates it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from quaterion_core.dataset.text_roles import as_document, as_query
from quaterion_core.distances import Cosine
from quaterion_core.model import SimilarityModel

if TYPE_CHECKING:
    from mteb.models import ModelMeta

_BATCH_SIZE: Final = 32
_ROLES: Final[dict[str | None, Callable[[Any], Any]]] = {
    "query": as_query,
    "document": as_document,
}


class MtebModel:
    """Encoder of mteb 2 that embeds with a similarity model.

    Queries and documents are marked as such, so that a model that has prompts for them uses these;
    mteb's instructions are not used. Similarity is the cosine.

    Muennighoff et al., MTEB: Massive Text Embedding Benchmark, EACL 2023.

    Args:
        model: A model, or the folder that it is saved in.
        name: Name in mteb's results, of the form ``owner/model``.
        revision: Version of the model in mteb's results.

    Raises:
        ImportError: mteb is not installed.

    Example:
        ::

            import mteb
            from quaterion_core.serving import MtebModel

            mteb.evaluate(MtebModel("faq_model"), mteb.get_tasks(tasks=["SciFact"]))
    """

    def __init__(
        self,
        model: SimilarityModel | str | os.PathLike[str],
        name: str = "local/quaterion",
        revision: str = "1",
    ):
        try:
            from mteb.models import ModelMeta
        except ImportError as error:
            raise ImportError(
                "MtebModel requires mteb, which is not installed. Install it: "
                'pip install "quaterion-core[mteb]"'
            ) from error
        if not isinstance(model, SimilarityModel):
            model = SimilarityModel.load(Path(model))
        self.model = model
        self._meta: ModelMeta = ModelMeta.create_empty({"name": name, "revision": revision})

    @property
    def mteb_model_meta(self) -> ModelMeta:
        """What mteb's results say of the model."""
        return self._meta

    def encode(
        self,
        inputs: Iterable[Mapping[str, Any]],
        *,
        prompt_type: Any = None,
        batch_size: int = _BATCH_SIZE,
        **kwargs: Any,
    ) -> NDArray[np.float32]:
        """Embed the texts, or else the images, of all batches.

        Args:
            inputs: Batches with the texts under ``text`` or the images under ``image``.
            prompt_type: Whether they are queries or documents; ``None`` if that is not known.
            batch_size: Number of objects to embed at once.
            **kwargs: Facts about the task, which are not used.

        Returns:
            Shape (N, D).
        """
        objects = [obj for batch in inputs for obj in batch["text" if "text" in batch else "image"]]
        role = _ROLES.get(getattr(prompt_type, "value", prompt_type))
        if role is not None:
            objects = [role(obj) for obj in objects]
        embeddings: NDArray[np.float32] = self.model.encode(objects, batch_size=batch_size)
        return embeddings

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Tensor:
        """Return the cosines of all embeddings with all others: (A, D) and (B, D) to (A, B)."""
        return Cosine.similarity_matrix(_rows(embeddings1), _rows(embeddings2))

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Tensor:
        """Return the cosines of paired embeddings: (N, D) and (N, D) to (N,)."""
        return Cosine.similarity(_rows(embeddings1), _rows(embeddings2))


def _rows(embeddings: Any) -> Tensor:
    tensor = torch.as_tensor(embeddings)
    return tensor.unsqueeze(0) if tensor.ndim == 1 else tensor
