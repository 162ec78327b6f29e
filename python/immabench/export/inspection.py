"""What ONNX Runtime stores between layers: the codes of an exported model, by the operands that read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx

from immabench.export.onnx_model import to_onnx
from immabench.export.sums import sum_parameters
from immabench.quantize.quantized import QuantizedModel
from immabench.quantize.schemes import QuantizationParameters

if TYPE_CHECKING:
    import torch

HIGHER = 128
"""Codes for ONNX Runtime are unsigned, so much above those of the recipe."""

ERRORS_ALONE = 3
"""Of its levels of messages."""


def codes_by_onnxruntime(quantized: QuantizedModel, *inputs: torch.Tensor) -> dict[str, np.ndarray]:
    """int8 codes of one run by the name of the operand that reads them first, images NCHW. Sums are exact, on
    processors without VNNI too."""
    model = to_onnx(quantized)
    codes = _codes_of_operands(model)
    for name in dict.fromkeys(codes.values()):
        model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.UINT8, None))
    session = _session(model)
    feeds = {given.name: tensor.numpy() for given, tensor in zip(session.get_inputs(), inputs, strict=True)}
    values = dict(
        zip(dict.fromkeys(codes.values()), session.run(list(dict.fromkeys(codes.values())), feeds), strict=True)
    )
    return {operand: (values[name].astype(np.int16) - HIGHER).astype(np.int8) for operand, name in codes.items()}


def sums_of_layers(quantized: QuantizedModel) -> dict[str, QuantizationParameters]:
    """The codes that sums are rounded to before a residual is added, by layer."""
    parameters = quantized.parameters_of
    stored = {
        operand.stored: parameters[operand.name]
        for layer in quantized.traced.layers
        for operand in layer.operands
        if operand.name in parameters
    }
    found: dict[str, QuantizationParameters] = {}
    for layer in quantized.traced.layers:
        if layer.residual is not None and layer.residual.name in parameters and layer.output in stored:
            rectified = any(one in layer.fused for one in ("relu", "relu6"))
            found[layer.name] = sum_parameters(stored[layer.output], parameters[layer.residual.name], rectified)
    return found


def _codes_of_operands(model: onnx.ModelProto) -> dict[str, str]:
    """The tensor of codes that is decoded for each operand; of several the first, before anything selects from it."""
    constants = {one.name for one in model.graph.initializer}
    found: dict[str, str] = {}
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] not in constants:
            found.setdefault(node.name.rpartition("/")[0], node.input[0])
    return found


def _session(model: onnx.ModelProto) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = ERRORS_ALONE
    options.add_session_config_entry("session.x64quantprecision", "1")
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
