"""What an engine does not do quite as the recipe says, a line each."""

from __future__ import annotations

from immabench.export.engines import Engine, as_integers
from immabench.quantize.plans import LayerPlan
from immabench.quantize.quantized import QuantizedModel


def notes(engine: Engine, quantized: QuantizedModel) -> tuple[str, ...]:
    """Everything there is to say of a quantized model in an engine."""
    recipe, plans = quantized.recipe, quantized.plans
    activations = [plan.activations for plan in plans if plan.activations]
    of_static = [one for one in activations if one.scales == "static"]
    found = [one for one in activations if one.scales != "static"]
    widened = sum(_is_widened(plan) for plan in plans)
    alone = any(plan.weights and not plan.activations for plan in plans)
    asymmetric = any(one.scales == "tensor" and one.bits == 8 and not one.symmetric for one in found)
    said = (
        (
            engine.name == "tensorrt" and bool(of_static),
            "TensorRT saturates at code -128, symmetric recipes at -127",
        ),
        (widened > 0, f"{widened} layers have weights of 4 bits or less as int8, which is what is multiplied"),
        (
            engine.name == "onnxruntime" and recipe.floats == "bf16",
            "onnxruntime's CPU provider does not run bf16; evaluate it here, or run the model on another provider",
        ),
        (
            engine.name == "onnxruntime" and alone,
            "onnxruntime's MatMulNBits rounds activations to int8 unless session.qdq_matmulnbits_accuracy_level is 1",
        ),
        (
            bool(found) and not asymmetric,
            "only asymmetric 8-bit scales of a tensor are ONNX's DynamicQuantizeLinear; these are several operators",
        ),
        (bool(found), "ranges found when running are of finite values; NaN and infinities are not left out of them"),
    )
    return tuple(text for applies, text in said if applies)


def _is_widened(plan: LayerPlan) -> bool:
    return plan.weights is not None and plan.weights.bits <= 4 and as_integers(plan)
