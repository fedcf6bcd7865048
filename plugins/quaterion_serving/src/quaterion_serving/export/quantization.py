"""int8 weights of an exported graph, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from quaterion_core import SimilarityModel
from quaterion_core.dataset import SimilarityPairSample
from quaterion_core.dataset.text_roles import RoleText
from quaterion_core.encoders import Encoder
from quaterion_core.eval.metric_choices import attached_metrics
from quaterion_core.heads import EmptyHead
from quaterion_core.recipe.evaluate import (
    EvaluationData,
    EvaluationSamples,
    evaluated,
    evaluation_samples,
)
from quaterion_serving.export.graph import ExportError
from quaterion_serving.export.quiet import quiet
from quaterion_serving.exported.files import ONNX_FILE
from quaterion_serving.exported.model import ExportedModel

PAIRS_METRIC: Final = {"name": "retrieval-precision", "k": 1}
GROUPS_METRIC: Final = {"name": "recall-at-k", "k": 1}


@dataclass(frozen=True)
class QualityLoss:
    """The quality of int8 beside that of float32.

    Attributes:
        metric: Name of the metric.
        float32: Its value for float32.
        int8: Its value for int8.
        queries: Number of queries that it is measured on.
    """

    metric: str
    float32: float
    int8: float
    queries: int


def quantize(
    folder: Path,
    model: SimilarityModel,
    *,
    data: str | Path | Mapping[str, Any] | None,
    columns: Mapping[str, Any] | None,
    recipe: Any,
    most: float,
) -> QualityLoss:
    """Replace the graph in a folder by one with int8 weights, one scale per output channel.

    Args:
        folder: The folder of an exported model.
        model: The model.
        data: What to measure the loss on; see :func:`quaterion_core.evaluate_recipe`.
        columns: See there.
        recipe: See there.
        most: The largest loss.

    Raises:
        ExportError: The loss is larger.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    from quaterion_serving.onnx_runner import OnnxModel

    given = _with_metric(evaluation_samples(model, recipe, data=data, columns=columns))
    before = evaluated(_as_model(OnnxModel(folder)), given)
    graph = folder / ONNX_FILE
    quantized = folder / f"int8.{ONNX_FILE}"
    with quiet():
        quantize_dynamic(graph, quantized, per_channel=True, weight_type=QuantType.QInt8)
    quantized.replace(graph)
    after = evaluated(_as_model(OnnxModel(folder)), given)
    (name,) = before.metrics
    loss = QualityLoss(name, before.metrics[name], after.metrics[name], before.queries)
    if not loss.float32 - loss.int8 <= most:
        raise ExportError(
            f"int8 lowers {name} from {loss.float32:.4f} to {loss.int8:.4f}, by "
            f"{loss.float32 - loss.int8:.4f}, more than max_loss (--max-loss) {most:g} allows. "
            "Nothing was written. Export float32, or allow more."
        )
    return loss


def _with_metric(given: EvaluationSamples) -> EvaluationData:
    """Choose the metric by the kind of the samples."""
    is_pairs = isinstance(given.samples[0], SimilarityPairSample)
    choice = PAIRS_METRIC if is_pairs else GROUPS_METRIC
    return EvaluationData(**vars(given), metrics=attached_metrics([choice]))


def _as_model(exported: ExportedModel) -> SimilarityModel:
    encoder = _Exported(exported)
    return SimilarityModel(encoder, EmptyHead(encoder.embedding_size)).eval()


class _Exported(Encoder):
    """An exported model as an encoder, for what evaluates models."""

    trainable = False

    def __init__(self, exported: ExportedModel):
        super().__init__()
        self.exported = exported

    @property
    def embedding_size(self) -> int:
        return self.exported.embedding_size

    def get_collate_fn(self) -> Any:
        return list

    def forward(self, batch: Any) -> Tensor:
        embeddings = torch.empty(len(batch), self.embedding_size)
        roles = [value.role if isinstance(value, RoleText) else None for value in batch]
        for role in dict.fromkeys(roles):
            rows = [row for row, own in enumerate(roles) if own == role]
            found = self.exported.encode([batch[row] for row in rows], len(rows), role=role)
            embeddings[rows] = torch.from_numpy(found)
        return embeddings
