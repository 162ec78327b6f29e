"""ONNX Runtime as a runtime: an ONNX file with one execution provider, all graph optimizations, torch's threads."""

from __future__ import annotations

import tempfile
from importlib import util
from pathlib import Path
from typing import Any

from immabench.errors import ImmabenchError, UsageError
from immabench.models.runtimes.base import (
    PROFILED_RUNS,
    WARM_RUNS,
    Artifacts,
    Device,
    Inputs,
    LayerTiming,
    Logits,
    Needs,
    refused,
)
from immabench.providers.base import Availability
from immabench.quantize.recipes import Recipe

FATAL = 4
"""Of ONNX Runtime's log levels: what is an error comes as an exception, and is said once."""


class OnnxRuntime:
    """One execution provider of ONNX Runtime; operators it has not are run by the CPU's, and inspection shows it."""

    def __init__(self, name: str, provider: str, device: Device) -> None:
        self.name, self._provider = name, provider
        self.devices: tuple[Device, ...] = (device,)
        self.environment: dict[str, str] = {}
        self.needs: Needs = "tensorrt" if provider.startswith("Tensorrt") else "onnxruntime"

    def availability(self) -> Availability:
        if util.find_spec("onnxruntime") is None:
            return Availability(False, "onnxruntime is not installed", "pip install 'immabench[models]'")
        providers = _module().get_available_providers()
        if self.devices == ("cuda",) and not _has_gpu():
            return Availability(
                False, "no CUDA device is here", "run onnxruntime, which computes on the CPU", hardware=True
            )
        if self._provider in providers:
            return Availability(True, f"onnxruntime {_version()}, {self._provider}")
        return Availability(
            False,
            f"onnxruntime {_version()} has no {self._provider}, only {', '.join(providers)}",
            "install onnxruntime-gpu in the place of onnxruntime",
        )

    def unsupported(self, recipe: Recipe) -> str:
        if recipe.floats == "bf16" and self.devices == ("cpu",):
            return "ONNX Runtime has no kernels of bf16 on CPUs; runtime torch has"
        return ""

    def prepare(self, artifacts: Artifacts, device: Device) -> OnnxSession:
        return OnnxSession(artifacts.onnx_file, self._provider)


class OnnxSession:
    """A file loaded with a provider. Raises UsageError for a file that is damaged or no model."""

    def __init__(self, path: Path, provider: str) -> None:
        self._path, self._provider = path, provider
        self._session = self._load(_options())
        self._names = [one.name for one in self._session.get_inputs()]
        self.size_bytes = path.stat().st_size
        self.backend = self._describe()

    def run(self, inputs: Inputs) -> Logits:
        return self._run(self._session, inputs)

    def inspect(self, inputs: Inputs) -> list[LayerTiming]:
        """By the profiler of ONNX Runtime, in a session of its own."""
        from immabench.models.runtimes.onnx_profile import read_profile

        with tempfile.TemporaryDirectory() as folder:
            options = _options()
            options.enable_profiling = True
            options.profile_file_prefix = str(Path(folder) / "profile")
            session = self._load(options)
            for _ in range(WARM_RUNS + PROFILED_RUNS):
                self._run(session, inputs)
            return read_profile(Path(session.end_profiling()), self._path, PROFILED_RUNS)

    def _run(self, session: Any, inputs: Inputs) -> Logits:
        if len(inputs) != len(self._names):
            raise UsageError(
                f"{self._path} has {len(self._names)} inputs, the model {len(inputs)}", "give the model's own file"
            )
        feeds = {name: tensor.numpy() for name, tensor in zip(self._names, inputs, strict=True)}
        try:
            logits: Logits = session.run(None, feeds)[0]
        except Exception as error:  # its exceptions have no common base
            if type(error).__name__ == "InvalidArgument":
                raise refused(inputs, _told(error)) from error
            raise ImmabenchError(
                f"ONNX Runtime fails in {self._path.name} ({_told(error)})", "export it again"
            ) from error
        return logits

    def _load(self, options: Any) -> Any:
        chain = ["TensorrtExecutionProvider", "CUDAExecutionProvider"] if "Tensorrt" in self._provider else []
        wanted = [*(chain or [self._provider] * (self._provider != "CPUExecutionProvider")), "CPUExecutionProvider"]
        try:
            session = _module().InferenceSession(str(self._path), options, providers=wanted)
        except Exception as error:
            raise UsageError(
                f"{self._path} is no model for ONNX Runtime ({_told(error)})", "export it again"
            ) from error
        if session.get_providers()[0] != self._provider:
            raise ImmabenchError(
                f"ONNX Runtime left out {self._provider}, and would run on {session.get_providers()[0]}",
                "install the libraries that it needs: onnxruntime.preload_dlls()",
            )
        return session

    def _describe(self) -> str:
        threads = f", {self._session.get_session_options().intra_op_num_threads} threads"
        return f"onnxruntime {_version()}, {', '.join(self._session.get_providers())}{threads}"


def _told(error: Exception) -> str:
    """What an exception of ONNX Runtime says, in a line without its prefix "[ONNXRuntimeError] : 7 : NAME : "."""
    text = " ".join(str(error).split())
    return text.split(" : ", 3)[-1] if text.startswith("[ONNXRuntimeError]") else text


def _module() -> Any:
    import onnxruntime

    return onnxruntime


def _version() -> str:
    return str(_module().__version__)


def _options() -> Any:
    """Sequential, as many threads as torch has, all optimizations, nothing printed."""
    import torch

    ort = _module()
    options = ort.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = FATAL
    return options


def _has_gpu() -> bool:
    """Whether the CUDA driver lists a device; False where the native module cannot ask it."""
    from immabench.hardware import cuda_state

    state = cuda_state()
    return state["status"] == 0 and bool(state["devices"])
