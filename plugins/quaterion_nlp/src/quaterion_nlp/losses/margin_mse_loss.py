"""MarginMSE loss: squared error of differences of scores from a teacher's."""

from __future__ import annotations

from torch import Tensor

from quaterion_nlp.losses.distillation_loss import DistillationLoss, sum_by_query


class MarginMSELoss(DistillationLoss):
    """Mean squared error between the model's and a teacher's differences of scores (MarginMSE).

    With the model's scores s and the teacher's scores t of two pairs i and j of one query::

        mean of ((s_i - s_j) - (t_i - t_j))²

    over all such combinations of two pairs in the batch. With two pairs per query, one with a
    relevant document and one with another, this is the paper's mean over queries. With more, every
    two documents of a query are compared, including two that are not relevant.

    The label of a pair is the teacher's score, and its subgroup identifies the query. Pairs without
    a subgroup, or alone in their subgroup, are ignored.

    Source: Hofstätter et al., Improving Efficient Neural Ranking Models with Cross-Architecture
    Knowledge Distillation, 2020, section 3.2, equation 7.

    Args:
        scale: Factor of the similarities. Dot products of long embeddings can reach a teacher's
            scores without a factor; cosines, between -1 and 1, need one.
        distance_metric_name: Distance whose similarity is the score of the model.

    Raises:
        ValueError: ``scale`` is not positive.

    Example:
        >>> import torch
        >>> query, relevant, other = [1.0, 2.0], [3.0, 1.0], [0.0, 1.0]
        >>> embeddings = torch.tensor([query, query, relevant, other])
        >>> pairs, subgroups = torch.tensor([[0, 2], [1, 3]]), torch.tensor([7, 7, 7, 7])
        >>> teacher_scores = torch.tensor([6.0, 2.0])
        >>> MarginMSELoss()(embeddings, pairs, teacher_scores, subgroups)  # ((5 - 2) - (6 - 2))²
        tensor(1.)
    """

    def query_loss(
        self, scores: Tensor, teacher_scores: Tensor, queries: Tensor, pair_counts: Tensor
    ) -> Tensor:
        """Return the mean over all combinations of two pairs of a query."""
        # Σ over i and j of (x_i - x_j)² is 2n Σ (x_i - mean)², so no matrix of pairs is needed.
        errors = scores - teacher_scores
        means = sum_by_query(errors, queries, len(pair_counts)) / pair_counts
        squares = (errors - means[queries]).square() * (2 * pair_counts[queries])
        return squares.sum() / (pair_counts * (pair_counts - 1)).sum()
