"""Quantized models as files of other tools: ONNX with Q/DQ, in the patterns that an engine makes integer kernels of.

    exported = export_onnx(quantized, Path("model.onnx"), engine="onnxruntime")

Importing this imports torch and onnx. docs/export.md says what each engine gets.
"""

from immabench.export.engines import ENGINES, engine_named
from immabench.export.onnx_model import Exported, export_onnx, to_onnx

__all__ = ["ENGINES", "Exported", "engine_named", "export_onnx", "to_onnx"]
