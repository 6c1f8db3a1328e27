"""A graph loaded in ONNX Runtime."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ipfs_accelerate.errors import InferenceError, LoadError, PlacementError
from ipfs_accelerate.models import TensorSpec
from ipfs_accelerate.runtimes._loading import failure
from ipfs_accelerate.runtimes._session import BaseSession
from ipfs_accelerate.runtimes.onnxruntime._evidence import placement_from_profile
from ipfs_accelerate.runtimes.onnxruntime._library import error_types, library
from ipfs_accelerate.runtimes.onnxruntime._profile import Graphs, operators_from_profile
from ipfs_accelerate.runtimes.protocol import RunProfile
from ipfs_accelerate.telemetry import MonotonicClock

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ipfs_accelerate.runtimes.protocol import Placement, SessionInfo

__all__ = ["OnnxSession", "Recipe", "open_native", "tensor_specs"]

_CPU = "CPUExecutionProvider"
_WARMUP_RUNS = 3
#: A protobuf ends at 2 GiB; beyond this the optimized graph is not written.
_LARGEST_COPY_BYTES = 3 << 29
_DTYPES = {"float": "float32", "double": "float64", "string": "object"}
_SAME = frozenset({
    "bool", "float16", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything needed to open the same native session again.

    Attributes:
        graph: The ONNX file.
        provider: Execution provider.
        provider_options: Its options.
        threads: Intra-op threads.
        device: Id of the device in targets.
    """

    graph: Path
    provider: str
    provider_options: dict[str, str]
    threads: int
    device: str


def open_native(
    recipe: Recipe, *, profile_prefix: str | None = None, optimized: Path | None = None
) -> Any:  # noqa: ANN401 (an untyped library)
    """A native session that runs on the asked provider or not at all.

    Args:
        recipe: What to open.
        profile_prefix: Where to write a profile; ``None`` for none.
        optimized: Where to write the optimized graph; ``None`` for nowhere.

    Raises:
        LoadError: The library refused the graph.
        PlacementError: Nodes would fall to the CPU.
        MemoryLimitError: There is not enough memory.
    """
    ort = library()
    options = ort.SessionOptions()
    options.intra_op_num_threads = recipe.threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    if recipe.provider != _CPU:
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    if optimized:
        options.optimized_model_filepath = str(optimized)
    if profile_prefix:
        options.enable_profiling = True
        options.profile_file_prefix = profile_prefix
    try:
        session = ort.InferenceSession(
            str(recipe.graph), options, providers=[(recipe.provider, recipe.provider_options)]
        )
    except error_types() as error:
        kind = PlacementError if "fallback" in str(error) else LoadError
        raise failure(error, kind, f"ONNX Runtime refused {recipe.graph.name}") from error
    session.disable_fallback()
    if recipe.provider not in session.get_providers():
        raise PlacementError(
            f"{recipe.provider} could not be started; ONNX Runtime offers"
            f" {session.get_providers()} instead",
            hint="check driver and libraries with `accel doctor`",
        )
    return session


def tensor_specs(nodes: Sequence[Any]) -> tuple[TensorSpec, ...]:
    """Inputs or outputs as the native session describes them."""
    return tuple(
        TensorSpec(node.name, _dtype(node), tuple(_size(d, i) for i, d in enumerate(node.shape)))
        for node in nodes
    )


def _dtype(node: Any) -> str:  # noqa: ANN401
    inner = str(node.type).removeprefix("tensor(").removesuffix(")")
    if inner not in _DTYPES and inner not in _SAME:
        raise LoadError(f"{node.name!r} has type {node.type}, which NumPy cannot hold")
    return _DTYPES.get(inner, inner)


def _size(size: object, axis: int) -> int | str:
    return size if isinstance(size, int) else str(size or f"axis_{axis}")


class OnnxSession(BaseSession):
    """See `Session`; runs of several threads go to one thread-safe native session."""

    def __init__(self, info: SessionInfo, native: Any, recipe: Recipe) -> None:  # noqa: ANN401
        super().__init__(info)
        self._native = native
        self._recipe = recipe
        self._names = tuple(spec.name for spec in info.inputs)
        self._output_names = [spec.name for spec in info.outputs]
        self._errors: tuple[type[Exception], ...] = (
            *error_types(),
            TypeError,
            AttributeError,
        )

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See `Session.run`; the shortest way, since this is what every call pays.

        The library refuses inputs that do not fit before it computes anything; our own check
        runs only then, to say in the usual words what is wrong.
        """
        native = self._native
        if native is None:
            raise self._closed_error()
        for value in inputs.values():  # the one misfit that the library takes: a list
            if value.__class__ is not np.ndarray:
                self._check(inputs)
        names = self._output_names
        try:
            return dict(zip(names, native.run(names, inputs)))  # noqa: B905 (the library gives one value a name)
        except self._errors as error:
            self._check(inputs)
            raise failure(error, InferenceError, f"{self._info.target} failed") from error

    def _execute(self, arrays: list[np.ndarray]) -> dict[str, np.ndarray]:
        return self.run(dict(zip(self._names, arrays, strict=True)))

    def _profile(self, arrays: list[np.ndarray]) -> Placement:
        feed = dict(zip(self._names, arrays, strict=True))
        with tempfile.TemporaryDirectory(prefix="ipfs-accelerate-profile-") as folder:
            native = open_native(self._recipe, profile_prefix=str(Path(folder) / "run"))
            try:
                native.run(self._output_names, feed)
            except self._errors as error:
                raise failure(error, InferenceError, f"{self._info.target} failed") from error
            report = Path(native.end_profiling())
            devices = {_CPU: "cpu", self._recipe.provider: self._recipe.device}
            return placement_from_profile(report, devices)

    def _time_operators(self, arrays: list[np.ndarray], repetitions: int) -> RunProfile:
        feed = dict(zip(self._names, arrays, strict=True))
        recipe = self._recipe
        with tempfile.TemporaryDirectory(prefix="ipfs-accelerate-profile-") as folder:
            is_small = (self._info.weights_bytes or 0) < _LARGEST_COPY_BYTES
            copy = Path(folder) / "optimized.onnx" if recipe.provider == _CPU and is_small else None
            native = open_native(recipe, profile_prefix=str(Path(folder) / "run"), optimized=copy)
            run_ns = self._timed_runs(native, feed, _WARMUP_RUNS + repetitions)
            graphs = Graphs(recipe.graph, copy, {k: v.shape for k, v in feed.items()})
            operators = operators_from_profile(
                Path(native.end_profiling()),
                graphs,
                {_CPU: "cpu", recipe.provider: recipe.device},
                skip=_WARMUP_RUNS,
            )
        return RunProfile(operators, run_ns[_WARMUP_RUNS:], "onnxruntime profile", 1000)

    def _timed_runs(
        self,
        native: Any,  # noqa: ANN401
        feed: dict[str, np.ndarray],
        count: int,
    ) -> tuple[int, ...]:
        now_ns = MonotonicClock().now_ns
        marks = [now_ns()]
        try:
            for _ in range(count):
                native.run(self._output_names, feed)
                marks.append(now_ns())
        except self._errors as error:
            raise failure(error, InferenceError, f"{self._info.target} failed") from error
        return tuple(b - a for a, b in pairwise(marks))

    def _release(self) -> None:
        self._native = None
