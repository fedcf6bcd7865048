"""Settings of the service: its limits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MEBIBYTE = 2**20


@dataclass(frozen=True)
class ServiceSettings:
    """Limits of a service. What exceeds one is refused at once, with a status that says so.

    Attributes:
        batch_size: Most objects of several requests that are embedded together.
        max_inputs: Most objects of a request; more are refused with the status 413.
        max_body: Most bytes of a request; more are refused with 413.
        max_waiting: Most objects that wait to be embedded; further ones are refused with 429,
            unless nothing is waiting.
        timeout: Seconds until a request is given up with 503.
        max_connections: Most connections at a time; further ones are refused with 503.
        max_top: Most results of a search.
        api_key: What clients have to send as ``Authorization: Bearer ...``; ``None`` for nothing.
        allowed_hosts: Names that clients may call the service by; ``None`` for any. A web page
            that has its name point to this machine is then refused.
        image_folders: Folders whose images are shown as thumbnails; ``None`` for any.
    """

    batch_size: int = 32
    max_inputs: int = 2048
    max_body: int = 8 * MEBIBYTE
    max_waiting: int = 1024
    timeout: float = 30.0
    max_connections: int = 1000
    max_top: int = 1000
    api_key: str | None = None
    allowed_hosts: tuple[str, ...] | None = None
    image_folders: tuple[Path, ...] | None = None
