"""Linear projection head with L2 normalisation."""

from __future__ import annotations

from torch import Tensor, nn

from quaterion_core.heads import LinearProjectionHead
from quaterion_core.modules import UnitLength
from quaterion_core.utils.precision import at_least_float32
from quaterion_core.utils.utils import l2_norm


class NormalizedProjectionHead(LinearProjectionHead):
    """Linear layer followed by L2 normalisation: ``y = (W x + b) / ‖W x + b‖``.

    The last layer of sentence encoders such as Sentence-T5 and LaBSE. Dot products and cosines of
    its embeddings are equal, so either kind of index can serve the model, and losses over dot
    products are bounded.

    A projection of zero remains zero.

    Source: Ni et al., Sentence-T5: Scalable Sentence Encoders from Pre-trained Text-to-Text
    Models, Findings of ACL 2022, section 3.2.

    Args:
        input_embedding_size: Input size D_in.
        output_size: Output size D_out.
        bias: Whether to add ``b``.
        dropout: Probability of dropping each input value during training.

    Raises:
        ValueError: A size is not positive.

    Example:
        >>> import torch
        >>> head = NormalizedProjectionHead(input_embedding_size=2, output_size=2, bias=False)
        >>> _ = torch.nn.init.eye_(head.projection.weight)
        >>> head(torch.tensor([[3.0, 4.0]])).detach()
        tensor([[0.6000, 0.8000]])
    """

    def transform(self, input_vectors: Tensor) -> Tensor:
        """Project embeddings (N, D_in) to unit vectors (N, D_out)."""
        projected = super().transform(input_vectors)
        return l2_norm(at_least_float32(projected), dim=-1).to(projected.dtype)

    def get_layers(self) -> list[nn.Module]:
        """Return the linear layer and the normalisation."""
        return [self.projection, UnitLength()]
