"""Softmax loss: cross-entropy over groups with a linear classifier."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from quaterion_core.distances import Distance
from quaterion_core.loss.group_classification_loss import GroupClassificationLoss
from quaterion_core.utils.ranges import Count, PositiveFloat


class SoftmaxLoss(GroupClassificationLoss):
    """Cross-entropy over groups with a linear classifier of embeddings (softmax loss).

    For an embedding x of group y, with a weight vector W_j for each group j::

        -log( exp(x · W_y / temperature) / Σ_j exp(x · W_j / temperature) )

    averaged over the batch. Embeddings and weights are not normalised, and there is no bias.

    Source: Zhai, Wu, Classification is a Strong Baseline for Deep Metric Learning, BMVC 2019,
    section 3.

    Args:
        embedding_size: Embedding size D.
        num_groups: Number of groups in the training data.
        temperature: Divisor of the logits. Low values sharpen the distribution over groups.

    Raises:
        ValueError: A size or the temperature is not positive.

    Example:
        >>> import torch
        >>> loss = SoftmaxLoss(embedding_size=2, num_groups=2, temperature=1.0)
        >>> _ = torch.nn.init.eye_(loss.weight)
        >>> embeddings = torch.tensor([[2.0, 1.0], [1.0, 2.0]])
        >>> value = loss(embeddings, torch.tensor([7, 8]))  # log(1 + exp(1 - 2))
        >>> round(value.item(), 4)
        0.3133
    """

    def __init__(self, embedding_size: Count, num_groups: Count, temperature: PositiveFloat = 0.05):
        super().__init__(embedding_size, num_groups, Distance.DOT_PRODUCT)
        if temperature <= 0:
            raise ValueError(f"Expected temperature to be positive, got {temperature}.")
        self.temperature = temperature

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this loss, as JSON values."""
        return {**super().get_config_dict(), "temperature": self.temperature}

    def logits(self, embeddings: Tensor, rows: Tensor) -> Tensor:
        """Return x · W / temperature of all groups, shape (N, C)."""
        return self.distance_metric.similarity_matrix(embeddings / self.temperature, self.weight)
