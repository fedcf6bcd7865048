"""Wrapper of losses of pytorch-metric-learning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor

from quaterion_core.loss.group_loss import GroupLoss

if TYPE_CHECKING:
    from pytorch_metric_learning.losses import (
        BaseLossWrapper,
        BaseMetricLossFunction,
        MultipleLosses,
    )
    from pytorch_metric_learning.miners import BaseMiner


class PytorchMetricLearningWrapper(GroupLoss):
    """Group loss that wraps a loss, and optionally a miner, of pytorch-metric-learning.

    Both receive embeddings and groups unchanged. Losses with weights of their own need groups 0, 1,
    ..., num_classes - 1.

    Args:
        loss: A loss of pytorch-metric-learning.
        miner: A miner of pytorch-metric-learning, or None for all pairs.

    Raises:
        ImportError: pytorch-metric-learning is not installed.
        TypeError: ``loss`` is not a loss of that library, or ``miner`` is not a miner of it.

    Example:
        >>> from pytorch_metric_learning.losses import NTXentLoss
        >>> from pytorch_metric_learning.miners import MultiSimilarityMiner
        >>> loss = PytorchMetricLearningWrapper(NTXentLoss(), miner=MultiSimilarityMiner())
    """

    def __init__(
        self,
        loss: BaseMetricLossFunction | BaseLossWrapper | MultipleLosses,
        miner: BaseMiner | None = None,
    ):
        super().__init__()
        try:
            from pytorch_metric_learning.losses import (
                BaseLossWrapper,
                BaseMetricLossFunction,
                MultipleLosses,
            )
            from pytorch_metric_learning.miners import BaseMiner
        except ImportError as error:
            raise ImportError(
                "PytorchMetricLearningWrapper requires pytorch-metric-learning. Install it with: "
                "pip install 'quaterion-core[pytorch-metric-learning]'"
            ) from error
        if not isinstance(loss, (BaseMetricLossFunction, BaseLossWrapper, MultipleLosses)):
            raise TypeError(
                "Expected loss to be a loss of pytorch_metric_learning.losses, got a "
                f"{type(loss).__name__}."
            )
        if miner is not None and not isinstance(miner, BaseMiner):
            raise TypeError(
                "Expected miner to be a miner of pytorch_metric_learning.miners, got a "
                f"{type(miner).__name__}."
            )
        self.loss = loss
        self.miner = miner

    def get_config_dict(self) -> dict[str, Any]:
        """Raise an error: the wrapped loss does not expose its arguments.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError(
            "PytorchMetricLearningWrapper has no configuration: the wrapped loss does not expose "
            "its arguments. Derive a class from it that creates the loss itself and returns the "
            "arguments from get_config_dict()."
        )

    def forward(self, embeddings: Tensor, groups: Tensor, **kwargs: Any) -> Tensor:
        """Compute the loss of embeddings (N, D) and their groups (N,); returns a scalar."""
        groups = self.check_batch(embeddings, groups)
        mined = None if self.miner is None else self.miner(embeddings, groups)
        loss: Tensor = self.loss(embeddings, groups, mined)
        return loss
