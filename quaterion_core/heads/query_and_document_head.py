"""A head with a part for queries and a part for documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from typing_extensions import Self

from quaterion_core.dataset.text_roles import Document, Query, RoleText
from quaterion_core.heads.empty_head import EmptyHead
from quaterion_core.heads.encoder_head import EncoderHead
from quaterion_core.heads.switch_head import SwitchHead
from quaterion_core.types import MetaExtractorFnType
from quaterion_core.utils.child_components import describe, rebuild
from quaterion_core.utils.ranges import Count


class QueryAndDocumentHead(SwitchHead):
    """One head for queries, another one for documents: ``y = query(x)`` or ``y = document(x)``.

    By default documents stay as they are, and only queries are moved. An index of the untouched
    encoder then serves the trained model: nothing has to be embedded again.

    All objects are a :class:`~quaterion_core.dataset.Query` or a
    :class:`~quaterion_core.dataset.Document`: in a recipe with the dataset
    ``queries-and-documents``::

        head:
          name: query-and-document
          query: {name: linear-projection, output_size: 384, bias: false, initial: identity}

    Args:
        query: The head for queries, of input size D_in.
        input_embedding_size: D_in.
        document: The head for documents, of the same sizes; by default the identity.

    Raises:
        TypeError: One of the two is not a head.
        ValueError: Their sizes differ.

    Example:
        >>> import torch
        >>> from quaterion_core.heads import GatedHead
        >>> head = QueryAndDocumentHead(GatedHead(2), input_embedding_size=2)
        >>> head(torch.ones(2, 2), [{"role": "query"}, {"role": "document"}]).detach()
        tensor([[0.9640, 0.9640],
                [1.0000, 1.0000]])
    """

    component_arguments: ClassVar[Mapping[str, str]] = {"query": "head", "document": "head"}

    meta_key = "role"
    meta_source = (
        "It tells queries from documents. Pass Query(text) and Document(text) of "
        "quaterion_core.dataset; in a recipe, use the dataset queries-and-documents."
    )

    def __init__(
        self,
        query: EncoderHead,
        input_embedding_size: Count,
        document: EncoderHead | None = None,
    ):
        if document is None:
            document = EmptyHead(input_embedding_size)
        super().__init__({Query.role: query, Document.role: document}, input_embedding_size)

    @property
    def document(self) -> EncoderHead:
        """The head for documents."""
        return self.options[Document.role]

    def get_meta_extractor(self) -> MetaExtractorFnType:
        """Return :func:`object_roles`."""
        return object_roles

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this head, with described heads, as JSON values."""
        return {
            "input_embedding_size": self.input_embedding_size,
            **{role: describe("head", option) for role, option in self.options.items()},
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Build a head from what :meth:`get_config_dict` returned, or from heads."""
        built = {
            key: rebuild("head", value) if isinstance(value, dict) else value
            for key, value in config.items()
        }
        return cls(**built)


def object_roles(objects: list[Any]) -> list[dict[str, Any]]:
    """Return ``{"role": "query"}`` or ``{"role": "document"}`` for each object that has a role.

    Example:
        >>> object_roles([Query("Is it free?"), Document("Yes."), "Who knows?"])
        [{'role': 'query'}, {'role': 'document'}, {}]
    """
    return [{"role": obj.role} if isinstance(obj, RoleText) else {} for obj in objects]
