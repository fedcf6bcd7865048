"""Models between the untouched encoder and the tuned model."""

from __future__ import annotations

import copy
from typing import Final

import torch
from torch import Tensor, nn

from quaterion_core import SimilarityModel
from quaterion_core.heads import EmptyHead, HubnessReductionHead, LinearProjectionHead

WEIGHTS: Final = (0.25, 0.5, 0.75)
"""Weights of the tuned model."""


def interpolated(
    untouched: SimilarityModel, tuned: SimilarityModel, weight: float
) -> SimilarityModel | None:
    """Return a model whose weights are between those of two (Wortsman et al. 2022, WiSE-FT).

    Args:
        untouched: The encoders before training, without a head.
        tuned: The tuned model; its head is linear, from the identity, or none.
        weight: Weight of the tuned model, 0 to 1.

    Returns:
        The model; ``None`` if there is none between these two, such as for other heads.

    Example:
        >>> from quaterion_core.encoders import Encoder
        >>> class Points(Encoder):
        ...     trainable, embedding_size = False, 2
        ...     def get_collate_fn(self): return torch.tensor
        ...     def forward(self, batch): return batch
        >>> head = LinearProjectionHead(2, 2, bias=False, initial="identity")
        >>> _ = head.projection.weight.data.mul_(3)
        >>> before = SimilarityModel(Points(), EmptyHead(2))
        >>> interpolated(before, SimilarityModel(Points(), head), 0.5).encode([[1.0, 2.0]])
        array([[2., 4.]], dtype=float32)
    """
    if isinstance(tuned.head, HubnessReductionHead):
        return None  # it describes the embeddings of the tuned model
    model = copy.deepcopy(tuned)
    if isinstance(model.head, LinearProjectionHead):
        if not _blend(model.head, _identity_of(model.head), weight):
            return None
    elif not isinstance(model.head, EmptyHead):
        return None
    for key, encoder in model.encoders.items():
        if encoder.trainable and not _blend(encoder, untouched.encoders[key].state_dict(), weight):
            return None
    return model


def _identity_of(head: LinearProjectionHead) -> dict[str, Tensor]:
    """Return the weights of a head that changes nothing."""
    found = {}
    for name, value in head.state_dict().items():
        is_matrix = value.ndim == 2 and value.shape[0] == value.shape[1]
        found[name] = torch.eye(len(value)) if is_matrix else torch.zeros_like(value)
        if value.ndim == 2 and not is_matrix:
            return {}
    return found


def _blend(module: nn.Module, before: dict[str, Tensor], weight: float) -> bool:
    """Move the weights of a module towards those before; return whether they fit together."""
    state = module.state_dict()
    if state.keys() != before.keys():
        return False
    for name, value in state.items():
        if value.shape != before[name].shape:
            return False
        if value.is_floating_point():
            state[name] = torch.lerp(before[name].to(value), value, weight)
    module.load_state_dict(state)
    return True
