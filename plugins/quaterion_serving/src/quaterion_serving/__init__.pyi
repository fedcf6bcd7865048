from .export.graph import ExportError
from .export.onnx_export import OnnxExport, export_onnx
from .exported.files import ExportedModelError

__all__ = [
    "ExportError",
    "ExportedModelError",
    "OnnxExport",
    "export_onnx",
]
