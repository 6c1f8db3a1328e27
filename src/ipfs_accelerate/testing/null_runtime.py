"""A runtime and a device that compute nothing real and fail on demand.

Outputs are a fixed function of the inputs, latency passes on an injected clock, and every way a
real runtime goes wrong can be scripted. Nothing registers itself: a test does, with `installed`.

Example:
    >>> from ipfs_accelerate.runtimes import runtimes
    >>> with installed(NullRuntime(), null_device()):
    ...     "null" in runtimes()
    True
"""

from __future__ import annotations

import itertools
import os
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Self

import numpy as np

from ipfs_accelerate.errors import (
    InferenceError,
    InputError,
    LoadError,
    MemoryLimitError,
    TargetUnsupportedError,
)
from ipfs_accelerate.hardware import Device, DeviceKind, Precision, Support
from ipfs_accelerate.models import TensorSpec
from ipfs_accelerate.plugins import hookimpl, plugin_manager
from ipfs_accelerate.runtimes._inputs import InputCheck
from ipfs_accelerate.runtimes.protocol import OpTiming, Placement, RunProfile, SessionInfo
from ipfs_accelerate.runtimes.target import Target
from ipfs_accelerate.telemetry import Clock, MonotonicClock, Origin

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import TracebackType

    from ipfs_accelerate.models import ModelArtifact
    from ipfs_accelerate.runtimes.protocol import LoadOptions

__all__ = [
    "Behaviour",
    "Failure",
    "NullPlugin",
    "NullRuntime",
    "NullSession",
    "installed",
    "null_device",
]

_PRECISIONS = (Precision.FP32, Precision.FP16, Precision.INT8)
_INPUTS = (TensorSpec("input", "float32", ("batch", 4)),)
_OUTPUTS = (TensorSpec("output", "float32", ("batch", 4)),)


class Failure(StrEnum):
    """How a null session goes wrong.

    ``hang`` blocks the run until the session is closed; ``crash`` ends the process at once
    (use it in a child only); ``wrong_placement`` reports another device, ``wrong_precision``
    another executed precision; ``no_profiler`` refuses to profile, and runs.
    """

    LOAD_ERROR = "load_error"
    LOAD_OUT_OF_MEMORY = "load_out_of_memory"
    RUN_ERROR = "run_error"
    RUN_OUT_OF_MEMORY = "run_out_of_memory"
    HANG = "hang"
    CRASH = "crash"
    WRONG_PLACEMENT = "wrong_placement"
    WRONG_PRECISION = "wrong_precision"
    NO_PROFILER = "no_profiler"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a null target does.

    Attributes:
        latency_ns: Duration of successive runs; the last one repeats.
        load_ns: Duration of loading.
        failure: What goes wrong; ``None`` for nothing.
        fails_from_run: First run (from 0) at which a failure of running shows.
        weights_bytes: Memory the session says it holds.
        noise: Added to every output, for tests of parity.
    """

    latency_ns: tuple[int, ...] = (0,)
    load_ns: int = 0
    failure: Failure | None = None
    fails_from_run: int = 0
    weights_bytes: int | None = 1024
    noise: float = 0.0


def null_device(
    id: str = "null",  # noqa: A002 (the field's name)
    *,
    support: Support | None = None,
    memory_bytes: int | None = 2**30,
) -> Device:
    """A device that does not exist, of its own kind.

    Args:
        id: Its name in targets.
        support: Whether it can be used; usable when ``None``.
        memory_bytes: What it says it has.
    """
    return Device(
        id=id,
        kind=DeviceKind.NULL,
        name=f"null device {id}",
        support=support or Support.yes("a fake for tests"),
        memory_bytes=memory_bytes,
        compute_units=1,
        precisions=frozenset(_PRECISIONS),
    )


@dataclass(frozen=True)
class NullRuntime:
    """A runtime whose sessions follow a script.

    Attributes:
        name: First part of its targets.
        devices: Ids of the devices it can use.
        behaviours: By target string, device id or ``"*"``, the most exact first.
        clock: On which latency passes; the machine's own when not given.
        support: What `probe` says.
        origin: What its sessions claim to be; ``simulated``, as nothing was measured.
    """

    name: str = "null"
    devices: tuple[str, ...] = ("null",)
    behaviours: Mapping[str, Behaviour] = field(default_factory=dict)
    clock: Clock = field(default_factory=MonotonicClock)
    support: Support = field(default_factory=lambda: Support.yes("a fake for tests"))
    origin: Origin = Origin.SIMULATED

    @property
    def option_names(self) -> frozenset[str]:
        """Options any of its targets may carry."""
        return frozenset({"threads"})

    def probe(self) -> Support:
        """See `Runtime.probe`."""
        return self.support

    def targets(self, devices: Sequence[Device]) -> list[tuple[Target, Support]]:
        """See `Runtime.targets`; the null devices named in `devices`, in three precisions."""
        mine = [d for d in devices if d.kind is DeviceKind.NULL and d.id in self.devices]
        return [
            (Target(self.name, d.id, p), d.support if self.support.usable else self.support)
            for d in mine
            for p in _PRECISIONS
        ]

    def load(self, artifact: ModelArtifact, target: Target, options: LoadOptions) -> NullSession:
        """See `Runtime.load`.

        Raises:
            TargetUnsupportedError: The target is not one of this runtime.
            LoadError: Scripted.
            MemoryLimitError: Scripted.
        """
        if target.device not in self.devices or target.precision not in _PRECISIONS:
            raise TargetUnsupportedError(f"{target} is not a target of runtime {self.name!r}")
        script = self._behaviour(target)
        started = self.clock.now_ns()
        self.clock.sleep_ns(script.load_ns)
        if script.failure is Failure.LOAD_ERROR:
            raise LoadError(f"scripted: {target} refused {artifact.name}")
        if script.failure is Failure.LOAD_OUT_OF_MEMORY:
            raise MemoryLimitError(f"scripted: {target} has no memory for {artifact.name}")
        info = self._info(artifact, target, options, load_ns=self.clock.now_ns() - started)
        return NullSession(info, script, self.clock)

    def _behaviour(self, target: Target) -> Behaviour:
        keys = (str(target), target.device, "*")
        return next((self.behaviours[k] for k in keys if k in self.behaviours), Behaviour())

    def _info(
        self, artifact: ModelArtifact, target: Target, options: LoadOptions, *, load_ns: int
    ) -> SessionInfo:
        script = self._behaviour(target)
        component = artifact.components.get(options.component)
        wrong = script.failure is Failure.WRONG_PRECISION
        return SessionInfo(
            target=target,
            executed_precision=Precision.FP64 if wrong else target.precision,
            inputs=(component.inputs if component else ()) or _INPUTS,
            outputs=(component.outputs if component else ()) or _OUTPUTS,
            load_ns=load_ns,
            origin=self.origin,
            weights_bytes=script.weights_bytes,
            versions={"null": "1"},
            settings={"threads": options.threads},
        )


class NullSession:
    """A session that follows a `Behaviour`."""

    def __init__(self, info: SessionInfo, script: Behaviour, clock: Clock) -> None:
        self._info = info
        self._script = script
        self._clock = clock
        self._check = InputCheck(info.inputs)
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._runs = 0

    @property
    def info(self) -> SessionInfo:
        """See `Session.info`."""
        return self._info

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed.is_set()

    @property
    def runs(self) -> int:
        """How often it was run, failures included."""
        return self._runs

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See `Session.run`; outputs are a fixed function of all inputs, item by item."""
        self._require_open()
        arrays = self._check(inputs)
        with self._lock:
            index = self._runs
            self._runs += 1
        latencies = self._script.latency_ns
        self._clock.sleep_ns(latencies[min(index, len(latencies) - 1)])
        if index >= self._script.fails_from_run:
            self._fail()
        return _outputs(self._info, arrays, self._script.noise)

    def _fail(self) -> None:
        match self._script.failure:
            case Failure.RUN_ERROR:
                raise InferenceError(f"scripted: {self._info.target} failed")
            case Failure.RUN_OUT_OF_MEMORY:
                raise MemoryLimitError(f"scripted: {self._info.target} ran out of memory")
            case Failure.HANG:
                self._closed.wait()
                raise InferenceError(f"scripted: {self._info.target} was closed while it hung")
            case Failure.CRASH:
                os._exit(139)
            case _:
                return

    def placement(self, inputs: Mapping[str, np.ndarray]) -> Placement:
        """See `Session.placement`."""
        self.run(inputs)
        wrong = self._script.failure is Failure.WRONG_PLACEMENT
        device = "elsewhere" if wrong else self._info.target.device
        return Placement(
            nodes={device: {"Null": 1}},
            source="null script",
            precisions={self._info.executed_precision.value: 1},
        )

    def profile(self, inputs: Mapping[str, np.ndarray], *, repetitions: int) -> RunProfile:
        """See `Session.profile`; one operator that takes all the time of its run."""
        self._require_open()
        if self._script.failure is Failure.NO_PROFILER:
            raise TargetUnsupportedError(f"scripted: {self._info.target} has no profiler")
        if repetitions < 1:
            raise InputError(f"{repetitions} repetitions show nothing")
        marks = [self._clock.now_ns()]
        for _ in range(repetitions):
            self.run(inputs)
            marks.append(self._clock.now_ns())
        run_ns = tuple(b - a for a, b in itertools.pairwise(marks))
        precision = self._info.executed_precision.value
        operator = OpTiming("null", "Null", self._info.target.device, run_ns, precision=precision)
        return RunProfile((operator,), run_ns, "null script")

    def close(self) -> None:
        """See `Session.close`; releases a run that hangs."""
        self._closed.set()

    def _require_open(self) -> None:
        if self._closed.is_set():
            raise InferenceError(f"the session on {self._info.target} is closed")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _outputs(
    info: SessionInfo, arrays: Sequence[np.ndarray], noise: float
) -> dict[str, np.ndarray]:
    sizes = {
        dim: size
        for spec, array in zip(info.inputs, arrays, strict=True)
        for dim, size in zip(spec.shape, array.shape, strict=True)
        if isinstance(dim, str)
    }
    items = arrays[0].shape[0] if arrays and arrays[0].ndim else 1
    seed = np.zeros(items)
    for array in arrays:
        values = np.asarray(array, dtype=np.float64)
        if values.ndim and values.shape[0] == items:
            seed = seed + values.reshape(items, -1).sum(axis=1)
        else:
            seed = seed + values.sum()
    return {spec.name: _fill(spec, sizes, seed) + _cast(noise, spec) for spec in info.outputs}


def _fill(spec: TensorSpec, sizes: Mapping[str, int], seed: np.ndarray) -> np.ndarray:
    shape = tuple(sizes.get(d, 1) if isinstance(d, str) else d for d in spec.shape)
    wave = np.sin(np.arange(np.prod(shape), dtype=np.float64)).reshape(shape)
    if shape and shape[0] == seed.size:
        wave = wave[:1] + np.sin(seed).reshape(-1, *([1] * (len(shape) - 1)))
    else:
        wave = wave + np.sin(seed.sum())
    return np.ascontiguousarray(np.broadcast_to(wave, shape).astype(spec.dtype))


def _cast(noise: float, spec: TensorSpec) -> np.ndarray:
    return np.asarray(noise).astype(spec.dtype)


@dataclass(frozen=True)
class NullPlugin:
    """A plugin object that offers given runtimes and devices."""

    runtimes: tuple[NullRuntime, ...]
    devices: tuple[Device, ...]

    @hookimpl
    def ipfs_accelerate_runtimes(self) -> Sequence[NullRuntime]:
        """See `hooks`."""
        return self.runtimes

    @hookimpl
    def ipfs_accelerate_devices(self) -> Sequence[Device]:
        """See `hooks`."""
        return self.devices


@contextmanager
def installed(runtime: NullRuntime, *devices: Device) -> Iterator[NullPlugin]:
    """Offer a null runtime and devices to the whole product for the length of a block."""
    plugin = NullPlugin((runtime,), devices)
    manager = plugin_manager()
    manager.register(plugin)
    try:
        yield plugin
    finally:
        manager.unregister(plugin)
