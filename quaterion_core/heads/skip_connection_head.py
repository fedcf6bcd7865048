"""A head that adds a gated residual to the embedding."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from quaterion_core.heads.encoder_head import EncoderHead
from quaterion_core.modules.layers import affine_layer
from quaterion_core.utils.ranges import Count, DropoutRate


class SkipConnectionHead(EncoderHead):
    """Gated residual layers: ``y = x + σ(gate) · (W x + b)`` in each layer.

    Residual learning (He et al., "Deep Residual Learning for Image Recognition", CVPR 2016,
    eq. 1) with a gate for each of the D values. The gates start almost closed, σ(-4) = 0.018, so
    an untrained head hardly changes the encoder's embeddings, and training starts from their
    quality instead of from noise.

    Args:
        input_embedding_size: D, the size of both input and output.
        dropout: Probability of dropping each input value during training.
        skip_dropout: Probability of dropping each value of ``x`` during training in the residual
            ``W x + b`` only.
        n_layers: Number of residual layers.

    Raises:
        ValueError: ``n_layers`` is not positive, or a probability is not in [0, 1).

    Example:
        >>> import torch
        >>> head = SkipConnectionHead(input_embedding_size=3, n_layers=2)
        >>> x = torch.tensor([[1.0, 2.0, 3.0]])
        >>> bool((head(x) - x).norm() < 0.1 * x.norm())
        True
    """

    def __init__(
        self,
        input_embedding_size: Count,
        dropout: DropoutRate = 0.0,
        skip_dropout: DropoutRate = 0.0,
        n_layers: Count = 1,
    ):
        super().__init__(input_embedding_size, dropout=dropout)
        if not 0.0 <= skip_dropout < 1.0:
            raise ValueError(
                f"Expected skip_dropout, a probability, to be in [0, 1), got {skip_dropout}."
            )
        if n_layers < 1:
            raise ValueError(f"Expected n_layers to be positive, got {n_layers}.")
        self.skip_dropout = nn.Dropout(p=skip_dropout)
        self.layers = nn.ModuleList(
            nn.Linear(input_embedding_size, input_embedding_size) for _ in range(n_layers)
        )
        self.gates = nn.ParameterList(torch.empty(input_embedding_size) for _ in range(n_layers))
        self.reset_parameters()

    @property
    def output_size(self) -> int:
        """D, the same as ``input_embedding_size``."""
        return self.input_embedding_size

    def transform(self, input_vectors: Tensor) -> Tensor:
        """Apply the residual layers to embeddings (N, D)."""
        vectors = input_vectors
        for layer, gate in zip(self.layers, self.gates, strict=True):
            vectors = vectors + torch.sigmoid(gate) * layer(self.skip_dropout(vectors))
        return vectors

    def reset_parameters(self) -> None:
        """Set all gates to -4 (almost closed); the linear layers are unchanged."""
        for gate in self.gates:
            nn.init.constant_(gate, -4.0)

    def get_layers(self) -> list[nn.Module]:
        """Return linear layers, of the weight ``I + diag(σ(g)) W`` and the bias ``σ(g) ⊙ b``."""
        layers: list[nn.Module] = []
        for layer, gate in zip(self.layers, self.gates, strict=True):
            assert isinstance(layer, nn.Linear)
            opening = torch.sigmoid(gate)
            same = torch.eye(len(gate), dtype=gate.dtype, device=gate.device)
            layers.append(
                affine_layer(same + opening.unsqueeze(1) * layer.weight, opening * layer.bias)
            )
        return layers

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this head, as JSON values."""
        return {
            **super().get_config_dict(),
            "skip_dropout": self.skip_dropout.p,
            "n_layers": len(self.layers),
        }
