"""CoSENT loss: ranking of pairs by their cosine."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from quaterion_nlp.losses.pair_order_loss import PairOrderLoss


class CoSENTLoss(PairOrderLoss):
    """Ranking of labelled pairs by their cosine (CoSENT).

    With the labels y and the cosines s of the pairs of a batch::

        log( 1 + Σ exp(scale (s_j - s_i)) )    over all pairs i and j with y_i > y_j

    For graded labels, such as those of semantic textual similarity, of which only the order is
    used. If all labels of a batch are equal, the loss is 0.

    Source: Su, CoSENT: a more effective sentence embedding scheme than Sentence-BERT, 2022
    (kexue.fm, archive 8847), equation 5; Huang et al., CoSENT: Consistent Sentence Embedding via
    Similarity Ranking, IEEE/ACM Transactions on Audio, Speech, and Language Processing 32, 2024.

    Args:
        scale: Factor of the similarities, 1/temperature.
        distance_metric_name: Distance that defines the similarity s.

    Raises:
        ValueError: ``scale`` is not positive.

    Example:
        >>> import torch
        >>> embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> pairs, subgroups = torch.tensor([[0, 1], [2, 3]]), torch.zeros(4, dtype=torch.int64)
        >>> loss = CoSENTLoss(scale=1.0)
        >>> loss(embeddings, pairs, torch.tensor([0.9, 0.2]), subgroups)  # log(1 + exp(0 - 1))
        tensor(0.3133)
    """

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this loss, as JSON values."""
        return {**super().get_config_dict(), "scale": self.scale}

    def pair_similarities(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the similarities of paired rows, shape (B,)."""
        return self.distance_metric.similarity(x, y)
