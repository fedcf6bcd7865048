"""Strings in the role of a query or a document."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, ClassVar

from quaterion_core.dataset.similarity_samples import SimilarityPairSample


class RoleText(str):
    """String with a role.

    Operations such as ``strip()`` and ``+`` return strings without a role.
    """

    __slots__ = ()

    role: ClassVar[str]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({super().__repr__()})"


class Query(RoleText):
    """String in the role of a query, for encoders that treat queries and documents differently.

    ``Query("a")`` equals ``"a"`` but has a separate embedding: caches, and everything else that
    compares objects by content, distinguish it from ``"a"`` and ``Document("a")``.

    Example:
        >>> Query("where is my card?")
        Query('where is my card?')
        >>> Query("a") == "a", Query("a").role
        (True, 'query')
    """

    __slots__ = ()

    role = "query"


class Document(RoleText):
    """String in the role of a document; see :class:`Query`.

    Example:
        >>> Document("Cards arrive within five days.")
        Document('Cards arrive within five days.')
    """

    __slots__ = ()

    role = "document"


def with_roles(samples: Iterable[SimilarityPairSample]) -> list[SimilarityPairSample]:
    """Return pairs whose plain strings are queries (``obj_a``) and documents (``obj_b``).

    Args:
        samples: Pairs. They are not changed.

    Returns:
        New pairs, in the same order.

    Raises:
        TypeError: A sample is not a pair.

    Example:
        >>> with_roles([SimilarityPairSample("a question", "its answer")])
        [SimilarityPairSample(obj_a=Query('a question'), obj_b=Document('its answer'), score=1.0,
        subgroup=None)]
    """
    marked = []
    for position, sample in enumerate(samples):
        if not isinstance(sample, SimilarityPairSample):
            raise TypeError(
                f"Expected samples of type SimilarityPairSample, got {type(sample).__name__} as "
                f"sample {position}."
            )
        obj_a, obj_b = as_query(sample.obj_a), as_document(sample.obj_b)
        marked.append(replace(sample, obj_a=obj_a, obj_b=obj_b))
    return marked


def as_query(obj: Any) -> Any:
    """Return a plain string as a query, and any other object unchanged."""
    return Query(obj) if type(obj) is str else obj


def as_document(obj: Any) -> Any:
    """Return a plain string as a document, and any other object unchanged."""
    return Document(obj) if type(obj) is str else obj
