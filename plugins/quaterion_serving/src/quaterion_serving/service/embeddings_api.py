"""Embeddings, as the API of OpenAI serves them: ``/v1/embeddings`` and ``/v1/models``."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Final, Literal

import numpy as np
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from quaterion_core.dataset.text_roles import as_document, as_query
from quaterion_serving.service.engine import Embedded, Engine, Vector
from quaterion_serving.service.errors import ServiceError, invalid
from quaterion_serving.service.images import image_of_text, is_data_url

_ROLES: Final = {"query": as_query, "document": as_document}


class ImageInput(BaseModel):
    """An image to embed.

    Attributes:
        image: A data URL, or the file in base64.
    """

    model_config = ConfigDict(extra="forbid")

    image: str


class EmbeddingsRequest(BaseModel):
    """A request for embeddings.

    Attributes:
        input: A text, or a list of texts and images.
        model: Name of the model, which is not checked: a service has one model.
        dimensions: Truncate embeddings to this size.
        encoding_format: JSON numbers, or little-endian float32 in base64.
        input_type: Role of the texts, for models that tell queries and documents apart.
        normalize: Scale embeddings to unit length.
    """

    input: str | ImageInput | list[str | ImageInput] | list[int] | list[list[int]]
    model: str = ""
    dimensions: Annotated[int, Field(ge=1)] | None = None
    encoding_format: Literal["float", "base64"] = "float"
    input_type: Literal["query", "document"] | None = None
    normalize: bool = False


def embeddings_router(engine: Engine, name: str) -> APIRouter:
    """Return the routes.

    Args:
        engine: Embeds the input.
        name: Name of the model.
    """
    router = APIRouter(prefix="/v1")
    described = {"id": name, "object": "model", "created": 0, "owned_by": "quaterion"}

    @router.post("/embeddings")
    async def embeddings(request: EmbeddingsRequest) -> dict[str, Any]:
        size = engine.model.embedding_size
        if request.dimensions is not None and request.dimensions > size:
            raise invalid(
                f"Expected dimensions to be at most {size}, the embedding size of the model, got "
                f"{request.dimensions}."
            )
        embedded = await engine.embed(_objects(request, engine))
        tokens = sum(found.tokens for found in embedded)
        return {
            "object": "list",
            "data": [
                {"object": "embedding", "index": number, "embedding": _encoded(found, request)}
                for number, found in enumerate(embedded)
            ],
            "model": name,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }

    @router.get("/models")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [described]}

    @router.get("/models/{model}")
    async def model(model: str) -> dict[str, Any]:
        if model != name:
            raise ServiceError(404, f"There is no model {model!r}, only {name!r}.", "no_model")
        return described

    return router


def _objects(request: EmbeddingsRequest, engine: Engine) -> list[Any]:
    given = request.input if isinstance(request.input, list) else [request.input]
    if not given:
        raise invalid("Expected at least one text in input, got an empty list.")
    engine.check_count(len(given))  # before images are decoded
    return [_object(one, request) for one in given]


def _object(given: str | ImageInput | int | list[int], request: EmbeddingsRequest) -> Any:
    if isinstance(given, ImageInput):
        return image_of_text(given.image)
    if not isinstance(given, str):
        raise invalid(
            "Expected texts as input, got tokens, which are those of another model. Send texts; "
            "with LangChain: OpenAIEmbeddings(check_embedding_ctx_length=False)."
        )
    if is_data_url(given):
        return image_of_text(given)
    if not given:
        raise invalid("Expected texts of at least one character as input, got an empty one.")
    return given if request.input_type is None else _ROLES[request.input_type](given)


def _encoded(found: Embedded, request: EmbeddingsRequest) -> list[float] | str:
    embedding: Vector = found.embedding[: request.dimensions]
    if request.normalize:
        embedding = embedding / max(float(np.linalg.norm(embedding)), 1e-12)
    if request.encoding_format == "base64":
        return base64.b64encode(embedding.astype("<f4").tobytes()).decode()
    floats: list[float] = embedding.tolist()
    return floats
