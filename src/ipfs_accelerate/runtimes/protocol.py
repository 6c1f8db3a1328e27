"""The protocol every runtime implements."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    import numpy as np

    from ipfs_accelerate.config import Settings
    from ipfs_accelerate.hardware import Device, Precision, Support
    from ipfs_accelerate.models import ModelArtifact, TensorSpec
    from ipfs_accelerate.runtimes.target import Target
    from ipfs_accelerate.telemetry import Origin

__all__ = [
    "LoadOptions",
    "OpTiming",
    "Placement",
    "RunProfile",
    "Runtime",
    "Session",
    "SessionInfo",
]


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How to load a component.

    Attributes:
        component: Which graph of the artifact.
        threads: Intra-op threads; ``None`` for all cores usable by this process.
        cache_dir: Where a runtime may keep compiled kernels; ``None`` keeps nothing.
        allow_remote_code: Let a model bring its own Python code.
        settings: Where conversions and quantized models are kept; ``None`` reads them from the
            environment.
    """

    component: str = "model"
    threads: int | None = None
    cache_dir: str | None = None
    allow_remote_code: bool = False
    settings: Settings | None = None


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """What a loaded session really is.

    Attributes:
        target: What was asked for.
        executed_precision: Precision of the arithmetic as read back from the runtime.
        inputs: In the order of the graph.
        outputs: Likewise.
        load_ns: From ready files until the session could run. Converting or quantizing before that
            is in ``settings["preparation_ns"]``, which is small once the result is cached.
        weights_bytes: Bytes of weights held; ``None`` when the runtime does not say.
        versions: Of the runtime and what it is built on.
        settings: Effective settings read back from the runtime (threads, hints).
        origin: What measurements of this session are: ``measured`` or ``emulated``.
    """

    target: Target
    executed_precision: Precision
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    load_ns: int
    origin: Origin
    weights_bytes: int | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Placement:
    """Which operations ran where, from the runtime's own report.

    Attributes:
        nodes: Device (or execution provider) → operator type → count of executed nodes.
        precisions: Executed precision → count of the nodes that multiply matrices, where the
            runtime reports it.
        node_ns: Operator type → time in ns of one profiled run, where the runtime reports it.
        source: Which report it was read from, e.g. ``onnxruntime profile``.
    """

    nodes: Mapping[str, Mapping[str, int]]
    source: str
    precisions: Mapping[str, int] = field(default_factory=dict)
    node_ns: Mapping[str, int] = field(default_factory=dict)

    def share_on(self, device: str) -> float:
        """Fraction (0..1) of the nodes that ran on ``device``; 0.0 when nothing ran."""
        counts = {name: sum(ops.values()) for name, ops in self.nodes.items()}
        total = sum(counts.values())
        return counts.get(device, 0) / total if total else 0.0


@dataclass(frozen=True, slots=True)
class OpTiming:
    """How long one operator of a graph took, from the runtime's own profiler.

    Attributes:
        name: Unique within the profile.
        op_type: As the runtime spells it.
        device: Where it ran.
        samples_ns: Time in each repetition, all its calls together; of a runtime that only tells
            averages, one value for each block of `RunProfile.run_ns`.
        calls: In one repetition.
        start_ns: Beginning of its first call since the run began, in the last repetition; ``None``
            when the runtime does not tell it.
        precision: Of its arithmetic; ``None`` when the runtime does not tell it.
        layer: Module of the model it belongs to; ``None`` when its graph does not tell it.
        inputs: Type and shape of what it reads, weights included; ``None`` when unknown.
        outputs: Type and shape of what it writes; ``None`` when unknown.
        flops: Multiplications and additions counted on its graph; ``None`` when not counted there.
    """

    name: str
    op_type: str
    device: str
    samples_ns: tuple[int, ...]
    calls: int = 1
    start_ns: int | None = None
    precision: str | None = None
    layer: str | None = None
    inputs: tuple[tuple[str, tuple[int, ...]], ...] | None = None
    outputs: tuple[tuple[str, tuple[int, ...]], ...] | None = None
    flops: int | None = None


@dataclass(frozen=True, slots=True)
class RunProfile:
    """Repeated runs under a runtime's own profiler.

    Attributes:
        operators: In order of execution.
        run_ns: Wall-clock time of each repetition (or the mean of each block of them) with the
            profiler on, from the call of the library to its return.
        source: Which report it was read from.
        resolution_ns: Smallest time the report can tell apart.
    """

    operators: tuple[OpTiming, ...]
    run_ns: tuple[int, ...]
    source: str
    resolution_ns: int = 1


@runtime_checkable
class Session(Protocol):
    """A component loaded on a target. Safe to call from several threads; runs may serialise."""

    @property
    def info(self) -> SessionInfo:
        """What was really loaded."""
        ...

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run once and wait for the result.

        Args:
            inputs: One array per `SessionInfo.inputs`, C-contiguous, of its dtype.

        Returns:
            Output arrays by name, owned by the caller (a later run does not change them).

        Raises:
            InputError: A name is missing or unknown, or a dtype or rank does not fit.
            InferenceError: The runtime failed.
        """
        ...

    def placement(self, inputs: Mapping[str, np.ndarray]) -> Placement:
        """Run once under the runtime's profiler and report what ran where."""
        ...

    def profile(self, inputs: Mapping[str, np.ndarray], *, repetitions: int) -> RunProfile:
        """Run repeatedly under the runtime's profiler and report every operator's time.

        Args:
            inputs: As for `run`.
            repetitions: Counted runs, at least 1; a few more come first to warm up.

        Raises:
            InputError: No repetitions, or inputs that do not fit.
            TargetUnsupportedError: The runtime has no profiler for this target.
            InferenceError: The runtime failed.
        """
        ...

    def close(self) -> None:
        """Free everything; idempotent. A later ``run`` raises InferenceError."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


@runtime_checkable
class Runtime(Protocol):
    """A library that can run models on some devices. Cheap to construct, stateless."""

    @property
    def name(self) -> str:
        """The first part of its targets."""
        ...

    def probe(self) -> Support:
        """Whether the library is installed and loads; never raises, allocates nothing."""
        ...

    @property
    def option_names(self) -> frozenset[str]:
        """Options that any of its targets may carry with a value, e.g. ``threads``.

        An option that makes another way to run, e.g. ``compile``, is listed by `targets` instead.
        """
        ...

    def targets(self, devices: Sequence[Device]) -> Sequence[tuple[Target, Support]]:
        """Every target of this runtime on these devices, with whether it can be honoured.

        Includes those that cannot, with the reason (absent device, precision not native, missing
        extra), so that "why not" is always answered. Never raises.
        """
        ...

    def load(self, artifact: ModelArtifact, target: Target, options: LoadOptions) -> Session:
        """Load a component of a model.

        Converts or quantizes the artifact if needed, through `models` and `quantize`.

        Raises:
            TargetUnsupportedError: The target cannot be honoured with this model.
            LoadError: The runtime refused the model.
            PlacementError: The runtime would run it elsewhere than asked.
        """
        ...
