from .export.graph import ExportError
from .export.onnx_export import OnnxExport, export_onnx
from .export.sentence_transformers_export import (
    SentenceTransformersExport,
    export_sentence_transformers,
)
from .exported.files import ExportedModelError

__all__ = [
    "ExportError",
    "ExportedModelError",
    "OnnxExport",
    "SentenceTransformersExport",
    "export_onnx",
    "export_sentence_transformers",
]
