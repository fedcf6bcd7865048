"""Interface of all losses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from torch import Tensor, nn
from typing_extensions import Self

from quaterion_core.components import CheckedArguments
from quaterion_core.distances import Distance
from quaterion_core.loss.group_index import GroupIndex
from quaterion_core.utils.accepted import accepted

SampleKind: TypeAlias = Literal["groups", "pairs"]
"""The kinds of samples: objects that belong to groups, or pairs of objects."""


class SimilarityLoss(CheckedArguments, nn.Module):
    """Base class of losses, which see nothing but the embeddings and the targets of a batch.

    Gathering across processes, gradient caching and the cross-batch memory therefore work for every
    loss. Derive from :class:`~quaterion_core.loss.GroupLoss` or
    :class:`~quaterion_core.loss.PairwiseLoss`.

    A batch from which nothing can be learned has a loss of 0 with a zero gradient.

    Args:
        distance_metric_name: Distance between embeddings.
    """

    def __init__(self, distance_metric_name: Distance | str = Distance.COSINE):
        super().__init__()
        self.distance_metric_name = Distance(distance_metric_name)
        self.distance_metric = Distance.get_by_name(self.distance_metric_name)

    @property
    def sample_kind(self) -> SampleKind:
        """The kind of samples that the loss is over: ``"groups"`` or ``"pairs"``.

        Training asks for it to choose the memory, and to refuse a loader of other samples.
        """
        raise TypeError(
            f"Expected {type(self).__name__} to derive from GroupLoss or PairwiseLoss, or to "
            "define sample_kind as 'groups' or 'pairs'."
        )

    def check_scores(self, labels: Tensor) -> None:
        """Refuse labels (B,) of pairs that the loss cannot learn from; by default none.

        Raises:
            ValueError: The message says how to map them.
        """

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this loss, as JSON values."""
        return {"distance_metric_name": self.distance_metric_name.value}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Build a loss from the result of :meth:`get_config_dict`."""
        return cls(**config)

    def batch_loss(self, embeddings: Tensor, targets: Mapping[str, Tensor]) -> Tensor:
        """Compute the loss of a batch from the targets of a loader.

        Only the targets that ``forward`` accepts are passed: a loss need not accept the ids of
        ``objects``, for example.

        Args:
            embeddings: Shape (N, D).
            targets: Targets by name, as loaders yield them.

        Returns:
            A scalar.
        """
        loss: Tensor = self(embeddings=embeddings, **accepted(self.forward, targets))
        return loss

    def share_that_counts(self, targets: Mapping[str, Tensor]) -> float:
        """Return the share of the objects of a batch that enter the loss.

        In evaluation, objects of groups for which a loss has no weights do not. In the
        logged loss a batch weighs as much as its objects that enter the loss.

        Args:
            targets: Targets by name, as loaders yield them.
        """
        indices = [module for module in self.modules() if isinstance(module, GroupIndex)]
        groups = targets.get("groups")
        if groups is None or not indices:
            return 1.0
        return min(float((index(groups) >= 0).float().mean()) for index in indices)

    def memory_loss(
        self,
        embeddings: Tensor,
        targets: Mapping[str, Tensor],
        memory_embeddings: Tensor,
        memory_targets: Mapping[str, Tensor],
    ) -> Tensor:
        """Compute the loss of a batch against a memory, from the targets of both.

        Only the targets that ``xbm_loss`` accepts are passed.

        Args:
            embeddings: Shape (N, D).
            targets: Targets of the batch by name.
            memory_embeddings: Shape (M, D).
            memory_targets: Targets of the memory by name.

        Returns:
            A scalar.
        """
        known = {
            **targets,
            "memory_embeddings": memory_embeddings,
            **{f"memory_{name}": values for name, values in memory_targets.items()},
        }
        compute: Any = self.xbm_loss  # defined by both kinds of losses
        loss: Tensor = compute(embeddings, **accepted(compute, known))
        return loss

    @staticmethod
    def nothing_to_learn(embeddings: Tensor) -> Tensor:
        """Return 0 with a graph to the embeddings, whose gradient is zero."""
        return (embeddings * 0.0).sum()
