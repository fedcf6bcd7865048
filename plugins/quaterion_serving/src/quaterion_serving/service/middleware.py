"""Layers around the service: who may call it, how much may be sent, and what is counted."""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Collection, Mapping
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from quaterion_serving.service.errors import ServiceError, too_large, unavailable
from quaterion_serving.service.monitoring import Monitoring
from quaterion_serving.service.settings import MEBIBYTE

OPEN_PATHS: Final = frozenset({"/", "/page.css", "/page.js", "/health"})
"""Paths that need no key: they tell nothing about model and data."""

_ALL_BODIES: Final = 256 * MEBIBYTE
"""Most bytes of the bodies of all requests that are being received."""

_SECURITY: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
}


class Counting:
    """Layer that counts and times requests, and adds the headers of security to answers."""

    def __init__(self, app: ASGIApp, monitoring: Monitoring):
        self._app = app
        self._monitoring = monitoring

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500
        begin = time.perf_counter()

        async def send_counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], *_encoded(_SECURITY)]}
            await send(message)

        try:
            await self._app(scope, receive, send_counted)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._monitoring.count(route, status, time.perf_counter() - begin)


class KeyCheck:
    """Layer that refuses requests without the key, before anything of them is read."""

    def __init__(self, app: ASGIApp, key: str):
        self._app = app
        self._expected = f"Bearer {key}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] == "http" and scope["path"] not in OPEN_PATHS:
            given = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(given, self._expected):
                error = ServiceError(
                    401, "Expected the header 'Authorization: Bearer KEY' with the key of the "
                    "service.", "invalid_api_key",
                )  # fmt: skip
                await refuse(send, error, {"WWW-Authenticate": "Bearer"})
                return
        await self._app(scope, receive, send)


class HostCheck:
    """Layer that refuses requests to other names of this machine.

    A web page can let its own name point to this machine, and could then read the answers.
    """

    def __init__(self, app: ASGIApp, allowed: Collection[str]):
        self._app = app
        self._allowed = frozenset(allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] == "http":
            given = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
            if host_of(given) not in self._allowed:
                error = ServiceError(
                    400, "Expected another name of the service in the header Host. Start it with "
                    "--allowed-host NAME.", "unknown_host",
                )  # fmt: skip
                await refuse(send, error, {})
                return
        await self._app(scope, receive, send)


class BodyLimit:
    """Layer that refuses bodies that are too large, by what they state and by what they are."""

    def __init__(self, app: ASGIApp, limit: int):
        self._app = app
        self._limit = limit
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        received = 0
        is_refused = False

        async def refuse_once(error: ServiceError) -> Message:
            nonlocal is_refused
            is_refused = True
            await refuse(send, error, {"Connection": "close"})
            return {"type": "http.disconnect"}

        async def receive_limited() -> Message:
            nonlocal received
            message = await receive()
            size = len(message.get("body", b""))
            received += size
            self._held += size
            if received > self._limit:
                return await refuse_once(self._error())
            if self._held > _ALL_BODIES:
                return await refuse_once(unavailable("The service receives too much at once."))
            return message

        async def send_unless_refused(message: Message) -> None:
            if not is_refused:
                await send(message)

        stated = dict(scope["headers"]).get(b"content-length", b"0")
        if not stated.isdigit() or int(stated) > self._limit:
            await refuse(send, self._error(), {"Connection": "close"})
            return
        try:
            await self._app(scope, receive_limited, send_unless_refused)
        except Exception:
            if not is_refused:  # else it is that of a request that ended early
                raise
        finally:
            self._held -= received

    def _error(self) -> ServiceError:
        return too_large(f"Expected a request of at most {self._limit:,} bytes, got more.")


def host_of(header: str) -> str:
    """Return the name in a header ``Host``, without its port.

    Example:
        >>> host_of("localhost:8000"), host_of("[::1]:8000"), host_of("example.org")
        ('localhost', '::1', 'example.org')
    """
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0].lower()


async def refuse(send: Send, error: ServiceError, headers: Mapping[str, str]) -> None:
    """Answer a request with an error."""
    body = json.dumps(error.content).encode()
    fields = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    await send(
        {
            "type": "http.response.start",
            "status": error.status,
            "headers": _encoded({**fields, **error.headers, **headers}),
        }
    )
    await send({"type": "http.response.body", "body": body})


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]
