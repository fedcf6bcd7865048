"""SupCon loss: supervised contrastive loss over groups."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from quaterion_core.distances import Distance
from quaterion_core.loss.anchored_group_loss import AnchoredGroupLoss
from quaterion_core.utils.masked import masked_log_sum_exp
from quaterion_core.utils.ranges import PositiveFloat


class SupConLoss(AnchoredGroupLoss):
    """Cross-entropy over the batch with all objects of a group as positives (SupCon).

    With the similarity s of an anchor to other objects, the set A of the other objects of the
    batch, the subset P of those of its group, and the temperature T::

        -1/|P| Σ over p in P of log( exp(s_p / T) / Σ over a in A of exp(s_a / T) )

    averaged over the anchors whose group has another object in the batch.

    With a cross-batch memory, anchors come from the batch and A is the memory.

    For views of objects without known groups, see :class:`~quaterion_core.loss.NTXentLoss`. The
    two are equal where every group has two objects in a batch.

    Source: Khosla et al., Supervised Contrastive Learning, NeurIPS 2020, section 3.2.2, equation 2,
    as a mean over anchors instead of the sum.

    Args:
        temperature: Divisor T of the similarities. Low values emphasise the most similar objects.
        distance_metric_name: Distance that defines the similarity s.

    Raises:
        ValueError: ``temperature`` is not positive.

    Example:
        >>> import torch
        >>> embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> loss = SupConLoss(temperature=1.0)
        >>> loss(embeddings, torch.tensor([7, 7, 8]))  # log(1 + exp(0 - 1)), twice
        tensor(0.3133)
    """

    def __init__(
        self,
        temperature: PositiveFloat = 0.1,
        distance_metric_name: Distance | str = Distance.COSINE,
    ):
        super().__init__(distance_metric_name)
        if temperature <= 0:
            raise ValueError(f"Expected temperature to be positive, got {temperature}.")
        self.temperature = temperature

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this loss, as JSON values."""
        return {**super().get_config_dict(), "temperature": self.temperature}

    def anchored_loss(
        self, anchors: Tensor, others: Tensor, positive: Tensor, negative: Tensor
    ) -> Tensor:
        """Compute the loss of anchors (N, D) against others (M, D); returns a scalar."""
        if positive.numel() == 0:
            return self.nothing_to_learn(anchors)
        logits = self.distance_metric.similarity_matrix(anchors, others) / self.temperature
        counts = positive.sum(dim=1)
        of_positives = (logits * positive).sum(dim=1) / counts.clamp(min=1)
        losses = masked_log_sum_exp(logits, positive | negative, dim=1) - of_positives
        is_anchor = counts > 0
        return (losses * is_anchor).sum() / is_anchor.sum().clamp(min=1)
