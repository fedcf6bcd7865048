"""Search in the index of a service: ``/search``, ``/search/image`` and ``/thumbnail``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import UploadFile

from quaterion_core.matches import MatchRule
from quaterion_core.serving.stores import Condition, all_of, parse_condition
from quaterion_serving.service.engine import Engine, Search
from quaterion_serving.service.errors import ServiceError, invalid
from quaterion_serving.service.images import image_of, image_of_text, thumbnail_of
from quaterion_serving.service.settings import ServiceSettings

_MOST_CONDITIONS: Final = 50

Rate = Annotated[float, Field(gt=0, lt=1)]


class SearchOptions(BaseModel):
    """Options of a search.

    Attributes:
        top: Most results.
        where: Conditions on the payloads of results, such as ``source=aws`` or ``year>=2020``.
        lexical: Fuse the ranking with one by words.
        min_probability: Return only matches of at least this probability.
        false_match_rate: Return only matches, so that at most this share of the queries without an
            answer get one.
        miss_rate: Return only matches, so that at most this share of the queries miss their answer.
    """

    model_config = ConfigDict(extra="forbid")

    top: Annotated[int, Field(ge=1)] = 10
    where: list[str] = Field(default=[], max_length=_MOST_CONDITIONS)
    lexical: bool = False
    min_probability: Rate | None = None
    false_match_rate: Rate | None = None
    miss_rate: Rate | None = None

    def search_for(self, query: Any) -> Search:
        """Return the search for a query.

        Raises:
            ServiceError: A condition cannot be read, or several rules are given.
        """
        try:
            where: Condition | None = all_of([parse_condition(text) for text in self.where])
            rule = MatchRule.stated(self.min_probability, self.false_match_rate, self.miss_rate)
        except ValueError as error:
            raise invalid(str(error)) from error
        return Search(query, self.top, where, self.lexical, rule)


class SearchRequest(SearchOptions):
    """A search for a text or an image.

    Attributes:
        query: The text.
        image: The image, as a data URL or in base64.
    """

    query: str | None = None
    image: str | None = None


class SearchParameters(SearchOptions):
    """A search for a text, in the address.

    Attributes:
        q: The text.
    """

    q: str


def search_router(engine: Engine, settings: ServiceSettings) -> APIRouter:
    """Return the routes.

    Args:
        engine: Searches.
        settings: The limits.
    """
    router = APIRouter()

    async def answer(search: Search) -> dict[str, Any]:
        hits = await engine.search(search)
        return {
            "results": [hit.to_dict() for hit in hits],
            "match": bool(hits) if search.rule is not None else None,
        }

    @router.post("/search")
    async def search(request: SearchRequest) -> dict[str, Any]:
        if (request.query is None) == (request.image is None):
            raise invalid("Expected either query, a text, or image.")
        if request.image is not None:
            image = await run_in_threadpool(image_of_text, request.image)
            return await answer(request.search_for(image))
        return await answer(request.search_for(_text(request.query)))

    @router.get("/search")
    async def search_by_address(given: Annotated[SearchParameters, Query()]) -> dict[str, Any]:
        return await answer(given.search_for(_text(given.q)))

    @router.post("/search/image")
    async def search_by_image(
        request: Request, options: Annotated[SearchOptions, Query()]
    ) -> dict[str, Any]:
        image = await run_in_threadpool(image_of, await _uploaded(request))
        return await answer(options.search_for(image))

    @router.get("/thumbnail")
    async def thumbnail(id: str) -> Response:
        picture = await run_in_threadpool(_thumbnail, engine, settings, id)
        if picture is None:
            raise ServiceError(404, "There is no picture of this object.", "no_picture")
        headers = {"Cache-Control": "private, max-age=3600"}
        return Response(picture, media_type="image/webp", headers=headers)

    return router


def _text(text: str | None) -> str:
    if not text or not text.strip():
        raise invalid("Expected a query of at least one character, got an empty one.")
    return text


async def _uploaded(request: Request) -> bytes:
    """Return the image of a request: its body, or the file of a form."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return await request.body()
    async with request.form(max_files=1, max_fields=1) as form:
        for value in form.values():
            if isinstance(value, UploadFile):
                return await value.read()
    raise invalid("Expected an image as the file of the form, got none.")


def _thumbnail(engine: Engine, settings: ServiceSettings, name: str) -> bytes | None:
    found = [] if engine.index is None else engine.index.get([name])
    if not found or not isinstance(found[0].object, Path):
        return None
    return thumbnail_of(found[0].object, settings.image_folders)
