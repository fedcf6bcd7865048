"""A client of servers with the interface ``/v1/embeddings``: batches, retries, limits, errors."""

from __future__ import annotations

import base64
import binascii
import email.utils
import http.client
import json
import math
import os
import random
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt

EncodingFormat = Literal["float", "base64"]
"""How a server writes embeddings: JSON numbers, or base64 of little-endian float32 values."""

TRUSTED_URLS: Final = "QUATERION_OPENAI_URLS"
"""Environment variable with base URLs that models from folders may use, divided by commas."""

_KEY_NAME: Final = re.compile(r"[A-Z0-9_]*API_(KEY|TOKEN)")
_RETRIED: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_FIRST_DELAY: Final = 0.5
_LONGEST_DELAY: Final = 60.0
_LARGEST_RESPONSE: Final = 256 << 20
_LARGEST_ERROR: Final = 64 << 10
_SHOWN: Final = 300
_STATUS_ADVICE: Final = {
    401: "The server refuses the key: check the environment variable that api_key_env names.",
    403: "The server refuses the key: check the environment variable that api_key_env names.",
    404: "Check url, which ends in front of /embeddings, and the name of the model.",
    413: "Lower request_size, the number of texts in a request.",
    429: "Set requests_per_minute to what the server allows, or try again later.",
}


class EmbeddingServerError(ConnectionError):
    """A server gave no embeddings, or others than it was asked for."""


@dataclass(frozen=True)
class EmbeddingServer:
    """A server, and how it is asked.

    Args:
        url: Base URL, such as ``https://api.openai.com/v1``.
        model: Name of the model.
        dimensions: Size that the server shortens embeddings to, for models that can.
        api_key_env: Environment variable with the key; ``None`` for a server without keys.
        request_size: Number of texts in a request.
        requests_per_minute: The most requests per minute.
        retries: How often a request is sent again after failures that may pass.
        timeout: Seconds to wait for the server.
        encoding_format: How the server writes embeddings.
        sleep: Waits for some seconds.

    Raises:
        ValueError: The URL or the name of the variable is not of the expected form.
    """

    url: str
    model: str
    dimensions: int | None = None
    api_key_env: str | None = None
    request_size: int = 64
    requests_per_minute: int | None = None
    retries: int = 6
    timeout: float = 60.0
    encoding_format: EncodingFormat = "float"
    sleep: Callable[[float], object] = time.sleep

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", checked_url(self.url))
        least = {
            "dimensions": 1, "request_size": 1, "requests_per_minute": 1, "retries": 0,
            "timeout": 0.001,
        }  # fmt: skip
        for name, bound in least.items():
            value = getattr(self, name)
            if value is not None and not bound <= value < 1_000_000:
                raise ValueError(f"Expected {name} to be {bound} or more, got {value}.")
        if self.encoding_format not in ("float", "base64"):
            raise ValueError(
                f"Expected encoding_format to be 'float' or 'base64', got {self.encoding_format!r}."
            )
        if self.api_key_env is not None and not _KEY_NAME.fullmatch(self.api_key_env):
            raise ValueError(
                "Expected api_key_env to name an environment variable that ends with API_KEY or "
                f"API_TOKEN, such as OPENAI_API_KEY, got {_hidden(self.api_key_env)}. Models name "
                "the variable, and other secrets must not be sent to their servers."
            )

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return the embeddings of N texts, shape (N, D).

        Raises:
            EmbeddingServerError: The server gives none.
            ValueError: The environment has no key.
        """
        parts = [
            self._request(texts[start : start + self.request_size])
            for start in range(0, len(texts), self.request_size)
        ]
        sizes = sorted({part.shape[1] for part in parts})
        if len(sizes) > 1:
            raise self._error(f"it returns embeddings of the sizes {sizes}")
        return np.concatenate(parts)

    def _request(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        key = self._key()
        body: dict[str, Any] = {
            "model": self.model,
            "input": [str(text) for text in texts],
            "encoding_format": self.encoding_format,
        }
        if self.dimensions is not None:
            body["dimensions"] = self.dimensions
        headers = {"Content-Type": "application/json", "User-Agent": "quaterion"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        request = urllib.request.Request(
            f"{self.url}/embeddings", json.dumps(body).encode(), headers, method="POST"
        )
        failure = _Failure("it was not asked")
        for attempt in range(self.retries + 1):
            _LIMITS.wait(self.url, self.requests_per_minute, self.sleep)
            answer = self._attempt(request, len(texts))
            if not isinstance(answer, _Failure):
                return answer
            failure = answer
            if not failure.may_pass or attempt == self.retries:
                break
            delay = min(_FIRST_DELAY * 2**attempt, _LONGEST_DELAY) * random.uniform(0.5, 1.0)
            self.sleep(delay if failure.wait is None else min(failure.wait, _LONGEST_DELAY))
        message = failure.message.replace(key, "***") if key else failure.message
        times = f" ({attempt + 1} attempts)" if attempt else ""
        raise self._error(message + times, failure.advice)

    def _attempt(
        self, request: urllib.request.Request, count: int
    ) -> npt.NDArray[np.float32] | _Failure:
        try:
            with _OPENER.open(request, timeout=self.timeout) as response:
                data = response.read(_LARGEST_RESPONSE + 1)
        except urllib.error.HTTPError as error:
            with error:
                return _failure_of(error)
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            advice = "Check that the server runs, and url."
            return _Failure(f"it cannot be reached: {reason}", advice, may_pass=True)
        if len(data) > _LARGEST_RESPONSE:
            return _Failure(f"it returns more than {_LARGEST_RESPONSE:,} bytes")
        try:
            return _embeddings(json.loads(data), count)
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            return _Failure(f"it returns no embeddings of {count} texts: {error}")

    def _key(self) -> str:
        if self.api_key_env is None:
            return ""
        key = os.environ.get(self.api_key_env, "").strip()
        if not key:
            raise ValueError(
                f"Expected the key of {self.url} in the environment variable {self.api_key_env}, "
                "which is not set. Set it, or leave out api_key_env if the server needs no key."
            )
        if not key.isascii() or not key.isprintable():
            raise ValueError(f"Expected a key of ASCII characters in {self.api_key_env}.")
        return key

    def _error(self, what: str, advice: str = "") -> EmbeddingServerError:
        asked = f"Expected embeddings by {self.model!r:.80} from {self.url}"
        return EmbeddingServerError(f"{asked}, but {what.rstrip('.')}. {advice}".strip())


@dataclass(frozen=True)
class _Failure:
    """Why a request failed, whether it may pass, and the seconds to wait that the server states."""

    message: str
    advice: str = ""
    may_pass: bool = False
    wait: float | None = None


class _Limits:
    """Times of the last requests, by URL: several encoders of a process share a limit."""

    def __init__(self) -> None:
        self._next: dict[str, float] = {}
        self._lock = threading.Lock()

    def wait(self, url: str, per_minute: int | None, sleep: Callable[[float], object]) -> None:
        """Wait until the next request is allowed."""
        if per_minute is None:
            return
        with self._lock:
            now = time.monotonic()
            start = max(now, self._next.get(url, now))
            self._next[url] = start + 60.0 / per_minute
        if start > now:
            sleep(start - now)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Refuses redirects, which would send the key and the texts to another server."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """Return no request, so that the response is an error."""


_LIMITS: Final = _Limits()
_OPENER: Final = urllib.request.build_opener(_NoRedirects)


def checked_url(url: str) -> str:
    """Return a base URL without a slash at its end.

    Raises:
        ValueError: It is no base URL, or contains a user, a password, a query or a fragment.

    Example:
        >>> checked_url("http://localhost:8080/v1/")
        'http://localhost:8080/v1'
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if "@" in parts.netloc:
        raise ValueError("Expected a URL without a user and a password. Use api_key_env for a key.")
    plain = parts.geturl() == url and not parts.query and not parts.fragment
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or port == 0
        or not plain
        or not url.isascii()
        or not url.isprintable()
        or any(character in url for character in " \\,?#")
    ):
        raise ValueError(
            "Expected the base URL of a server, such as https://api.openai.com/v1, got "
            f"{url!r:.100}."
        )
    return url.rstrip("/")


def trusted_urls() -> set[str]:
    """Return the base URLs that the user trusts, as the environment states them.

    Raises:
        ValueError: One is no base URL.
    """
    given = os.environ.get(TRUSTED_URLS, "").split(",")
    return {checked_url(url.strip()) for url in given if url.strip()}


def _failure_of(error: urllib.error.HTTPError) -> _Failure:
    try:
        text = error.read(_LARGEST_ERROR).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        text = ""
    reason = _message(text) or error.reason
    advice = _STATUS_ADVICE.get(error.code, "")
    if 300 <= error.code < 400:
        reason, advice = "it redirects", "Give the URL that it redirects to."
    return _Failure(
        f"it answers with status {error.code}: {str(reason)[:_SHOWN]}",
        advice,
        error.code in _RETRIED,
        _retry_after(error.headers.get("Retry-After")),
    )


def _message(text: str) -> str:
    """Return the message of an error as servers write it, or the text itself."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return text.strip()
    error = content.get("error", content) if isinstance(content, Mapping) else content
    message = error.get("message") if isinstance(error, Mapping) else error
    return message if isinstance(message, str) else text.strip()


def _retry_after(value: str | None) -> float | None:
    """Return the seconds that a ``Retry-After`` header states as a number or a date.

    Example:
        >>> _retry_after("2.5"), _retry_after("Thu, 01 Jan 1970 00:00:00 GMT"), _retry_after("soon")
        (2.5, 0.0, None)
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except ValueError:
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _embeddings(content: Any, count: int) -> npt.NDArray[np.float32]:
    """Return the embeddings of a response in the order of the texts, shape (N, D).

    Raises:
        ValueError: The response does not contain N embeddings of one size.
    """
    data = content.get("data") if isinstance(content, dict) else None
    if not isinstance(data, list) or len(data) != count:
        got = f"{len(data)}" if isinstance(data, list) else "no list of data"
        raise ValueError(f"expected {count} embeddings, got {got}")
    rows: dict[int, npt.NDArray[np.float32]] = {}
    for place, entry in enumerate(data):
        number = entry.get("index", place) if isinstance(entry, dict) else None
        if type(number) is not int or not 0 <= number < count or number in rows:
            raise ValueError(f"expected each index from 0 to {count - 1} once, got {number!r:.20}")
        rows[number] = _vector(entry.get("embedding"))
    sizes = {len(row) for row in rows.values()}
    if len(sizes) > 1 or 0 in sizes:
        raise ValueError(f"expected embeddings of one size, got the sizes {sorted(sizes)}")
    array: npt.NDArray[np.float32] = np.stack([rows[number] for number in range(count)])
    if not np.isfinite(array).all():
        raise ValueError("an embedding contains NaN or infinity")
    return array


def _vector(value: Any) -> npt.NDArray[np.float32]:
    if isinstance(value, str):
        try:
            return np.frombuffer(base64.b64decode(value, validate=True), "<f4")
        except binascii.Error as error:
            raise ValueError(f"an embedding is no base64 ({error})") from error
    if not isinstance(value, list) or not all(type(item) in (int, float) for item in value):
        raise ValueError(f"expected a list of numbers or base64, got {value!r:.40}")
    with np.errstate(over="ignore"):
        return np.array(value, dtype=np.float64).astype(np.float32)


def _hidden(name: str) -> str:
    """Return the start of what may be a key that was given instead of a name."""
    return f"{name[:4]!r}..." if len(name) > 4 else repr(name)
