from .export.graph import ExportError
from .export.onnx_export import OnnxExport, export_onnx
from .export.sentence_transformers_export import (
    SentenceTransformersExport,
    export_sentence_transformers,
)
from .export.torch_export import TorchExport, TorchModel, export_torch
from .exported.files import ExportedModelError
from .hub import load_from_hub, push_to_hub

__all__ = [
    "ExportError",
    "ExportedModelError",
    "OnnxExport",
    "SentenceTransformersExport",
    "TorchExport",
    "TorchModel",
    "export_onnx",
    "export_sentence_transformers",
    "export_torch",
    "load_from_hub",
    "push_to_hub",
]
