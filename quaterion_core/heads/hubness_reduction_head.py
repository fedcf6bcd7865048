"""A head that reduces hubness by adding a local-density coordinate to the embedding."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from typing_extensions import Self

from quaterion_core.heads.encoder_head import EncoderHead
from quaterion_core.utils.child_components import describe, rebuild
from quaterion_core.utils.ranges import Count
from quaterion_core.utils.utils import l2_norm


class HubnessReductionHead(EncoderHead):
    """Localized centering as an extra embedding coordinate, which ranks hubs lower.

    Let ``z`` be the unit-length embedding of the wrapped head, and ``c`` the mean of its cosines
    with the ``neighbors`` nearest reference embeddings. The embedding of this head is
    ``[z, sqrt(weight) * (1 - c)]``, scaled to unit length. Of two objects at the same angle to a
    query, the one in the less crowded neighbourhood is then nearer, by cosine, dot product and
    Euclidean distance alike, so that search needs no change.

    In high dimensions some objects are among the nearest of far too many others (Radovanović,
    Nanopoulos and Ivanović, "Hubs in Space", JMLR 11, 2010). Localized centering (Hara et al.,
    AAAI 2015) and CSLS (Conneau et al., "Word Translation Without Parallel Data", ICLR 2018,
    section 2.3) subtract the same mean ``c`` from similarities, which requires a change to the
    search. Here it is part of the embedding.

    :meth:`SimilarityModel.reduce_hubness <quaterion_core.SimilarityModel.reduce_hubness>` wraps
    the head of a trained model in this one.

    Args:
        head: The wrapped head, which gives embeddings (N, D).
        reference: Embeddings of typical objects by ``head``, shape (R, D). They are scaled to unit
            length, saved with the head, and not trained.
        neighbors: Number of nearest reference embeddings in a neighbourhood.
        weight: Weight of the density coordinate; with 0 embeddings keep their angles.

    Raises:
        TypeError: ``head`` is not a head.
        ValueError: The reference has the wrong shape or fewer than ``neighbors`` rows,
            ``neighbors`` is less than 1, or the weight is negative.

    Example:
        Both objects are at the same angle to the query, but the first has more neighbours:

        >>> import torch
        >>> from quaterion_core.distances import Cosine
        >>> from quaterion_core.heads import EmptyHead
        >>> reference = torch.tensor([[1.0, 0.0], [1.0, 0.1], [1.0, 0.2], [0.0, 1.0]])
        >>> head = HubnessReductionHead(EmptyHead(2), reference, neighbors=3, weight=1.0)
        >>> query, objects = torch.tensor([[1.0, 1.0]]), torch.eye(2)
        >>> Cosine.similarity_matrix(head(query), head(objects))
        tensor([[0.6911, 0.7096]])
    """

    def __init__(
        self,
        head: EncoderHead,
        reference: Tensor,
        neighbors: Count = 20,
        weight: float = 3.0,
    ):
        if not isinstance(head, EncoderHead):
            raise TypeError(f"Expected head to be an EncoderHead, got a {type(head).__name__}.")
        super().__init__(head.input_embedding_size)
        if reference.ndim != 2 or reference.shape[1] != head.output_size:
            raise ValueError(
                "Expected reference to hold embeddings of the wrapped head, shape "
                f"(R, {head.output_size}), got shape {tuple(reference.shape)}."
            )
        check_neighbourhood(neighbors, len(reference))
        if weight < 0:
            raise ValueError(f"Expected weight to be 0 or more, got {weight}.")
        self.head = head
        self.neighbors = neighbors
        self.weight = weight
        self.reference: Tensor
        self.register_buffer("reference", l2_norm(reference.detach(), dim=1))

    @property
    def output_size(self) -> int:
        """D + 1, one more than that of the wrapped head."""
        return self.head.output_size + 1

    def forward(self, input_vectors: Tensor, meta: list[Any] | None = None) -> Tensor:
        """Map embeddings (N, D_in) to unit-length embeddings (N, D + 1).

        Raises:
            ValueError: The embeddings are not of size ``input_embedding_size``.
        """
        self.check_input_size(input_vectors)
        vectors = l2_norm(self.head(self.dropout(input_vectors), meta), dim=1)
        cosines = vectors @ self.reference.T
        crowding = cosines.topk(self.neighbors, dim=1).values.mean(dim=1, keepdim=True)
        sparsity = math.sqrt(self.weight) * (1 - crowding)
        return l2_norm(torch.cat([vectors, sparsity], dim=1), dim=1)

    def transform(self, input_vectors: Tensor) -> Tensor:
        """Map embeddings (N, D_in) to embeddings (N, D + 1), without meta."""
        return self.forward(input_vectors)

    def get_config_dict(self) -> dict[str, Any]:
        """Return the description of the wrapped head and the settings, as JSON values.

        Raises:
            NotSavableError: The class of the wrapped head is not registered, and no id can be made
                of its name.
        """
        return {
            "head": describe("head", self.head),
            "reference_size": len(self.reference),
            "neighbors": self.neighbors,
            "weight": self.weight,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Build a head from what :meth:`get_config_dict` returned, with a reference of zeros."""
        settings = dict(config)
        head: EncoderHead = rebuild("head", settings.pop("head"))
        reference = torch.zeros(settings.pop("reference_size"), head.output_size)
        return cls(head, reference, **settings)


def check_neighbourhood(neighbors: Count, reference_size: int) -> None:
    """Raise a ``ValueError`` unless ``neighbors`` is between 1 and the size of the reference."""
    if not 1 <= neighbors <= reference_size:
        raise ValueError(
            f"Expected neighbors between 1 and {reference_size}, the number of reference objects, "
            f"got {neighbors}. Use fewer neighbors or more objects."
        )
