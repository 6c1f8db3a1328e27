"""A module loaded in PyTorch."""

from __future__ import annotations

import tempfile
import threading
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ipfs_accelerate.errors import InferenceError
from ipfs_accelerate.hardware import Precision
from ipfs_accelerate.runtimes._loading import failure
from ipfs_accelerate.runtimes._session import BaseSession
from ipfs_accelerate.runtimes.protocol import RunProfile
from ipfs_accelerate.runtimes.torch._evidence import placement_from_trace
from ipfs_accelerate.runtimes.torch._library import library, synchronize, torch_name
from ipfs_accelerate.runtimes.torch._profile import RUN, named_layers, operators_from_trace
from ipfs_accelerate.telemetry import MonotonicClock

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from ipfs_accelerate.runtimes.protocol import Placement, SessionInfo

__all__ = ["TorchSession"]

_WARMUP_RUNS = 2
_ERRORS = (RuntimeError, ValueError, TypeError, IndexError, MemoryError)
# Precision switches and thread counts are global to PyTorch: sessions that set them take turns.
_turn = threading.RLock()


class TorchSession(BaseSession):
    """See `Session`; runs on an accelerator or of compiled modules take turns."""

    def __init__(
        self,
        info: SessionInfo,
        module: Any,  # noqa: ANN401 (an untyped library)
        *,
        threads: int,
        compiled: bool,
    ) -> None:
        super().__init__(info)
        self._module = module
        self._threads = threads
        self._device = info.target.device
        self._is_cpu = self._device == "cpu"
        self._lock: AbstractContextManager[object] = (
            _turn if compiled or not self._is_cpu else nullcontext()
        )
        self._names = tuple(spec.name for spec in info.outputs)
        self._held = {
            t.untyped_storage().data_ptr() for t in (*module.parameters(), *module.buffers())
        }

    def _execute(self, arrays: list[np.ndarray]) -> dict[str, np.ndarray]:
        module = self._module
        if module is None:
            raise self._closed_error()
        torch = library()
        try:
            with self._lock, torch.inference_mode():
                self._set_globals(torch)
                tensors = [torch.from_numpy(a if a.flags.writeable else a.copy()) for a in arrays]
                if not self._is_cpu:
                    return self._on_accelerator(module, tensors)
                outputs = module(*tensors)
                held = self._held | {t.untyped_storage().data_ptr() for t in tensors}
                return {
                    name: _owned(tensor, held)
                    for name, tensor in zip(self._names, outputs, strict=True)
                }
        except _ERRORS as error:
            raise failure(error, InferenceError, f"{self._info.target} failed") from error

    def _set_globals(self, torch: Any) -> None:  # noqa: ANN401
        if self._is_cpu:
            if torch.get_num_threads() != self._threads:
                torch.set_num_threads(self._threads)
            return
        wanted = "tf32" if self._info.target.precision is Precision.TF32 else "ieee"
        if torch.backends.cuda.matmul.fp32_precision != wanted:
            torch.backends.cuda.matmul.fp32_precision = wanted
            torch.backends.cudnn.fp32_precision = wanted

    def _on_accelerator(self, module: Any, tensors: list[Any]) -> dict[str, np.ndarray]:  # noqa: ANN401
        device = torch_name(self._device)
        synchronize(self._device)
        outputs = module(*(t.to(device) for t in tensors))
        synchronize(self._device)
        return {n: t.cpu().numpy() for n, t in zip(self._names, outputs, strict=True)}

    def _profile(self, arrays: list[np.ndarray]) -> Placement:
        self._execute(arrays)  # the profile shows a steady run, not a compilation
        with self._profiler(library()) as profile:
            self._execute(arrays)
        with tempfile.TemporaryDirectory(prefix="ipfs-accelerate-profile-") as folder:
            path = Path(folder) / "trace.json"
            profile.export_chrome_trace(str(path))
            return placement_from_trace(path, self._device)

    def _profiler(self, torch: Any) -> Any:  # noqa: ANN401
        kinds = torch.profiler.ProfilerActivity
        activities = [kinds.CPU]
        extra = {"cuda": "CUDA", "xpu": "XPU"}.get(torch_name(self._device).partition(":")[0])
        if extra:
            activities.append(getattr(kinds, extra))
        return torch.profiler.profile(activities=activities, record_shapes=True)

    def _time_operators(self, arrays: list[np.ndarray], repetitions: int) -> RunProfile:
        torch, clock = library(), MonotonicClock()
        run_ns = []
        self._execute(arrays)  # outside the profiler: a compilation would fill the trace
        with named_layers(self._module, torch), self._profiler(torch) as profile:
            for _ in range(_WARMUP_RUNS + repetitions):
                started_ns = clock.now_ns()
                with torch.profiler.record_function(RUN):
                    self._execute(arrays)
                run_ns.append(clock.now_ns() - started_ns)
        with tempfile.TemporaryDirectory(prefix="ipfs-accelerate-profile-") as folder:
            path = Path(folder) / "trace.json"
            profile.export_chrome_trace(str(path))
            operators = operators_from_trace(path, self._device, skip=_WARMUP_RUNS)
        return RunProfile(operators, tuple(run_ns[_WARMUP_RUNS:]), "torch profiler")

    def _release(self) -> None:
        self._module = None
        if torch_name(self._device).startswith("cuda"):
            library().cuda.empty_cache()


def _owned(tensor: Any, held: set[int]) -> np.ndarray:  # noqa: ANN401
    """The tensor's values, copied only where inputs or weights share its memory."""
    array: np.ndarray = tensor.numpy()
    if tensor.untyped_storage().data_ptr() in held:
        return array.copy()
    return array if array.flags.c_contiguous else np.ascontiguousarray(array)
