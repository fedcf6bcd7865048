"""The service as an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib import resources
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from quaterion_core import SimilarityModel
from quaterion_core.serving import Index
from quaterion_core.version import __version__
from quaterion_serving.service.embeddings_api import embeddings_router
from quaterion_serving.service.engine import Engine
from quaterion_serving.service.errors import ServiceError, invalid
from quaterion_serving.service.middleware import BodyLimit, Counting, HostCheck, KeyCheck
from quaterion_serving.service.monitoring import MEDIA_TYPE, Monitoring
from quaterion_serving.service.search_api import search_router
from quaterion_serving.service.settings import ServiceSettings

_PAGE: Final = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}


def build_application(
    model: SimilarityModel,
    index: Index | None = None,
    settings: ServiceSettings | None = None,
    *,
    name: str = "model",
) -> FastAPI:
    """Return the service of a model, and perhaps of an index, for any ASGI server.

    Args:
        model: The model.
        index: An index of this model.
        settings: The limits.
        name: Name of the model.

    Raises:
        ValueError: The index is that of another model.
    """
    settings = settings or ServiceSettings()
    if index is not None:
        index.check_model(model)
    monitoring = Monitoring()
    engine = Engine(model, settings, index, observe=monitoring.count_batch)
    monitoring.watch(lambda: engine.waiting)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        engine.close()

    # The pages of documentation would load scripts from other servers.
    app = FastAPI(
        title="Quaterion", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan
    )
    app.include_router(embeddings_router(engine, name))
    app.include_router(search_router(engine, settings))
    _add_status(app, engine, monitoring, name)
    _add_page(app)
    _add_errors(app)
    app.add_middleware(BodyLimit, limit=settings.max_body)
    if settings.api_key is not None:
        app.add_middleware(KeyCheck, key=settings.api_key)
    if settings.allowed_hosts is not None:
        app.add_middleware(HostCheck, allowed=settings.allowed_hosts)
    app.add_middleware(Counting, monitoring=monitoring)
    return app


def _add_status(app: FastAPI, engine: Engine, monitoring: Monitoring, name: str) -> None:
    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/info")
    async def info() -> dict[str, Any]:
        index = engine.index
        return {
            "model": name,
            "embedding_size": engine.model.embedding_size,
            "accepts": engine.accepted.kinds,
            "objects": None if index is None else len(index),
            "lexical": index is not None and index.has_lexical,
            "calibrated": index is not None and index.matches is not None,
        }

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(monitoring.text(), media_type=MEDIA_TYPE)


def _add_page(app: FastAPI) -> None:
    folder = resources.files("quaterion_serving.service").joinpath("page")
    for path, (file, media_type) in _PAGE.items():
        content = folder.joinpath(file).read_bytes()
        app.add_api_route(path, _sender(content, media_type), include_in_schema=False)


def _sender(content: bytes, media_type: str) -> Callable[[], Any]:
    async def send() -> Response:
        return Response(content, media_type=media_type, headers={"Cache-Control": "no-cache"})

    return send


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(ServiceError)
    async def refused(request: Request, error: ServiceError) -> JSONResponse:
        return JSONResponse(error.content, error.status, error.headers)

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> JSONResponse:
        return await refused(request, invalid(_faults(error)))

    @app.exception_handler(HTTPException)
    async def other(request: Request, error: HTTPException) -> JSONResponse:
        return await refused(
            request, ServiceError(error.status_code, str(error.detail), "http_error")
        )

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> JSONResponse:
        return await refused(
            request, ServiceError(500, "The service failed. See its log.", "internal_error")
        )


def _faults(error: RequestValidationError) -> str:
    """Return all faults of a request, each once."""
    faults = [
        f"{'.'.join(str(part) for part in fault['loc'][1:]) or 'the body'}: {fault['msg']}"
        for fault in error.errors()
    ]
    return f"Expected another request. {'; '.join(dict.fromkeys(faults))}."
