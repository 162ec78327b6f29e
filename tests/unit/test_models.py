"""The models' suites: the committed files are what tracing gives, and their totals are what the papers' tables give."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict

import pytest

from immabench.errors import NothingSelectedError, UsageError
from immabench.models import Model, get_model, list_models, torch_compat
from immabench.suites import Suite, load_suite

MODELS = pytest.mark.parametrize("model", list_models(), ids=lambda model: model.name)


def needs_libraries(model: Model) -> None:
    """Skip, saying how to install them, where the libraries of `model` are missing."""
    missing = [library for library in ("torch", *model.libraries) if not torch_compat.is_installed(library)]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed: pip install 'immabench[models]'")


def macs_by_variant(suite: Suite) -> dict[str, int]:
    """Multiply-accumulates of one run of each variant, read from the suite file alone."""
    totals: dict[str, int] = defaultdict(int)
    for spec in suite.specs:
        totals[spec.name.split("/")[0]] += spec.calls * (spec.batch or 1) * spec.m[0] * spec.n[0] * spec.k[0]
    return dict(totals)


def resnet18_macs() -> int:
    """Convolutions and classifier for one 224x224 image: output size, channels, taps of table 1, He et al. 2015."""
    stem = 112**2 * 64 * (3 * 49)
    stage1 = 56**2 * 64 * 4 * (64 * 9)
    stage2 = 28**2 * 128 * (64 * 9 + 3 * 128 * 9 + 64)
    stage3 = 14**2 * 256 * (128 * 9 + 3 * 256 * 9 + 128)
    stage4 = 7**2 * 512 * (256 * 9 + 3 * 512 * 9 + 256)
    return stem + stage1 + stage2 + stage3 + stage4 + 512 * 1000


def distilbert_macs(batch: int, length: int) -> int:
    """Six layers of width 768 and 3072: linear layers a token, attention a pair of tokens, the head a sequence."""
    token = 6 * (4 * 768**2 + 2 * 768 * 3072)
    attention = 6 * 2 * 768 * length**2
    head = 768**2 + 768 * 2
    return batch * (length * token + attention + head)


def test_resnet18_has_the_multiplications_of_its_paper() -> None:
    assert resnet18_macs() == 1_814_073_344
    expected = {f"b{batch}": batch * resnet18_macs() for batch in (1, 8, 32)}
    assert macs_by_variant(load_suite("resnet18")) == expected


def test_resnet18_has_21_layers_in_each_variant() -> None:
    calls: dict[str, int] = defaultdict(int)
    for spec in load_suite("resnet18").specs:
        calls[spec.name.split("/")[0]] += spec.calls
    assert dict(calls) == {"b1": 21, "b8": 21, "b32": 21}


def test_distilbert_has_the_multiplications_of_its_dimensions() -> None:
    shapes = [(1, 32), (1, 128), (8, 128), (32, 128)]
    expected = {f"b{batch}s{length}": distilbert_macs(batch, length) for batch, length in shapes}
    assert macs_by_variant(load_suite("distilbert")) == expected


def test_attention_is_a_batch_of_products_a_layer() -> None:
    specs = {spec.name: spec for spec in load_suite("distilbert").specs if ":" in spec.name}
    scores = specs["b8s128/distilbert.transformer.layer.{0-5}.attention:qk"]
    assert (scores.m, scores.n, scores.k, scores.batch, scores.calls) == ((128,), (128,), (64,), 96, 6)
    values = specs["b8s128/distilbert.transformer.layer.{0-5}.attention:pv"]
    assert (values.m, values.n, values.k, values.batch, values.calls) == ((128,), (64,), (128,), 96, 6)
    assert not scores.bias
    assert not values.bias


@MODELS
def test_committed_suite_is_what_tracing_gives(model: Model) -> None:
    needs_libraries(model)
    from immabench.models.traced_suite import suite_text

    committed = load_suite(model.name).path.read_text(encoding="utf-8")
    assert committed == suite_text(model), f"run `immabench suites trace {model.name} --write`"


@MODELS
def test_tracing_misses_nothing_that_torch_counts(model: Model) -> None:
    needs_libraries(model)
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from immabench.models.traced_suite import trace_model

    gemms = trace_model(model)
    for label, shape in model.variants.items():
        with torch.device("meta"), FlopCounterMode(display=False) as counter:
            model.build()(model.example(shape))
        assert 2 * sum(gemm.macs for gemm in gemms[label]) == counter.get_total_flops()


def test_models_are_known_by_name() -> None:
    assert [model.name for model in list_models()] == ["distilbert", "resnet18", "resnet18-conv"]
    assert get_model("resnet18").name == "resnet18"
    with pytest.raises(NothingSelectedError, match="resnet18"):
        get_model("resnet19")


def run_python(code: str) -> str:
    """Standard output of `code` in a fresh interpreter."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_looking_at_models_and_suites_loads_no_torch() -> None:
    code = "import sys, immabench.models, immabench.suites as s; s.list_suites(); print('torch' in sys.modules)"
    assert run_python(code) == "False"


@pytest.mark.parametrize("library", ["torchvision", "transformers"])
def test_libraries_import_beside_this_torch(library: str) -> None:
    if not (torch_compat.is_installed("torch") and torch_compat.is_installed(library)):
        pytest.skip(f"{library} is not installed: pip install 'immabench[models]'")
    code = (
        f"import gc; from immabench.models.torch_compat import import_{library} as load; load(); load(); gc.collect()\n"
        "import torch, torchvision; print(torch.ops.torchvision.nms is not None)"
    )
    assert run_python(code) == "True"


def test_nothing_is_declared_where_the_native_library_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_compat, "_declared", [])
    monkeypatch.setattr(torch_compat, "_native_library_loads", lambda: True)
    torch_compat._declare_missing_operators()
    assert torch_compat._declared == []


def test_a_missing_library_is_one_line_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_compat, "is_installed", lambda library: False)
    with pytest.raises(UsageError, match=r"transformers is not installed; pip install 'immabench\[models\]'"):
        torch_compat.import_transformers()
