"""A metric with the name and the options for logging it during training."""

from __future__ import annotations

from typing import Any, Final

from quaterion_core.eval.base_metric import BaseMetric
from quaterion_core.plugins.nearest import unknown_name
from quaterion_core.utils.enums import TrainStage

_LOG_OPTIONS: Final = (
    "logger",
    "prog_bar",
    "on_step",
    "on_epoch",
    "reduce_fx",
    "enable_graph",
    "sync_dist",
    "sync_dist_group",
    "add_dataloader_idx",
    "batch_size",
    "metric_attribute",
    "rank_zero_only",
)
"""The arguments of ``LightningModule.log`` beside name and value."""


class AttachedMetric:
    """Metric of a :class:`~quaterion_core.train.TrainableModel`, with its logging options.

    Attributes that it does not have, such as ``update``, ``compute``, ``evaluate`` and ``reset``,
    are those of the metric.

    Args:
        name: Name to log the metric under, followed by ``_train``, ``_validation`` or ``_test``.
        metric: The metric.
        logger: Whether to log it to the trainer's logger.
        prog_bar: Whether to show it in the progress bar.
        on_step: Whether to log each training step; ``None`` leaves it to Lightning.
        on_epoch: Whether to log the mean over an epoch; ``None`` leaves it to Lightning.
        **log_options: Other arguments of ``LightningModule.log``.

    Raises:
        TypeError: ``metric`` is not a metric, or ``LightningModule.log`` has no such argument.

    Example:
        >>> from quaterion_core.eval.pair import RetrievalPrecision
        >>> attached = AttachedMetric("p@5", RetrievalPrecision(k=5), prog_bar=True)
        >>> attached.log_options
        {'logger': True, 'prog_bar': True, 'on_step': None, 'on_epoch': None}
        >>> attached.k
        5
    """

    def __init__(
        self,
        name: str,
        metric: BaseMetric,
        logger: bool = True,
        prog_bar: bool = False,
        on_step: bool | None = None,
        on_epoch: bool | None = None,
        **log_options: Any,
    ):
        if not isinstance(metric, BaseMetric):
            raise TypeError(
                f"Expected the metric {name!r} to be an instance of PairMetric or GroupMetric, "
                f"got {metric!r:.80}."
            )
        for option in log_options:
            if option not in _LOG_OPTIONS:
                known = ("name", "metric", *_LOG_OPTIONS)
                statement = "AttachedMetric has no argument"
                raise TypeError(unknown_name(statement, option, known, known_as="It takes"))
        self.name = name
        self.metric = metric
        self.log_options = {
            "logger": logger,
            "prog_bar": prog_bar,
            "on_step": on_step,
            "on_epoch": on_epoch,
            **log_options,
        }

    def __getattr__(self, name: str) -> Any:
        if name == "metric" or name.startswith("__"):  # a copy asks before it has a metric
            raise AttributeError(name)
        try:
            return getattr(self.metric, name)
        except AttributeError as error:
            raise AttributeError(
                f"`AttachedMetric` object (<{self.name}>) has no attribute <{name}>, and neither "
                f"has its metric, a {type(self.metric).__name__}."
            ) from error

    @property
    def stages(self) -> list[TrainStage]:
        """The stages of a training run in which the metric is computed and logged."""
        return [TrainStage.TRAIN, TrainStage.VALIDATION]
