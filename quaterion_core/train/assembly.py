"""Trainable models assembled from registered components, without a subclass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from quaterion_core.components import build_component
from quaterion_core.dataset.similarity_samples import SimilarityGroupSample, SimilarityPairSample
from quaterion_core.dataset.sources import samples_from
from quaterion_core.dataset.targets import stable_id
from quaterion_core.encoders.encoder import Encoder
from quaterion_core.eval.attached_metric import AttachedMetric
from quaterion_core.eval.metric_choices import attached_metrics
from quaterion_core.heads.encoder_head import EncoderHead
from quaterion_core.loss.similarity_loss import SimilarityLoss
from quaterion_core.model import DEFAULT_ENCODER_KEY, SimilarityModel
from quaterion_core.train.cache import CacheConfig
from quaterion_core.train.optimizers import OptimizerChoice, choose_optimizer
from quaterion_core.train.schedules import Schedule, build_schedule
from quaterion_core.train.trainable_model import TrainableModel
from quaterion_core.train.xbm import XbmConfig
from quaterion_core.utils.given import expected
from quaterion_core.utils.items import LazyItems, rereadable


@dataclass(frozen=True)
class ModelParts:
    """The parts of a trainable model.

    Attributes:
        encoders: Encoders by key.
        head: The head.
        loss: The loss.
        metrics: Metrics to log in training and validation.
        optimizer: The optimizer. Its parts are named as in a recipe: ``encoder`` or
            ``encoders.<key>``, ``head``, ``loss``.
        schedule: The learning rate schedule; constant without one.
        cache: How to cache the frozen encoders, if at all.
        xbm: Settings of a cross-batch memory; none by default.
    """

    encoders: Mapping[str, Encoder]
    head: EncoderHead
    loss: SimilarityLoss
    metrics: list[AttachedMetric]
    optimizer: OptimizerChoice
    schedule: Schedule | None = None
    cache: CacheConfig | None = None
    xbm: XbmConfig | None = None


class AssembledModel(TrainableModel):
    """A trainable model made of given parts.

    Args:
        parts: The parts.
    """

    def __init__(self, parts: ModelParts):
        self._given = parts  # which the constructor of the base asks for
        super().__init__()
        parts.optimizer.check_parts(self._named_parts())

    def configure_encoders(self) -> Mapping[str, Encoder]:
        """Return the given encoders."""
        return self._given.encoders

    def configure_head(self, input_embedding_size: int) -> EncoderHead:
        """Return the given head."""
        return self._given.head

    def configure_loss(self) -> SimilarityLoss:
        """Return the given loss."""
        return self._given.loss

    def configure_metrics(self) -> list[AttachedMetric]:
        """Return the given metrics."""
        return self._given.metrics

    def configure_caches(self) -> CacheConfig | None:
        """Return the given configuration of the cache."""
        return self._given.cache

    def configure_xbm(self) -> XbmConfig | None:
        """Return the given settings of a cross-batch memory."""
        return self._given.xbm

    def configure_optimizers(self) -> Any:
        """Return the chosen optimizer over all that is trainable, and the schedule."""
        self.trainable_parameters()  # raises an error if there are none
        optimizer = self._given.optimizer.build(self._named_parts())
        if self._given.schedule is None:
            return optimizer
        scheduler = self._given.schedule.scheduler(
            optimizer, self.trainer.estimated_stepping_batches
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

    def _named_parts(self) -> dict[str, nn.Module]:
        """Return the parts of the model as a recipe names them."""
        encoders = {
            "encoder" if key == DEFAULT_ENCODER_KEY else f"encoders.{key}": encoder
            for key, encoder in self.model.encoders.items()
        }
        return {**encoders, "head": self.model.head, "loss": self.loss}


def assemble(
    *,
    encoder: Any = None,
    encoders: Mapping[str, Any] | None = None,
    head: Any = "identity",
    loss: Any,
    metrics: Sequence[Any] | Mapping[str, Any] = (),
    optimizer: Any = "adam",
    schedule: Any = None,
    cache: CacheConfig | None = None,
    xbm: XbmConfig | None = None,
    data: Iterable[Any] | None = None,
) -> TrainableModel:
    """Build a trainable model; see :meth:`Quaterion.build <quaterion_core.Quaterion.build>`."""
    if (encoder is None) == (encoders is None):
        raise TypeError("Give either one encoder=... or several encoders={key: ...}.")
    for name, given, config in (("cache", cache, CacheConfig), ("xbm", xbm, XbmConfig)):
        if given is not None and not isinstance(given, config):
            advice = f"Pass {config.__name__}(...)."
            raise expected(name, f"of type {config.__name__}", given, advice)
    if encoders is not None and not isinstance(encoders, Mapping):
        raise expected("encoders", "a mapping from keys to encoders", encoders)
    if encoders is not None and not encoders:
        raise ValueError("Expected at least one encoder, got an empty mapping.")
    # Encoders may take minutes to build, so the quick checks come first.
    chosen_optimizer, chosen_schedule = choose_optimizer(optimizer), build_schedule(schedule)
    choices = encoders if encoders is not None else {DEFAULT_ENCODER_KEY: encoder}
    samples = None if data is None else rereadable(samples_from(data))
    objects = LazyItems(lambda: _objects(samples or ()))
    built = {
        key: build_component("encoder", choice, objects=objects) for key, choice in choices.items()
    }
    size = SimilarityModel.get_encoders_output_size(built)
    built_head = build_component("head", head, provided={"input_embedding_size": lambda: size})
    built_loss = build_component(
        "loss",
        loss,
        provided={
            "embedding_size": lambda: built_head.output_size,
            "num_groups": lambda: _count_groups(samples),
        },
    )
    return AssembledModel(
        ModelParts(
            built,
            built_head,
            built_loss,
            attached_metrics(metrics),
            chosen_optimizer,
            chosen_schedule,
            cache,
            xbm,
        )
    )


def _objects(samples: Iterable[Any]) -> Iterator[Any]:
    for sample in samples:
        if isinstance(sample, SimilarityPairSample):
            yield sample.obj_a
            yield sample.obj_b
        else:
            yield sample.obj


def _count_groups(samples: Iterable[Any] | None) -> int:
    if samples is None or not isinstance(next(iter(samples), None), SimilarityGroupSample):
        raise TypeError(
            "The loss needs num_groups. Pass it, or pass the training samples of groups as data=..."
        )
    return len({stable_id(sample.group) for sample in samples})
