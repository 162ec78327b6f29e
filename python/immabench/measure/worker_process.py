"""The sweep's side of the worker: start it, ask it with a time limit, restart it after a crash."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any


class WorkerCrashError(Exception):
    """The worker died with a request in flight; the text names the signal or the exit code."""


class WorkerTimeoutError(Exception):
    """The worker did not answer in time and was killed."""


class WorkerProcess:
    """One worker, started when first asked and again after it died or said that it is spent. A context manager:
    leaving it ends the worker.

    `module` is what it runs: one that calls `worker.serve`. `environment` are variables that it has where this process
    has none of their names.
    """

    def __init__(
        self, module: str = "immabench.measure.worker", environment: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self._module, self._environment = module, environment
        self._process: subprocess.Popen[bytes] | None = None
        self._pending = b""

    def __enter__(self) -> WorkerProcess:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def ask(self, request: dict[str, Any], timeout_seconds: float) -> dict[str, Any]:
        """The worker's answer. Raises WorkerCrashError or WorkerTimeoutError; the next call starts a fresh worker."""
        process = self._running()
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
            line = self._read_line(process, time.monotonic() + timeout_seconds)
        except BrokenPipeError:
            line = b""
        if not line:
            raise WorkerCrashError(self._cause_of_death(process))
        reply: dict[str, Any] = json.loads(line)
        if reply.pop("spent", False):
            self.stop()
        return reply

    def answer(self, request: dict[str, Any], timeout_seconds: float) -> dict[str, Any]:
        """As `ask`, with the worker's death as an answer too: `{"crashed": why}` or `{"timeout": why}`."""
        try:
            return self.ask(request, timeout_seconds)
        except WorkerTimeoutError:
            return {"timeout": f"no result within {timeout_seconds:g} s; raise --timeout or drop the case"}
        except WorkerCrashError as crash:
            return {"crashed": str(crash)}

    def kill(self) -> None:
        """End the worker from another thread than the one that asks; a request in flight ends as a crash."""
        process = self._process
        if process is not None:
            process.kill()

    def stop(self) -> None:
        """End the worker at once; nothing of a request in flight is kept."""
        if self._process is None:
            return
        process, self._process, self._pending = self._process, None, b""
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                # What was left to write went to a worker that is gone.
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is not None:
            self.stop()
        if self._process is None:
            command = [sys.executable, "-m", self._module]
            environment = {**self._environment, **os.environ}
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment)
        return self._process

    def _read_line(self, process: subprocess.Popen[bytes], deadline: float) -> bytes:
        """One line, or nothing where the worker closed its end."""
        assert process.stdout is not None
        while b"\n" not in self._pending:
            ready, _, _ = select.select([process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                self.stop()
                raise WorkerTimeoutError("no answer in time")
            chunk = process.stdout.read1(1 << 16)  # type: ignore[attr-defined]
            if not chunk:
                return b""
            self._pending += chunk
        line, _, self._pending = self._pending.partition(b"\n")
        return line

    def _cause_of_death(self, process: subprocess.Popen[bytes]) -> str:
        code = process.wait()
        self.stop()
        if code >= 0:
            return f"the worker exited with code {code}"
        return f"the worker was killed by {signal.Signals(-code).name}"
