"""An encoder of texts by a server with the interface of OpenAI's embeddings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final

import numpy as np
import torch
from annotated_types import Ge
from torch import Tensor
from typing_extensions import Self

from quaterion_core.components import CheckedArguments
from quaterion_core.dataset.text_roles import Document, Query, RoleText
from quaterion_core.encoders.answer_cache import AnswerCache
from quaterion_core.encoders.embedding_server import (
    TRUSTED_URLS,
    EmbeddingServer,
    EncodingFormat,
    trusted_urls,
)
from quaterion_core.encoders.encoder import Encoder
from quaterion_core.types import CollateFnType
from quaterion_core.utils.cache_folder import cache_folder
from quaterion_core.utils.objects import about_object
from quaterion_core.utils.provenance import from_folder, is_from_folder
from quaterion_core.utils.ranges import Count, PositiveFloat

_ROLES: Final = (Query.role, Document.role)
_given_urls: set[str] = set()
"""Base URLs that this process was given by its user, not by a saved model."""


class OpenAICompatibleEncoder(CheckedArguments, Encoder):
    """Frozen encoder of texts by a server with ``/v1/embeddings``: OpenAI, vLLM, TEI, Ollama.

    The server is asked once for each text: answers are kept in the folder of the user's caches
    (``QUATERION_CACHE``), by URL, model, dimensions and a digest of the text.

    The key is read from the environment at each request, and never saved. A saved model names the
    URL and the environment variable. Since a folder is data, a model that was loaded contacts its
    server only if the URL was given in this process, such as by a recipe, or is one of those in the
    environment variable ``QUATERION_OPENAI_URLS``, divided by commas. Redirects are refused.

    Args:
        url: Base URL, in front of ``/embeddings``, such as ``https://api.openai.com/v1``.
        model: Name of the model.
        dimensions: Size that the server shortens embeddings to, for models that can.
        api_key_env: Environment variable with the key; its name ends with ``API_KEY`` or
            ``API_TOKEN``. ``None`` for a server without keys.
        prompts: Prefixes of a :class:`~quaterion_core.dataset.Query` and of a
            :class:`~quaterion_core.dataset.Document`, under ``"query"`` and ``"document"``.
        request_size: Number of texts in a request.
        requests_per_minute: The most requests per minute; unlimited by default.
        retries: How often a request is sent again if the server is busy, fails, or cannot be
            reached: after the time that it states (``Retry-After``), or exponentially longer ones.
        timeout: Seconds to wait for an answer.
        encoding_format: How the server writes embeddings; ``"base64"`` is shorter.
        cache: Whether to keep answers on disk.
        embedding_size: Size D of the embeddings; by default ``dimensions``, or else that of the
            first embedding, for which the server is asked.

    Raises:
        ValueError: An argument is out of range, the URL is no base URL, or the name of the variable
            is that of another secret.

    Example:
        >>> encoder = OpenAICompatibleEncoder(
        ...     "http://localhost:8080/v1", "bge-small", prompts={"query": "query: "},
        ...     embedding_size=384,
        ... )
        >>> encoder.get_collate_fn()([Query("Is it free?"), "Yes."])
        ['query: Is it free?', 'Yes.']
    """

    def __init__(
        self,
        url: str,
        model: str,
        dimensions: Count | None = None,
        api_key_env: str | None = None,
        prompts: Mapping[str, str] | None = None,
        request_size: Count = 64,
        requests_per_minute: Count | None = None,
        retries: Annotated[int, Ge(0)] = 6,
        timeout: PositiveFloat = 60.0,
        encoding_format: EncodingFormat = "float",
        cache: bool = True,
        embedding_size: Count | None = None,
    ):
        super().__init__()
        self._server = EmbeddingServer(
            url=url,
            model=model,
            dimensions=dimensions,
            api_key_env=api_key_env,
            request_size=request_size,
            requests_per_minute=requests_per_minute,
            retries=retries,
            timeout=timeout,
            encoding_format=encoding_format,
        )
        self._prompts = _checked_prompts({} if prompts is None else prompts)
        self._cache = cache
        self._size = dimensions if embedding_size is None else embedding_size
        if self._size is not None and self._size < 1:
            raise ValueError(f"Expected embedding_size to be positive, got {self._size}.")
        if dimensions not in (None, self._size):
            raise ValueError(
                f"Expected embedding_size to be dimensions, {dimensions}, got {embedding_size}."
            )
        if not is_from_folder():
            _given_urls.add(self._server.url)
        # Moves with the module, and so gives the device of the embeddings.
        self.register_buffer("_place", torch.empty(0), persistent=False)

    @property
    def trainable(self) -> bool:
        """``False``: the model is on the server."""
        return False

    @property
    def embedding_size(self) -> int:
        """Size D of the embeddings."""
        if self._size is None:
            self._check_trusted()
            self._size = self._server.embed(["size"]).shape[1]
        return self._size

    def get_collate_fn(self) -> CollateFnType:
        """Return the function that adds the prompts of roles."""
        return _Prompts(self._prompts)

    def forward(self, batch: list[str]) -> Tensor:
        """Ask the server for the embeddings of N texts, unless they are in the cache.

        Returns:
            Embeddings (N, D), float32, on the device of the module.

        Raises:
            EmbeddingServerError: The server returns none, or others than it was asked for.
            ValueError: The model was loaded, and its URL is not trusted; or there is no key.
        """
        size = self.embedding_size
        distinct = list(dict.fromkeys(batch))
        cache = self._answers()
        known = {} if cache is None else cache.get(distinct, size)
        new = [text for text in distinct if text not in known]
        for start in range(0, len(new), self._server.request_size):
            part = new[start : start + self._server.request_size]
            vectors = self._ask(part, size)
            known |= dict(zip(part, vectors, strict=True))
            if cache is not None:
                cache.add(part, vectors)
        rows = [known[text] for text in batch]
        array = np.stack(rows) if rows else np.empty((0, size), dtype=np.float32)
        return torch.from_numpy(array).to(self.get_buffer("_place").device)

    def _ask(self, texts: list[str], size: int) -> Any:
        self._check_trusted()
        vectors = self._server.embed(texts)
        if vectors.shape[1] != size:
            raise ValueError(
                f"Expected embeddings of size {size} by {self._server.model!r:.80} from "
                f"{self._server.url}, got size {vectors.shape[1]}. The server has another model "
                "under this name; correct embedding_size or dimensions if one of them is given."
            )
        return vectors

    def _answers(self) -> AnswerCache | None:
        if not self._cache:
            return None
        server = self._server
        scope = [server.url, server.model, server.dimensions]
        return AnswerCache(cache_folder() / "embeddings.sqlite", scope)

    def _check_trusted(self) -> None:
        url = self._server.url
        if url not in _given_urls and url not in trusted_urls():
            raise ValueError(
                f"A saved model wants to send texts to the server {url}. If you trust it, set the "
                f"environment variable {TRUSTED_URLS} to this URL, or to several divided by commas."
            )

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments of the constructor; the key is none of them."""
        server = self._server
        return {
            "url": server.url,
            "model": server.model,
            "dimensions": server.dimensions,
            "api_key_env": server.api_key_env,
            "prompts": self._prompts,
            "request_size": server.request_size,
            "requests_per_minute": server.requests_per_minute,
            "retries": server.retries,
            "timeout": server.timeout,
            "encoding_format": server.encoding_format,
            "cache": self._cache,
            "embedding_size": self.embedding_size,
        }

    @classmethod
    def from_data(cls, objects: Iterable[Any], **config: Any) -> Self:
        """Build an encoder from the arguments of a recipe."""
        return cls(**config)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Build an encoder from what :meth:`get_config_dict` returned, without any contact."""
        if config.get("embedding_size") is None:  # nobody is asked for it
            raise ValueError("Expected embedding_size in the configuration, got none.")
        with from_folder():
            return cls(**config)


def _checked_prompts(prompts: Mapping[str, str]) -> dict[str, str]:
    if (
        not isinstance(prompts, Mapping)
        or not set(prompts) <= set(_ROLES)
        or not all(isinstance(prompt, str) for prompt in prompts.values())
    ):
        raise ValueError(
            "Expected prompts to be texts under 'query' and 'document', such as {'query': "
            f"'query: '}}, got {prompts!r:.80}."
        )
    return dict(prompts)


class _Prompts:
    """Collate function: texts with the prompts of their roles."""

    def __init__(self, prompts: Mapping[str, str]):
        self._prompts = prompts

    def __call__(self, objects: list[Any]) -> list[str]:
        return [self._text(index, obj) for index, obj in enumerate(objects)]

    def _text(self, index: int, obj: Any) -> str:
        if not isinstance(obj, str):
            raise about_object(
                TypeError(
                    f"OpenAICompatibleEncoder encodes texts, but object {index} is a "
                    f"{type(obj).__name__}: {obj!r:.60}."
                ),
                index,
            )
        try:
            obj.encode()
        except UnicodeEncodeError:
            raise about_object(
                ValueError(
                    f"Expected Unicode text, but object {index} contains a lone surrogate: "
                    f"{obj!r:.60}. It was cut or decoded wrongly. Read the source again."
                ),
                index,
            ) from None
        prompt = self._prompts.get(obj.role, "") if isinstance(obj, RoleText) else ""
        return prompt + str(obj)
