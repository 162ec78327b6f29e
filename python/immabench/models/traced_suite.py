"""Turn a traced model into a suite file: identical shapes merged, text the same on every machine."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from immabench.models.layer_names import summarize
from immabench.models.spec import Model
from immabench.models.torch_compat import require
from immabench.models.tracing import TracedGemm, trace


@dataclass(frozen=True)
class TracedCase:
    """A `[[cases]]` entry: one shape of one variant, its layers in the name, `calls` products in a run of the model."""

    name: str
    m: int
    n: int
    k: int
    calls: int
    options: tuple[tuple[str, str | int | bool], ...]
    """What differs from the model's own options."""


def trace_model(model: Model) -> dict[str, list[TracedGemm]]:
    """Each variant of `model` with its products. Raises UsageError where torch or the model's library is missing."""
    torch = require("torch")
    with torch.device("meta"):
        module = model.build()
        return {label: trace(module, model.example(shape)) for label, shape in model.variants.items()}


def traced_cases(model: Model) -> list[TracedCase]:
    """The cases of `model`'s suite: variants as given, shapes in the order they first run."""
    return [case for label, gemms in trace_model(model).items() for case in _merged(model, label, gemms)]


def suite_text(model: Model) -> str:
    """`model`'s suite file."""
    head = [f"# Made by `immabench suites trace {model.name} --write`: run it again instead of editing."]
    head += [f"# {note}" for note in model.notes]
    about = {"name": model.name, "description": model.description, "source": model.source}
    tables = [_table("[suite]", about.items()), _table("[defaults]", model.options.items())]
    tables += [_table("[[cases]]", _entries(case)) for case in traced_cases(model)]
    return "\n\n".join(["\n".join(head), *tables]) + "\n"


def _merged(model: Model, label: str, gemms: Iterable[TracedGemm]) -> list[TracedCase]:
    """One case for each kind of product; its calls are those of all layers."""
    layers: dict[TracedGemm, Counter[str]] = {}
    for gemm in gemms:
        bias = gemm.bias or (model.folds_batch_norm and gemm.kind == "convolution")
        conv = gemm.conv if model.keeps_convolutions else ""
        layers.setdefault(replace(gemm, name="", bias=bias, conv=conv), Counter())[gemm.name] += 1
    return [_case(model, label, product, calls) for product, calls in layers.items()]


def _case(model: Model, label: str, product: TracedGemm, calls: Counter[str]) -> TracedCase:
    name = f"{label}/{summarize(calls)}"
    options: dict[str, str | int | bool] = {"conv": product.conv} if product.conv else {}
    if product.batch > 1:
        options["batch"] = product.batch
    if product.bias != model.options["bias"]:
        options["bias"] = product.bias
    return TracedCase(name, product.m, product.n, product.k, calls.total(), tuple(options.items()))


def _entries(case: TracedCase) -> Iterable[tuple[str, str | int | bool]]:
    yield from (("name", case.name), ("m", case.m), ("n", case.n), ("k", case.k), ("calls", case.calls))
    yield from case.options


def _table(header: str, entries: Iterable[tuple[str, str | int | bool]]) -> str:
    return "\n".join([header, *(f"{key} = {_toml(value)}" for key, value in entries)])


def _toml(value: str | int | bool) -> str:
    """A TOML value; a JSON string is a TOML basic string."""
    return json.dumps(value, ensure_ascii=False)
