"""MarginMSE loss: differences of scores as large as a teacher's."""

from __future__ import annotations

from torch import Tensor

from quaterion_nlp.losses.distillation_loss import DistillationLoss, sum_by_query


class MarginMSELoss(DistillationLoss):
    """Draws the differences between the scores of a query's pairs to those of a teacher.

    With the model's scores s and the teacher's t of two pairs i and j of one query::

        mean of ((s_i - s_j) - (t_i - t_j))²

    over all such two pairs of the batch. With two pairs for each query, of a relevant document and
    of another, it is the mean over queries that the paper states. Where a query has more, every
    two of its documents are compared, also two that are not relevant.

    A pair's label is the teacher's score of it, and its subgroup is the query. A pair that states
    no subgroup, or is alone in its subgroup, teaches nothing.

    Source: Hofstätter et al., Improving Efficient Neural Ranking Models with Cross-Architecture
    Knowledge Distillation, 2020, section 3.2, equation 7.

    Args:
        scale: Factor of the similarities. Dot products of long embeddings reach a teacher's
            scores by themselves; cosines, between -1 and 1, need a factor to do so.
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
        """Return the mean over every two pairs of a query."""
        # Σ over i and j of (x_i - x_j)² is 2n Σ (x_i - mean)², so no matrix of pairs is needed.
        errors = scores - teacher_scores
        means = sum_by_query(errors, queries, len(pair_counts)) / pair_counts
        squares = (errors - means[queries]).square() * (2 * pair_counts[queries])
        return squares.sum() / (pair_counts * (pair_counts - 1)).sum()
