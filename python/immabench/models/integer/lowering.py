"""From a quantized model to integers: each layer that an operator computes becomes a module, between them go codes."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from itertools import chain, count

import torch
from torch import fx

from immabench.models.integer import activations, conversions
from immabench.models.integer.forms import FLOATS, Dynamic, Form, Packed, Program, selects_codes, wanted_forms
from immabench.models.integer.layer_modules import layer_module
from immabench.models.integer.model import IntegerModel, Step
from immabench.models.integer.poolings import max_pooling_module
from immabench.models.integer.simulated import Simulated
from immabench.models.integer.supported import unsupported_layers
from immabench.quantize.attributes import arguments, copied, is_attribute, is_float, module_path, value
from immabench.quantize.layers import Layer
from immabench.quantize.operators import POOLINGS, attention_mask
from immabench.quantize.quantized import QuantizedModel
from immabench.quantize.quantizers import FLOAT_TYPES
from immabench.quantize.schemes import QuantizationParameters, TensorScheme

_aten = torch.ops.aten

IMAGE_READERS = {_aten.conv2d.default, _aten.max_pool2d.default, *POOLINGS}

WHOLE = (-128, 127)
"""The codes that epilogues end in: others are made of floats."""


def lower(quantized: QuantizedModel, kernel: str = "") -> IntegerModel:
    """`quantized` by `immabench.ops`, its weights packed once.

    `kernel` "" is the exact path on a CPU and the kernels predicted to be fastest on a GPU, "emulated" the kernels'
    source on the CPU. Layers that no operator computes stay simulated, and their steps say why.
    """
    return _Lowering(quantized).model(kernel)


@dataclass
class _Reader:
    """Who a form is made for: the layer whose step a conversion is counted with."""

    layer: str
    precision: str


class _Lowering:
    """One pass over the graph. `_made` has each value in the forms it has been made in, by node and form."""

    def __init__(self, quantized: QuantizedModel) -> None:
        self._quantized, self._source = quantized, quantized.traced.graph
        self._floats = quantized.recipe.floats
        self._dtype = FLOAT_TYPES[self._floats]
        unsupported = unsupported_layers(quantized)
        self._program = Program.of(quantized, unsupported)
        self._wanted = wanted_forms(self._source.graph, self._program)
        self._simulated = Simulated(quantized, self._program, unsupported)
        self._owner = self._simulated.parameters(copied(self._source))
        self._graph = fx.Graph(self._owner)
        self._graph.set_codegen(self._owner.graph._codegen)  # how inputs and outputs are nested
        self._made: dict[tuple[str, Form], fx.Node] = {}
        self._steps: dict[str, Step] = {}
        self._nodes = {node.name: node for node in self._source.graph.nodes}
        self._layer_at = {layer.output: layer for layer in self._program.layers.values()}

    def model(self, kernel: str) -> IntegerModel:
        """The whole model."""
        for node in self._owner.graph.nodes:
            source = self._nodes.get(node.name, node)
            if source.name not in self._program.inner:
                self._emit(node)
        self._graph.eliminate_dead_code()
        graph = fx.GraphModule(self._owner, self._graph)
        graph.delete_all_unused_submodules()
        present = {node.name for node in graph.graph.nodes}
        steps = {name: step for name, step in self._steps.items() if name in present}
        return IntegerModel(graph, steps, kernel)

    # ---- node by node

    def _emit(self, node: fx.Node) -> None:
        layer = self._layer_at.get(node.name)
        if layer is not None:
            self._emit_layer(layer)
        elif node.op == "placeholder":
            self._emit_input(node)
        elif node.op == "output":
            self._emit_output(node)
        elif self._wants(node) and selects_codes(node):
            self._emit_selection(node)
        elif self._layer_norm_form(node) is not None:
            self._emit_layer_norm(node)
        else:
            self._emit_floats(node)

    def _wants(self, node: fx.Node) -> list[QuantizationParameters]:
        wanted = self._wanted.get(node.name)
        return wanted.static if wanted else []

    def _emit_input(self, node: fx.Node) -> None:
        made = self._graph.node_copy(node)
        if is_float(node) and self._dtype != torch.float32:
            made = self._cast(made, self._dtype)
        self._made[node.name, FLOATS] = made

    def _emit_output(self, node: fx.Node) -> None:
        def widened(source: fx.Node) -> fx.Node:
            made = self._form(source, FLOATS)
            return made if self._dtype == torch.float32 or not is_float(source) else self._cast(made, torch.float32)

        self._graph.output(fx.node.map_arg(node.args[0], widened))

    def _cast(self, made: fx.Node, dtype: torch.dtype) -> fx.Node:
        return self._graph.call_function(_aten.to.dtype, (made, dtype))

    def _emit_floats(self, node: fx.Node) -> None:
        """The operator as it is; of a simulated layer what it reads as codes is what codes stand for."""
        layer, note = self._simulated.at(node)

        def read(source: fx.Node) -> fx.Node:
            made, quantizer = self._form(source, FLOATS), self._simulated.quantizer(node, source)
            return made if quantizer is None else self._call(f"simulated_{source.name}", quantizer, made)

        made = self._graph.node_copy(node, read)
        attention = self._simulated.attention(layer)
        if attention is not None:
            made.op, made.target = "call_module", self._add(made.name, attention)
        self._made[node.name, FLOATS] = made
        if node.op == "call_function":
            name = _step_name(layer.name if layer else module_path(node), node)
            self._note(made, Step(name, layer.name if layer else "", str(node.target), self._floats, note=note))

    def _emit_selection(self, node: fx.Node) -> None:
        """Of codes in each scale that is wanted; of floats too, where these are."""
        for form in self._wants(node):
            self._made[node.name, form] = self._selected(node, form)
        if self._wanted[node.name].floats:
            self._emit_floats(node)

    def _selected(self, node: fx.Node, form: QuantizationParameters) -> fx.Node:
        if node.target == _aten.max_pool2d.default:
            made = self._call(f"{node.name}_codes", max_pooling_module(node), self._form(node.args[0], form))
            self._note(made, Step(module_path(node) or node.name, "", "max_pool2d", f"A{_bits(form)}"))
            return made
        first = node.args[0]
        made = self._graph.node_copy(node, lambda one: self._form(one, form if one is first else FLOATS))
        _pad_with(made, form.zero_point)
        self._note(made, Step(_step_name(module_path(node), node), "", str(node.target), f"A{_bits(form)}"))
        return made

    # ---- forms of values

    def _form(self, node: fx.Node, form: Form, reader: _Reader | None = None) -> fx.Node:
        """A value in a form, converted where it has not been made so."""
        if (node.name, form) not in self._made:
            self._made[node.name, form] = self._converted(node, form, reader or _Reader("", self._floats))
        return self._made[node.name, form]

    def _converted(self, node: fx.Node, form: Form, reader: _Reader) -> fx.Node:
        made: torch.nn.Module
        source: Form = FLOATS
        if isinstance(form, QuantizationParameters):
            made = conversions.Quantize(form, image=_is_image(node))
        elif isinstance(form, Packed):
            made = conversions.Quantize(form.parameters, packed=True)
        elif isinstance(form, Dynamic):
            made = conversions.DynamicQuantize(form.scheme, form.by_token, form.packed)
        else:
            source = next(one for name, one in self._made if name == node.name)
            assert isinstance(source, QuantizationParameters), f"{node.name} has not been made"
            made = conversions.Dequantize(source, self._dtype)
        called = self._call(f"{node.name}_as", made, self._made[node.name, source])
        operator_name = {"Quantize": "quantize", "Dequantize": "dequantize"}.get(
            type(made).__name__, "quantize_dynamic"
        )
        name = f"{reader.layer or node.name}/{operator_name}"
        self._note(called, Step(name, reader.layer, operator_name, reader.precision, converts=True))
        return called

    def _operand(self, layer: Layer, role: str) -> fx.Node:
        """What a layer reads, in the form it reads it in."""
        operand = next(one for one in layer.operands if one.role == role)
        form = self._program.form_of.get((operand.reader, operand.node), FLOATS)
        precision = self._program.plans[layer.name].precision
        return self._form(self._nodes[operand.node], form, _Reader(layer.name, precision))

    def _ends_as(self, name: str) -> QuantizationParameters | None:
        """The codes that a layer's kernel ends in: those that all readers want."""
        wanted = self._wanted[name]
        one = wanted.static[0] if len(wanted.static) == 1 and not wanted.floats else None
        return one if one is not None and (one.qmin, one.qmax) == WHOLE else None

    # ---- layers

    def _emit_layer(self, layer: Layer) -> None:
        plan = self._program.plans[layer.name]
        output = self._ends_as(layer.output)
        module = layer_module(self._quantized, self._program, layer, self._nodes[layer.node], output)
        operands: list[fx.Node | None] = [self._operand(layer, operand.role) for operand in layer.operands]
        if layer.kind == "attention":
            operands.append(self._lengths(attention_mask(self._nodes[layer.node])))
        made = self._call(layer.name, module, *operands)
        self._note(made, Step(layer.name, layer.name, plan.operator, plan.precision, note=plan.fallback or plan.note))
        if layer.kind == "pooling" and output is None and self._dtype != torch.float32:
            made = self._cast(made, self._dtype)
        self._made[layer.output, output or FLOATS] = made

    def _lengths(self, mask: fx.Node | None) -> fx.Node | None:
        """How many keys a mask leaves, found once for all who read it."""
        if mask is None:
            return None
        key = f"{mask.name}.lengths"
        if (key, FLOATS) not in self._made:
            made = self._call(f"{mask.name}_lengths", activations.KeyLengths(), self._form(mask, FLOATS))
            self._note(made, Step(f"{mask.name}/lengths", "", "lengths", "int32"))
            self._made[key, FLOATS] = made
        return self._made[key, FLOATS]

    # ---- LayerNorm

    def _layer_norm_form(self, node: fx.Node) -> Form | None:
        """The codes that one kernel makes with a LayerNorm: the first that is asked for, or any, since the kernel's
        floats have the same bits everywhere."""
        if node.target != _aten.layer_norm.default or len(node.args[1]) != 1 or node.name not in self._wanted:
            return None
        if not all(is_attribute(arguments(node)[name]) for name in ("weight", "bias")):
            return None
        for form in self._wanted[node.name].forms:
            by_kernel = isinstance(form, Dynamic) and form.by_token and form.scheme.bits == 8
            if isinstance(form, QuantizationParameters) or by_kernel:
                return form
        return Dynamic(TensorScheme(8), by_token=True)

    def _emit_layer_norm(self, node: fx.Node) -> None:
        form = self._layer_norm_form(node)
        stated = arguments(node)
        gamma, beta = (value(self._owner, stated[name]) for name in ("weight", "bias"))
        wanted = self._wanted[node.name].forms
        given = (gamma, beta, stated["eps"], set(wanted) != {form})  # with floats where anything else is wanted
        if isinstance(form, Dynamic):
            module: torch.nn.Module = activations.DynamicLayerNorm(*given, form.scheme)
        else:
            assert isinstance(form, QuantizationParameters), "one of those that the kernel makes"
            module = activations.StaticLayerNorm(*given, form)
        both = self._call(f"{node.name}_codes", module, self._form(node.args[0], FLOATS))
        self._note(both, Step(module_path(node) or node.name, "", "layernorm_quantize", "A8"))
        for place, one in enumerate((form, FLOATS)):
            self._made[node.name, one] = self._graph.call_function(operator.getitem, (both, place))

    # ---- the new graph

    def _call(self, name: str, module: torch.nn.Module, *given: fx.Node | None) -> fx.Node:
        """A call of a new module, which is named so or nearly."""
        return self._graph.call_module(self._add(name, module), given)

    def _add(self, name: str, module: torch.nn.Module) -> str:
        """Make a module the owner's, by a name that nothing has."""
        name = f"integer_{name.replace('.', '_')}"
        free = next(one for one in chain([name], (f"{name}_{i}" for i in count(2))) if not hasattr(self._owner, one))
        self._owner.add_submodule(free, module)
        return free

    def _note(self, made: fx.Node, step: Step) -> None:
        self._steps[made.name] = step


def _step_name(path: str, node: fx.Node) -> str:
    """Where the node is from and what it does; what torch.export adds is of the model itself."""
    return f"{'' if path.startswith('_empty_nn_module') else path}/{str(node.target).split('.')[1]}".lstrip("/")


def _bits(form: QuantizationParameters) -> int:
    return (form.qmax - form.qmin + 1).bit_length() - 1


def _is_image(node: fx.Node) -> bool:
    """Whether a convolution or a pooling reads a value, behind what selects from it."""
    return any(user.target in IMAGE_READERS or (selects_codes(user) and _is_image(user)) for user in node.users)


def _pad_with(made: fx.Node, zero_point: int) -> None:
    """Codes are padded with that of 0."""
    if made.target == _aten.constant_pad_nd.default:
        made.args = (*made.args[:2], zero_point)
    elif made.target == _aten.pad.default:
        made.args = (*made.args[:2], "constant", float(zero_point))
