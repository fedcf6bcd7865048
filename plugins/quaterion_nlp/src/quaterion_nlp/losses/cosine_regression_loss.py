"""Cosine regression loss: squared difference of the cosine and the label of a pair."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from quaterion_core.distances import Distance
from quaterion_core.loss import PairwiseLoss
from quaterion_core.utils.precision import embeddings_for_loss


class CosineRegressionLoss(PairwiseLoss):
    """Mean squared error between the cosine of a pair and its label.

    For the labels y and the cosines s of the pairs of a batch, this is the mean of (s - y)².

    Labels are cosines, from -1 to 1 (:attr:`score_range`). Rescale other scores first, for example
    scores from 0 to 5 with the argument ``score_range=[0, 5]`` of a reader.

    Source: Reimers, Gurevych, Sentence-BERT: Sentence Embeddings using Siamese BERT-Networks,
    EMNLP 2019, section 3, "Regression Objective Function".

    Example:
        >>> import torch
        >>> embeddings = torch.tensor([[1.0, 0.0], [3.0, 4.0]])
        >>> pairs, subgroups = torch.tensor([[0, 1]]), torch.tensor([7, 7])
        >>> CosineRegressionLoss()(embeddings, pairs, torch.tensor([1.0]), subgroups)  # (0.6 - 1)²
        tensor(0.1600)
    """

    score_range = (-1.0, 1.0)

    def __init__(self) -> None:
        super().__init__(Distance.COSINE)

    def get_config_dict(self) -> dict[str, Any]:
        """Return an empty dictionary: there are no arguments."""
        return {}

    def forward(
        self, embeddings: Tensor, pairs: Tensor, labels: Tensor, subgroups: Tensor, **kwargs: Any
    ) -> Tensor:
        """Compute the loss of a batch.

        Args:
            embeddings: Shape (N, D).
            pairs: Rows of ``embeddings`` that form each pair, shape (B, 2).
            labels: Target cosine of each pair, shape (B,).
            subgroups: Subgroup of each object, shape (N,), int64; ignored.
            **kwargs: Other targets, ignored.

        Returns:
            A scalar.
        """
        self.check_batch(embeddings, pairs, labels, subgroups)
        embeddings = embeddings_for_loss(embeddings)
        if not len(pairs):
            return self.nothing_to_learn(embeddings)
        rows_a, rows_b = pairs.unbind(dim=1)
        cosines = self.distance_metric.similarity(embeddings[rows_a], embeddings[rows_b])
        return (cosines - labels.to(cosines.dtype)).square().mean()
