"""Matryoshka representation learning: embeddings whose first numbers are embeddings too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final

import torch
from torch import Tensor, nn
from typing_extensions import Self

from quaterion_core.components import build_component
from quaterion_core.loss.group_loss import GroupLoss
from quaterion_core.loss.pairwise_loss import PairwiseLoss
from quaterion_core.loss.similarity_loss import SimilarityLoss
from quaterion_core.plugins import registry
from quaterion_core.utils.precision import at_least_float32

_SIZE: Final = "embedding_size"
_MEMORY: Final = "memory_"


class MatryoshkaLoss(SimilarityLoss):
    """Matryoshka loss: a loss summed over truncations of the embeddings.

    For the sizes m in ``dims``, with the weights c_m::

        Σ_m c_m · loss(first m dimensions of the embeddings)

    ``encode(..., dim=m)`` then gives embeddings of that size. The wrapper is a group loss or a
    pairwise one, as the loss is. A loss that has weights for every dimension, such as arcface, has
    weights of its own for each size.

    Source: Kusupati et al., Matryoshka Representation Learning, NeurIPS 2022, section 3,
    equation 1.

    Args:
        loss: The loss.
        dims: Sizes, usually with the whole embedding size among them.
        weights: Weight of each size; 1 by default.

    Raises:
        TypeError: ``loss`` is neither a group loss nor a pairwise one.
        ValueError: Sizes are not different positive integers, or weights do not fit them.

    Example:
        >>> from quaterion_core.loss import MultipleNegativesRankingLoss
        >>> one = MultipleNegativesRankingLoss()
        >>> loss = MatryoshkaLoss(one, dims=[2, 1], weights=[1.0, 0.5])
        >>> embeddings = torch.tensor([[0.6, 0.8], [0.8, -0.6], [1.0, 0.0], [0.0, -1.0]])
        >>> pairs, labels = torch.tensor([[0, 2], [1, 3]]), torch.ones(2)
        >>> targets = (pairs, labels, torch.tensor([7, 8, 7, 8]))
        >>> expected = one(embeddings, *targets) + 0.5 * one(embeddings[:, :1], *targets)
        >>> torch.allclose(loss(embeddings, *targets), expected)
        True
    """

    component_arguments: ClassVar[Mapping[str, str]] = {"loss": "loss"}

    def __new__(
        cls, loss: SimilarityLoss, dims: Sequence[int], weights: Sequence[float] | None = None
    ) -> Self:
        """Choose the class that is a loss of the same kind as the wrapped one."""
        if cls is MatryoshkaLoss:
            kinds = {GroupLoss: _MatryoshkaGroupLoss, PairwiseLoss: _MatryoshkaPairwiseLoss}
            fitting = [wrapper for kind, wrapper in kinds.items() if isinstance(loss, kind)]
            if not fitting:
                raise TypeError(
                    "MatryoshkaLoss wraps a GroupLoss or a PairwiseLoss, such as "
                    f"MultipleNegativesRankingLoss(), but got {loss!r:.80}."
                )
            cls = fitting[0]  # type: ignore[assignment]
        return super().__new__(cls)

    def __init__(
        self, loss: SimilarityLoss, dims: Sequence[int], weights: Sequence[float] | None = None
    ):
        super().__init__(loss.distance_metric_name)
        self.dims = list(dims)
        self.weights = [1.0] * len(self.dims) if weights is None else list(weights)
        if (
            not self.dims
            or len(set(self.dims)) < len(self.dims)
            or any(type(dim) is not int or dim < 1 for dim in self.dims)
        ):
            raise ValueError(f"dims should be different positive integers, but are {self.dims}.")
        if len(self.weights) != len(self.dims):
            raise ValueError(
                f"There should be one weight for each of the sizes {self.dims}, but weights are "
                f"{self.weights}."
            )
        self._losses = nn.ModuleList(_of_size(loss, dim) for dim in self.dims)

    def __getnewargs__(self) -> tuple[Any, ...]:
        return self._losses[0], self.dims  # what copying and unpickling call __new__ with

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that build this loss again, as JSON values.

        Raises:
            NotImplementedError: The wrapped loss declares none or is not registered.
        """
        loss = self._losses[0]
        assert isinstance(loss, SimilarityLoss)
        name = registry.id_of("loss", type(loss))
        if name is None:
            raise NotImplementedError(
                f"{type(loss).__name__} is not registered, so MatryoshkaLoss cannot name it in a "
                "configuration. Register it with quaterion_core.plugins.register_loss."
            )
        choice = {"name": name, **loss.get_config_dict()}
        return {"loss": choice, "dims": self.dims, "weights": self.weights}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Build a loss from what :meth:`get_config_dict` returned."""
        return cls(**{**config, "loss": build_component("loss", config["loss"])})

    def _sum(self, embeddings: Tensor, targets: Mapping[str, Tensor]) -> Tensor:
        """Sum the loss of a batch over all sizes."""
        embeddings = at_least_float32(embeddings)
        return torch.stack(
            [
                weight * loss.batch_loss(embeddings[:, :dim], targets)
                for dim, weight, loss in self._sizes(embeddings)
            ]
        ).sum()

    def _memory_sum(
        self,
        embeddings: Tensor,
        targets: Mapping[str, Tensor],
        memory_embeddings: Tensor,
        memory_targets: Mapping[str, Tensor],
    ) -> Tensor:
        """Sum the loss of a batch against a memory, which is cut off too, over all sizes."""
        embeddings = at_least_float32(embeddings)
        return torch.stack(
            [
                weight
                * loss.memory_loss(
                    embeddings[:, :dim], targets, memory_embeddings[:, :dim], memory_targets
                )
                for dim, weight, loss in self._sizes(embeddings)
            ]
        ).sum()

    def _sizes(self, embeddings: Tensor) -> Iterator[tuple[int, float, SimilarityLoss]]:
        """Yield each size with its weight and loss, if the embeddings (N, D) have that size."""
        if embeddings.ndim != 2 or embeddings.shape[1] < max(self.dims):
            raise ValueError(
                f"MatryoshkaLoss has the sizes {self.dims}, but got embeddings of shape "
                f"{tuple(embeddings.shape)}. Choose sizes up to the model's embedding_size."
            )
        for dim, weight, loss in zip(self.dims, self.weights, self._losses, strict=True):
            assert isinstance(loss, SimilarityLoss)
            yield dim, weight, loss


class _MatryoshkaGroupLoss(MatryoshkaLoss, GroupLoss):
    """Wraps a group loss."""

    def forward(self, embeddings: Tensor, groups: Tensor, **kwargs: Any) -> Tensor:
        """Compute the loss of embeddings (N, D) and their groups (N,); returns a scalar."""
        return self._sum(embeddings, {"groups": groups, **kwargs})

    def xbm_loss(
        self, embeddings: Tensor, groups: Tensor, memory_embeddings: Tensor, memory_groups: Tensor
    ) -> Tensor:
        """Compute the loss of a batch (N, D) against a memory (M, D); returns a scalar."""
        return self._memory_sum(
            embeddings, {"groups": groups}, memory_embeddings, {"groups": memory_groups}
        )


class _MatryoshkaPairwiseLoss(MatryoshkaLoss, PairwiseLoss):
    """Wraps a pairwise loss."""

    def check_scores(self, labels: Tensor) -> None:
        """Refuse labels (B,) that the wrapped loss refuses."""
        loss = self._losses[0]
        assert isinstance(loss, PairwiseLoss)
        loss.check_scores(labels)

    def forward(
        self,
        embeddings: Tensor,
        pairs: Tensor,
        labels: Tensor,
        subgroups: Tensor,
        objects: Tensor | None = None,
        **kwargs: Tensor,
    ) -> Tensor:
        """Compute the loss of embeddings (N, D) and the targets of pairs; returns a scalar."""
        targets = {"pairs": pairs, "labels": labels, "subgroups": subgroups, **kwargs}
        return self._sum(embeddings, _with_objects(targets, objects))

    def xbm_loss(
        self,
        embeddings: Tensor,
        pairs: Tensor,
        labels: Tensor,
        subgroups: Tensor,
        memory_embeddings: Tensor,
        memory_pairs: Tensor,
        memory_labels: Tensor,
        memory_subgroups: Tensor,
        *,
        objects: Tensor | None = None,
        memory_objects: Tensor | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """Compute the loss of a batch (N, D) against a memory of pairs; returns a scalar."""
        of_batch, of_memory = {}, {}
        for name, values in kwargs.items():
            if name.startswith(_MEMORY):
                of_memory[name.removeprefix(_MEMORY)] = values
            else:
                of_batch[name] = values
        targets = {"pairs": pairs, "labels": labels, "subgroups": subgroups, **of_batch}
        memory_targets = {
            "pairs": memory_pairs,
            "labels": memory_labels,
            "subgroups": memory_subgroups,
            **of_memory,
        }
        return self._memory_sum(
            embeddings,
            _with_objects(targets, objects),
            memory_embeddings,
            _with_objects(memory_targets, memory_objects),
        )


def _with_objects(targets: dict[str, Tensor], objects: Tensor | None) -> dict[str, Tensor]:
    return targets if objects is None else {**targets, "objects": objects}


def _of_size(loss: SimilarityLoss, dim: int) -> SimilarityLoss:
    """Return a loss for embeddings of a size: the same one, unless it has weights of another."""
    try:
        config = loss.get_config_dict()
    except NotImplementedError:
        return loss
    if config.get(_SIZE, dim) == dim:
        return loss
    return type(loss).from_config({**config, _SIZE: dim})
