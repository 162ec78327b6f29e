"""torch as a runtime: the model's own module, eager or compiled by inductor, in fp32, fp16 or bf16."""

from __future__ import annotations

from importlib import metadata, util
from typing import TYPE_CHECKING, Any

from immabench.models.runtimes.base import Artifacts, Device, Inputs, LayerTiming, Logits, Needs, refused
from immabench.providers.base import Availability
from immabench.quantize.recipes import Recipe

if TYPE_CHECKING:
    import torch

DATA_TYPES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}


class TorchRuntime:
    """`compiled`: by torch.compile with sizes left open, so that one compilation serves all batches but that of one."""

    devices: tuple[Device, ...] = ("cpu", "cuda")
    needs: Needs = "module"

    def __init__(self, name: str = "torch", compiled: bool = False) -> None:
        self.name, self._compiled = name, compiled
        self.environment: dict[str, str] = {}

    def availability(self) -> Availability:
        if util.find_spec("torch") is None:
            return Availability(False, "torch is not installed", "pip install 'immabench[models]'")
        return Availability(True, f"torch {metadata.version('torch')}{', inductor' if self._compiled else ''}")

    def unsupported(self, recipe: Recipe) -> str:
        if not recipe.is_float:
            return "torch's own modules have no codes; runtime immabench, or onnxruntime, runs quantized recipes"
        return "torch runs the model as trained, not equalized" if recipe.methods.equalize else ""

    def prepare(self, artifacts: Artifacts, device: Device) -> TorchSession:
        return TorchSession(artifacts.module(), artifacts.recipe.floats, device, self._compiled)


class TorchSession:
    """A module in one type of floats on one device; images stay in the layout they come in, [n, c, h, w]."""

    def __init__(self, module: torch.nn.Module, floats: str, device: Device, compiled: bool) -> None:
        import torch

        self._dtype, self._device = getattr(torch, DATA_TYPES[floats]), torch.device(device)
        self._module = module.to(self._device, self._dtype).eval()
        self._precision, self._compiled = floats, compiled
        self._call: Any = torch.compile(self._module, dynamic=True) if compiled else self._module
        self.size_bytes = sum(
            tensor.numel() * tensor.element_size()
            for tensor in self._module.state_dict().values()
            if tensor.is_floating_point()
        )
        self.backend = self._describe()

    def run(self, inputs: Inputs) -> Logits:
        import torch

        try:
            with torch.inference_mode():
                logits: Logits = self._call(*map(self._placed, inputs)).float().cpu().numpy()
        except (RuntimeError, AssertionError, IndexError) as error:
            raise refused(inputs, error) from error
        return logits

    def inspect(self, inputs: Inputs) -> list[LayerTiming]:
        """By torch.profiler. What inductor made of a graph has no modules: it is one line, by its longest kernel."""
        from immabench.models.runtimes.torch_profile import profiled

        return profiled(self._module, lambda: self.run(inputs), self._precision, by_module=not self._compiled)

    def _placed(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.to(self._device, self._dtype if tensor.is_floating_point() else tensor.dtype)

    def _describe(self) -> str:
        import torch

        how = "inductor, sizes open" if self._compiled else "eager"
        common = f"torch {torch.__version__}, {how}, {self._precision}, NCHW"
        if self._device.type == "cuda":
            return f"{common}, {torch.cuda.get_device_name()}"
        return f"{common}, {torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} threads"
