"""A graph compiled by OpenVINO."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ipfs_accelerate.errors import InferenceError, LoadError
from ipfs_accelerate.models import TensorSpec
from ipfs_accelerate.runtimes._loading import failure
from ipfs_accelerate.runtimes._session import BaseSession
from ipfs_accelerate.runtimes.openvino._evidence import device_ids, placement_from_profile
from ipfs_accelerate.runtimes.openvino._library import core, library
from ipfs_accelerate.runtimes.openvino._profile import OperatorBlocks, totals_ns
from ipfs_accelerate.runtimes.protocol import RunProfile
from ipfs_accelerate.telemetry import MonotonicClock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ipfs_accelerate.runtimes.protocol import Placement, SessionInfo

__all__ = ["OpenVinoSession", "Recipe", "compile_graph", "tensor_specs"]

_WARMUP_RUNS = 3
#: The counters tell means since compilation, so each block of runs compiles anew.
_BLOCKS = 3
_ERRORS = (RuntimeError, ValueError, TypeError, MemoryError)


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything needed to compile the same graph again.

    Attributes:
        graph: ``.onnx`` or ``.xml``.
        device: OpenVINO's name of the device.
        device_id: Its id in targets.
        hints: Properties handed to the compiler.
    """

    graph: Path
    device: str
    device_id: str
    hints: dict[str, object]


def compile_graph(recipe: Recipe, **extra: object) -> Any:  # noqa: ANN401 (an untyped library)
    """A compiled model.

    Raises:
        LoadError: OpenVINO refused the graph.
        MemoryLimitError: There is not enough memory.
    """
    try:
        model = core().read_model(recipe.graph)
        return core().compile_model(model, recipe.device, {**recipe.hints, **extra})
    except _ERRORS as error:
        raise failure(error, LoadError, f"OpenVINO refused {recipe.graph.name}") from error


def tensor_specs(ports: Sequence[Any], known: Sequence[TensorSpec]) -> tuple[TensorSpec, ...]:
    """Inputs or outputs as the compiled model describes them.

    Args:
        ports: Of the compiled model, which keeps no names of dimensions.
        known: Of the artifact, from which those names are taken.
    """
    names = {spec.name: spec.shape for spec in known}
    return tuple(_spec(port, names.get(port.get_any_name(), ())) for port in ports)


def _spec(port: Any, known: tuple[int | str, ...]) -> TensorSpec:  # noqa: ANN401
    name = port.get_any_name()
    try:
        dtype = np.dtype(port.get_element_type().to_dtype()).name
    except _ERRORS as error:
        raise LoadError(
            f"{name!r} has type {port.get_element_type()}, which NumPy cannot hold"
        ) from error
    sizes = list(port.get_partial_shape())
    dims = known if len(known) == len(sizes) else tuple(f"{name}_{i}" for i in range(len(sizes)))
    return TensorSpec(
        name,
        dtype,
        tuple(
            size.get_length() if size.is_static else str(dim)
            for size, dim in zip(sizes, dims, strict=True)
        ),
    )


class OpenVinoSession(BaseSession):
    """See `Session`; each thread runs on an infer request of its own from a pool."""

    def __init__(self, info: SessionInfo, compiled: Any, recipe: Recipe) -> None:  # noqa: ANN401
        super().__init__(info)
        self._compiled = compiled
        self._recipe = recipe
        self._output_names = tuple(spec.name for spec in info.outputs)
        self._input_indices = range(len(info.inputs))
        self._idle: deque[Any] = deque([compiled.create_infer_request()])
        self._tensor = library().Tensor

    def _execute(self, arrays: list[np.ndarray]) -> dict[str, np.ndarray]:
        request = self._take()
        try:
            return self._run_on(request, arrays)
        except _ERRORS as error:
            raise failure(error, InferenceError, f"{self._info.target} failed") from error
        finally:
            if not self._is_closed:
                self._idle.append(request)

    def _take(self) -> Any:  # noqa: ANN401
        try:
            return self._idle.pop()
        except IndexError:
            compiled = self._compiled
            if compiled is None:
                raise self._closed_error() from None
            return compiled.create_infer_request()

    def _run_on(self, request: Any, arrays: list[np.ndarray]) -> dict[str, np.ndarray]:  # noqa: ANN401
        results = request.infer(
            dict(zip(self._input_indices, arrays, strict=True)), share_inputs=True
        )
        return dict(zip(self._output_names, results.values(), strict=True))

    def _profile(self, arrays: list[np.ndarray]) -> Placement:
        compiled = compile_graph(self._recipe, PERF_COUNT=True)
        request = compiled.create_infer_request()
        try:
            self._run_on(request, arrays)
            rows = request.profiling_info
        except _ERRORS as error:
            raise failure(error, InferenceError, f"{self._info.target} failed") from error
        names = compiled.get_property("EXECUTION_DEVICES")
        return placement_from_profile(rows, device_ids(names, self._recipe.device_id))

    def _time_operators(self, arrays: list[np.ndarray], repetitions: int) -> RunProfile:
        blocks = min(_BLOCKS, repetitions)
        found = OperatorBlocks(self._recipe.graph, self._recipe.device_id)
        run_ns = []
        for number in range(blocks):
            count = repetitions // blocks + (number < repetitions % blocks)
            run_ns.append(self._time_block(arrays, count, found))
        return RunProfile(found.operators(), tuple(run_ns), "openvino performance counters", 1000)

    def _time_block(self, arrays: list[np.ndarray], count: int, found: OperatorBlocks) -> int:
        """Mean wall-clock time of a run of this block."""
        compiled = compile_graph(self._recipe, PERF_COUNT=True)
        request = compiled.create_infer_request()
        clock = MonotonicClock()
        try:
            for _ in range(_WARMUP_RUNS):
                self._run_on(request, arrays)
            warm = totals_ns(request.profiling_info, _WARMUP_RUNS)
            started_ns = clock.now_ns()
            for _ in range(count):
                self._run_on(request, arrays)
            elapsed_ns = clock.now_ns() - started_ns
            found.add(request.profiling_info, warm, (_WARMUP_RUNS, _WARMUP_RUNS + count))
            found.describe(compiled)
        except _ERRORS as error:
            raise failure(error, InferenceError, f"{self._info.target} failed") from error
        return elapsed_ns // count

    def _release(self) -> None:
        self._compiled = None
        self._idle.clear()
