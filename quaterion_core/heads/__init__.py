"""Heads: layers that map the encoders' embeddings to the embedding of the model."""

from quaterion_core.heads.empty_head import EmptyHead
from quaterion_core.heads.encoder_head import EncoderHead
from quaterion_core.heads.gated_head import GatedHead
from quaterion_core.heads.hubness_reduction_head import HubnessReductionHead
from quaterion_core.heads.linear_projection_head import LinearProjectionHead
from quaterion_core.heads.query_and_document_head import QueryAndDocumentHead
from quaterion_core.heads.sequential_head import SequentialHead
from quaterion_core.heads.skip_connection_head import SkipConnectionHead
from quaterion_core.heads.softmax_head import SoftmaxEmbeddingsHead
from quaterion_core.heads.stacked_projection_head import StackedProjectionHead
from quaterion_core.heads.switch_head import SwitchHead
from quaterion_core.heads.widening_head import WideningHead

__all__ = [
    "EmptyHead",
    "EncoderHead",
    "GatedHead",
    "HubnessReductionHead",
    "LinearProjectionHead",
    "QueryAndDocumentHead",
    "SequentialHead",
    "SkipConnectionHead",
    "SoftmaxEmbeddingsHead",
    "StackedProjectionHead",
    "SwitchHead",
    "WideningHead",
]
