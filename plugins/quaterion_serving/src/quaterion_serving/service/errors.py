"""Errors of the service, as clients of OpenAI know them."""

from __future__ import annotations

from typing import Any

from quaterion_core.storage.errors import printable

_LONGEST = 2000


class ServiceError(Exception):
    """A request that is refused.

    Args:
        status: HTTP status.
        message: What was given, what was expected, and the way out.
        code: A short name of the reason.
        retry_after: Seconds after which to try again, if that helps.
    """

    def __init__(self, status: int, message: str, code: str, retry_after: int | None = None):
        super().__init__(message)
        self.status = status
        self.message = printable(message, longest=_LONGEST)
        self.code = code
        self.retry_after = retry_after

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the answer."""
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}

    @property
    def content(self) -> dict[str, Any]:
        """The answer, as JSON values."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        return {"error": {"message": self.message, "type": kind, "param": None, "code": self.code}}


def invalid(message: str) -> ServiceError:
    """Return the error for a request that cannot be understood."""
    return ServiceError(400, message, "invalid_request")


def too_large(message: str) -> ServiceError:
    """Return the error for a request that exceeds a limit of size."""
    return ServiceError(413, message, "too_large")


def busy(message: str) -> ServiceError:
    """Return the error for a request that comes while too many wait."""
    return ServiceError(429, message, "busy", retry_after=1)


def unavailable(message: str) -> ServiceError:
    """Return the error for a request that took too long, or comes while the service stops."""
    return ServiceError(503, message, "unavailable", retry_after=1)
