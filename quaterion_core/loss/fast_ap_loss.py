"""FastAP loss: average precision made differentiable by soft histograms."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from quaterion_core.distances import Cosine, Distance
from quaterion_core.loss.anchored_group_loss import AnchoredGroupLoss
from quaterion_core.utils.ranges import Count


class FastAPLoss(AnchoredGroupLoss):
    """One minus a differentiable average precision of retrieval within the batch (FastAP).

    Each object is a query for the others. Embeddings are normalised to unit length, so that squared
    Euclidean distances are in [0, 4]. For each query, they are counted in histograms of
    ``num_bins`` + 1 bins centred at 0, Δ, 2Δ, ..., 4, where Δ = 4/num_bins; a distance between two
    centres is split linearly between them. With h_k⁺ positives in bin k, H_k⁺ positives and H_k
    objects in bins up to k, and N⁺ positives in total::

        FastAP = 1/N⁺ Σ_k h_k⁺ H_k⁺ / H_k,   loss = 1 - mean FastAP

    where the mean is over the queries that have a positive.

    With a cross-batch memory, queries come from the batch and retrieve from the memory.

    Source: Cakir, He, Xia, Kulis, Sclaroff, Deep Metric Learning to Rank, CVPR 2019, section 3.

    Args:
        num_bins: Number of intervals. Few bins give smooth gradients, many an exact precision.

    Raises:
        ValueError: ``num_bins`` is not positive.

    Example:
        >>> import torch
        >>> embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
        >>> loss = FastAPLoss(num_bins=10)
        >>> loss(embeddings, torch.tensor([7, 7, 8]))  # the positive comes first, for both
        tensor(0.)
        >>> loss(embeddings, torch.tensor([7, 8, 7]))  # 1 - (1/2 + 1/2)/2: it comes last
        tensor(0.5000)
    """

    def __init__(self, num_bins: Count = 10):
        super().__init__(Distance.EUCLIDEAN)
        if num_bins < 1:
            raise ValueError(f"Expected num_bins to be positive, got {num_bins}.")
        self.num_bins = num_bins

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this loss, as JSON values."""
        return {"num_bins": self.num_bins}

    def anchored_loss(
        self, anchors: Tensor, others: Tensor, positive: Tensor, negative: Tensor
    ) -> Tensor:
        """Compute the loss of anchors (N, D) against others (M, D); returns a scalar."""
        # Squared distances are 2 (1 - cos). In units of Δ, the centres are integers.
        positions = Cosine.distance_matrix(anchors, others) * (self.num_bins / 2)
        positions = positions.clamp(0, self.num_bins)
        positives, negatives = _soft_histograms(positions, positive, negative, self.num_bins)
        positives_upto = positives.cumsum(dim=1)
        all_upto = positives_upto + negatives.cumsum(dim=1)
        precision = positives_upto / all_upto.where(all_upto > 0, 1.0)
        count = positive.sum(dim=1)
        average_precision = (positives * precision).sum(dim=1) / count.clamp(min=1)
        is_query = count > 0
        return ((1 - average_precision) * is_query).sum() / is_query.sum().clamp(min=1)


def _soft_histograms(
    positions: Tensor, positive: Tensor, negative: Tensor, num_bins: int
) -> tuple[Tensor, Tensor]:
    """Count the positions of each row, split linearly between the two nearest bins.

    Args:
        positions: In [0, num_bins], where integers are the centres of bins, shape (N, M).
        positive: Whether to count each in the first histogram, shape (N, M).
        negative: Whether to count each in the second histogram, shape (N, M).
        num_bins: Number of intervals between the centres of bins.

    Returns:
        Two histograms, each of the shape (N, num_bins + 1).
    """
    bins = positions.detach().long().clamp_(0, num_bins - 1)
    share = positions - bins
    bins.add_(negative, alpha=num_bins + 1)  # the second histogram follows the first
    is_counted = positive | negative
    histograms = positions.new_zeros(len(positions), 2 * (num_bins + 1))
    histograms = histograms.scatter_add(1, bins, (1 - share) * is_counted)
    histograms = histograms.scatter_add(1, bins + 1, share * is_counted)
    return histograms[:, : num_bins + 1], histograms[:, num_bins + 1 :]
