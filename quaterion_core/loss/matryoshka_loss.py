"""Matryoshka loss: a loss summed over truncations of the embeddings."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final

import torch
from torch import Tensor, nn
from typing_extensions import Self

from quaterion_core.components import build_component
from quaterion_core.loss.similarity_loss import SampleKind, SimilarityLoss
from quaterion_core.plugins import registry
from quaterion_core.utils.precision import at_least_float32

_SIZE: Final = "embedding_size"
_MEMORY: Final = "memory_"


class MatryoshkaLoss(SimilarityLoss):
    """Sum of a loss over truncations of the embeddings (Matryoshka representation learning).

    For the sizes m in ``dims``, with the weights c_m::

        Σ_m c_m · loss(first m dimensions of the embeddings)

    ``encode(..., dim=m)`` then gives embeddings of that size. It accepts the same samples as the
    wrapped loss, groups or pairs. A loss with weights for every dimension, such as ArcFace, has
    separate weights for each size.

    Source: Kusupati et al., Matryoshka Representation Learning, NeurIPS 2022, section 3,
    equation 1.

    Args:
        loss: The loss to wrap, a group loss or a pairwise loss.
        dims: Sizes m, usually including the full embedding size.
        weights: Weight c_m of each size; 1 by default.

    Raises:
        TypeError: ``loss`` is neither a group loss nor a pairwise loss.
        ValueError: ``dims`` are not distinct positive integers, or there is not one weight for
            each.

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

    def __init__(
        self, loss: SimilarityLoss, dims: Sequence[int], weights: Sequence[float] | None = None
    ):
        if not isinstance(loss, SimilarityLoss):
            raise TypeError(
                "Expected a GroupLoss or a PairwiseLoss, such as MultipleNegativesRankingLoss(), "
                f"got {loss!r:.80}."
            )
        super().__init__(loss.distance_metric_name)
        self.dims = list(dims)
        self.weights = [1.0] * len(self.dims) if weights is None else list(weights)
        if (
            not self.dims
            or len(set(self.dims)) < len(self.dims)
            or any(type(dim) is not int or dim < 1 for dim in self.dims)
        ):
            raise ValueError(f"Expected dims to be distinct positive integers, got {self.dims}.")
        if len(self.weights) != len(self.dims):
            raise ValueError(
                f"Expected one weight for each of the sizes {self.dims}, got {self.weights}."
            )
        self._losses = nn.ModuleList(_of_size(loss, dim) for dim in self.dims)

    @property
    def loss(self) -> SimilarityLoss:
        """The wrapped loss, for the first size."""
        return self._of_sizes[0]

    @property
    def sample_kind(self) -> SampleKind:
        """The kind of samples of the wrapped loss."""
        return self.loss.sample_kind

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this loss, as JSON values.

        Raises:
            NotImplementedError: The wrapped loss declares none or is not registered.
        """
        name = registry.id_of("loss", type(self.loss))
        if name is None:
            raise NotImplementedError(
                f"{type(self.loss).__name__} is not registered, so MatryoshkaLoss cannot name it "
                "in a configuration. Register it with quaterion_core.plugins.register_loss."
            )
        choice = {"name": name, **self.loss.get_config_dict()}
        return {"loss": choice, "dims": self.dims, "weights": self.weights}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Build a loss from the result of :meth:`get_config_dict`."""
        return cls(**{**config, "loss": build_component("loss", config["loss"])})

    def check_scores(self, labels: Tensor) -> None:
        """Check labels (B,) as the wrapped loss does."""
        self.loss.check_scores(labels)

    def forward(self, embeddings: Tensor, *targets: Tensor, **named_targets: Tensor) -> Tensor:
        """Compute the loss of a batch.

        Args:
            embeddings: Shape (N, D), where D is at least the largest of the sizes.
            targets: The targets that the wrapped loss takes, in its order.
            named_targets: The others, by name.

        Returns:
            A scalar.
        """
        given = _by_name(self.loss.forward, targets, named_targets)
        return self.batch_loss(embeddings, given)

    def xbm_loss(self, embeddings: Tensor, *targets: Tensor, **named_targets: Tensor) -> Tensor:
        """Compute the loss of a batch (N, D) against a memory, truncated likewise.

        Args:
            embeddings: Shape (N, D).
            targets: What the ``xbm_loss`` of the wrapped loss takes, in its order.
            named_targets: The others, by name.

        Returns:
            A scalar.
        """
        compute: Any = self.loss.xbm_loss  # defined by both kinds of losses
        given = _by_name(compute, targets, named_targets)
        memory_embeddings = given.pop(f"{_MEMORY}embeddings")
        memory = {name for name in given if name.startswith(_MEMORY)}
        return self.memory_loss(
            embeddings,
            {name: values for name, values in given.items() if name not in memory},
            memory_embeddings,
            {name.removeprefix(_MEMORY): given[name] for name in memory},
        )

    def batch_loss(self, embeddings: Tensor, targets: Mapping[str, Tensor]) -> Tensor:
        """Compute the loss of a batch (N, D) from the targets of a loader; returns a scalar."""
        embeddings = at_least_float32(embeddings)
        return torch.stack(
            [
                weight * loss.batch_loss(embeddings[:, :dim], targets)
                for dim, weight, loss in self._sizes(embeddings)
            ]
        ).sum()

    def memory_loss(
        self,
        embeddings: Tensor,
        targets: Mapping[str, Tensor],
        memory_embeddings: Tensor,
        memory_targets: Mapping[str, Tensor],
    ) -> Tensor:
        """Compute the loss of a batch (N, D) against a memory (M, D); returns a scalar."""
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
        """Yield each size with its weight and loss, if the embeddings (N, D) are large enough."""
        if embeddings.ndim != 2 or embeddings.shape[1] < max(self.dims):
            raise ValueError(
                f"Expected embeddings (N, D) with D of at least {max(self.dims)}, got shape "
                f"{tuple(embeddings.shape)}. Choose dims up to the model's embedding_size."
            )
        yield from zip(self.dims, self.weights, self._of_sizes, strict=True)

    @property
    def _of_sizes(self) -> list[SimilarityLoss]:
        """The loss of each size."""
        return list(self._losses)  # type: ignore[arg-type]  # nn.ModuleList forgets their type


def _by_name(
    function: Callable[..., Any], positional: Sequence[Tensor], named: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return the targets by the names of a function's arguments after the embeddings."""
    names = list(inspect.signature(function).parameters)[1:]
    return {**dict(zip(names, positional, strict=False)), **named}


def _of_size(loss: SimilarityLoss, dim: int) -> SimilarityLoss:
    """Return the loss itself, or one of the given size if it has weights of another size."""
    try:
        config = loss.get_config_dict()
    except NotImplementedError:
        return loss
    if config.get(_SIZE, dim) == dim:
        return loss
    return type(loss).from_config({**config, _SIZE: dim})
