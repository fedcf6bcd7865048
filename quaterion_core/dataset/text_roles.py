"""Texts that say whether they search or are to be found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, ClassVar

from quaterion_core.dataset.similarity_samples import SimilarityPairSample


class RoleText(str):
    """A text that knows its role. It is a string in all other respects.

    What is made of one, such as by ``strip()`` or ``+``, is a string without a role.
    """

    __slots__ = ()

    role: ClassVar[str]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({super().__repr__()})"


class Query(RoleText):
    """A text that searches, for encoders that treat queries and documents differently.

    ``Query("a")`` equals ``"a"``, but it has an embedding of its own: caches and whatever else
    tells objects apart by their content take it for another object than ``"a"`` and
    ``Document("a")``.

    Example:
        >>> Query("where is my card?")
        Query('where is my card?')
        >>> Query("a") == "a", Query("a").role
        (True, 'query')
    """

    __slots__ = ()

    role = "query"


class Document(RoleText):
    """A text that is to be found; see :class:`Query`.

    Example:
        >>> Document("Cards arrive within five days.")
        Document('Cards arrive within five days.')
    """

    __slots__ = ()

    role = "document"


def with_roles(samples: Iterable[SimilarityPairSample]) -> list[SimilarityPairSample]:
    """Make ``obj_a`` of pairs queries and ``obj_b`` documents, where they are plain texts.

    Args:
        samples: Pairs; they are not changed.

    Returns:
        As many new pairs.

    Raises:
        TypeError: A sample is no pair.

    Example:
        >>> with_roles([SimilarityPairSample("a question", "its answer")])
        [SimilarityPairSample(obj_a=Query('a question'), obj_b=Document('its answer'), score=1.0,
        subgroup=None)]
    """
    marked = []
    for position, sample in enumerate(samples):
        if not isinstance(sample, SimilarityPairSample):
            raise TypeError(
                "Queries and documents are the two objects of a SimilarityPairSample, but sample "
                f"{position} is a {type(sample).__name__}."
            )
        obj_a, obj_b = as_query(sample.obj_a), as_document(sample.obj_b)
        marked.append(replace(sample, obj_a=obj_a, obj_b=obj_b))
    return marked


def as_query(obj: Any) -> Any:
    """Return a plain text as a query, and anything else as it is."""
    return Query(obj) if type(obj) is str else obj


def as_document(obj: Any) -> Any:
    """Return a plain text as a document, and anything else as it is."""
    return Document(obj) if type(obj) is str else obj
