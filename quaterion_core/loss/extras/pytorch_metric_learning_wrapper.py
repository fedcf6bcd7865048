"""Losses of pytorch-metric-learning."""

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
    """Trains with a loss of pytorch-metric-learning, and a miner of it.

    Both get the embeddings and the groups as they are. Losses that own weights need groups that
    are 0, 1, ..., num_classes - 1.

    Args:
        loss: A loss of pytorch-metric-learning.
        miner: A miner of pytorch-metric-learning, or None to let the loss see all pairs.

    Raises:
        ImportError: pytorch-metric-learning is not installed.
        TypeError: ``loss`` is not one of its losses, or ``miner`` not one of its miners.

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
                "PytorchMetricLearningWrapper needs the package pytorch-metric-learning. Install "
                "it with: pip install 'quaterion-core[pytorch-metric-learning]'"
            ) from error
        if not isinstance(loss, (BaseMetricLossFunction, BaseLossWrapper, MultipleLosses)):
            raise TypeError(
                "loss should be a loss of pytorch_metric_learning.losses, but is a "
                f"{type(loss).__name__}."
            )
        if miner is not None and not isinstance(miner, BaseMiner):
            raise TypeError(
                "miner should be a miner of pytorch_metric_learning.miners, but is a "
                f"{type(miner).__name__}."
            )
        self.loss = loss
        self.miner = miner

    def get_config_dict(self) -> dict[str, Any]:
        """Refuse: losses and miners of another library do not tell the arguments they had.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError(
            "PytorchMetricLearningWrapper has no configuration, since a foreign loss does not "
            "tell its arguments. Derive a class from it that builds the loss itself, and return "
            "its arguments from get_config_dict()."
        )

    def forward(self, embeddings: Tensor, groups: Tensor, **kwargs: Any) -> Tensor:
        """Compute the loss of embeddings (N, D) and their groups (N,); returns a scalar."""
        groups = self.check_batch(embeddings, groups)
        mined = None if self.miner is None else self.miner(embeddings, groups)
        loss: Tensor = self.loss(embeddings, groups, mined)
        return loss
