"""Profile one model on one target, in a process of its own."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from ipfs_accelerate.bench.gate import Gate
from ipfs_accelerate.bench.isolation import Child
from ipfs_accelerate.bench.plan import make_plan, select_targets
from ipfs_accelerate.bench.profiling.bottleneck import find_bottleneck
from ipfs_accelerate.bench.profiling.memory import MemorySampler
from ipfs_accelerate.bench.profiling.profile import Timing, operators_of, typical_runs
from ipfs_accelerate.errors import ChildFailedError, InputError, UnknownTargetError, error_types
from ipfs_accelerate.hardware import detect
from ipfs_accelerate.models import resolve
from ipfs_accelerate.runtimes import Target, runtimes, targets
from ipfs_accelerate.telemetry import Origin

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from ipfs_accelerate.bench.case import BenchCase
    from ipfs_accelerate.bench.measure import RunOptions
    from ipfs_accelerate.bench.plan import Sizes
    from ipfs_accelerate.bench.profiling.bottleneck import Bottleneck
    from ipfs_accelerate.bench.profiling.memory import MemorySample
    from ipfs_accelerate.bench.profiling.profile import OpProfile
    from ipfs_accelerate.bench.roofline import MachinePeaks
    from ipfs_accelerate.models import ModelArtifact

__all__ = ["ModelProfile", "ProfileRequest", "profile_model"]


@dataclass(frozen=True, slots=True)
class ProfileRequest:
    """What to profile.

    Attributes:
        model: Reference.
        target: Full name of one target.
        options: Limits, settings, seed and plugins of the case's process.
        sizes: One size of each kind.
        repetitions: Counted runs under the profiler, and as many without.
    """

    model: str
    target: str
    options: RunOptions
    sizes: Sizes
    repetitions: int = 30


@dataclass(frozen=True, slots=True)
class ModelProfile:
    """Where the time of one run goes.

    Attributes:
        model: Reference as given.
        artifact: What it resolved to.
        case: Model, target and sizes.
        source: Which profiler told the times.
        resolution_ns: Smallest time it can tell apart.
        operators: In order of execution.
        whole: Of a run under the profiler.
        unattributed: Of the part of it outside of all operators.
        plain: Of a run without the profiler.
        repetitions: Counted runs each, with and without.
        bottleneck: Of the whole.
        memory: Resident memory while loading and running.
        facts: What the process said of the loaded model, see `LoadedCase.facts`.
        peaks: Of the machine; ``None`` when not measured.
        why_no_peaks: Why not.
    """

    model: str
    artifact: ModelArtifact
    case: BenchCase
    source: str
    resolution_ns: int
    operators: tuple[OpProfile, ...]
    whole: Timing
    unattributed: Timing
    plain: Timing
    repetitions: int
    bottleneck: Bottleneck
    memory: tuple[MemorySample, ...]
    facts: Mapping[str, object]
    peaks: MachinePeaks | None
    why_no_peaks: str

    @property
    def target(self) -> str:
        """Where it ran."""
        return self.case.target

    @property
    def test_case(self) -> str:
        """Name of the workload."""
        return self.case.name

    @property
    def origin(self) -> Origin:
        """What the times are."""
        return Origin(str(self.facts["origin"]))

    @property
    def overhead_ratio(self) -> float:
        """Median run with the profiler over one without."""
        return self.whole.p50_ns / self.plain.p50_ns if self.plain.p50_ns else float("inf")

    @property
    def unattributed_share(self) -> float:
        """Share of the profiled run outside of all operators; negative where they overlap."""
        return self.unattributed.time_ns / self.whole.time_ns if self.whole.time_ns else 0.0


def profile_model(request: ProfileRequest) -> ModelProfile:
    """Profile it.

    Raises:
        InputError: No repetitions, several sizes, or a size that does not fit.
        UnknownTargetError: There is no such target.
        TargetUnsupportedError: It cannot be used here, or has no profiler.
        ChildFailedError: The process died.
        DeadlineExceededError: It took longer than the limit.
        MemoryLimitError: It took more memory than the limit.
    """
    if request.repetitions < 1:
        raise InputError(
            f"{request.repetitions} repetitions show nothing", hint="use --repetitions 1 or more"
        )
    artifact, case = _case_of(request)
    gate = Gate.measured(request.options, is_cancelled=lambda: False)
    facts, reply, memory = _in_a_child(case, request)
    run_ns = cast("Sequence[int]", reply["run_ns"])
    operators = operators_of(
        cast("Sequence[Mapping[str, object]]", reply["operators"]),
        run_ns,
        precision=str(facts["executed_precision"]),
        peaks=gate.peaks,
        why_no_peaks=gate.why_not,
    )
    whole, unattributed = _whole(run_ns, operators)
    share = unattributed.time_ns / whole.time_ns if whole.time_ns else 0.0
    plain_ns = cast("Sequence[int]", reply["plain_ns"])
    return ModelProfile(
        model=request.model,
        artifact=artifact,
        case=case,
        source=str(reply["source"]),
        resolution_ns=cast("int", reply["resolution_ns"]),
        operators=operators,
        whole=whole,
        unattributed=unattributed,
        plain=Timing.of(np.asarray(plain_ns, dtype=np.float64), typical_runs(plain_ns)),
        repetitions=request.repetitions,
        bottleneck=find_bottleneck(operators, unattributed_share=share),
        memory=memory,
        facts=facts,
        peaks=gate.peaks,
        why_no_peaks=gate.why_not,
    )


def _whole(run_ns: Sequence[int], operators: Sequence[OpProfile]) -> tuple[Timing, Timing]:
    """The run, and what is left of it outside of operators, repetition by repetition."""
    typical = typical_runs(run_ns)
    runs = np.asarray(run_ns, dtype=np.float64)
    rest = runs - sum(np.asarray(op.operator.samples_ns, dtype=np.float64) for op in operators)
    return Timing.of(runs, typical), Timing.of(rest, typical)


def _case_of(request: ProfileRequest) -> tuple[ModelArtifact, BenchCase]:
    devices = detect()
    target = Target.parse(request.target)
    known = runtimes()
    listed = known[target.runtime].targets(devices) if target.runtime in known else None
    if listed is None:
        raise UnknownTargetError(request.target, [str(t) for t, _ in targets(devices)])
    tuning = {name: runtime.option_names for name, runtime in known.items()}
    selection = select_targets((str(target),), listed, devices, tuning=tuning)
    artifact = resolve(request.model, settings=request.options.settings)
    plan = make_plan({request.model: artifact}, selection, request.sizes)
    if len(plan.cases) != 1:
        raise InputError(
            f"{len(plan.cases)} cases cannot be profiled at once", hint="give one size of each kind"
        )
    return artifact, plan.cases[0]


def _in_a_child(
    case: BenchCase, request: ProfileRequest
) -> tuple[dict[str, object], dict[str, object], tuple[MemorySample, ...]]:
    """Facts, profile and memory; a process that had to convert the model is replaced by another."""
    options = request.options
    folder = options.settings.conversions_dir
    before = _entries(folder)
    while True:
        with (
            Child(options.limits, plugins=options.plugins) as child,
            MemorySampler(child.pid) as memory,
            _as_reported(),
        ):
            facts = child.request(
                "load",
                case=case.to_dict(),
                settings=options.settings.model_dump(mode="json"),
                seed=options.seed,
                threads=options.limits.threads or options.settings.threads,
                input_file=options.input_file,
            )
            after = _entries(folder)
            if after != before:
                before = after
                continue
            memory.phase = "run"
            reply = child.request("profile", repetitions=request.repetitions)
        return facts, reply, tuple(memory.samples)


def _entries(folder: Path) -> frozenset[Path]:
    return frozenset(folder.iterdir()) if folder.is_dir() else frozenset()


@contextmanager
def _as_reported() -> Iterator[None]:
    """Raise what the process refused as what it is, not as the failure of a process."""
    try:
        yield
    except ChildFailedError as error:
        remote = error.details.get("error")
        kind = error_types().get(str(remote.get("code"))) if isinstance(remote, dict) else None
        if kind is None or kind.category.value not in {"usage", "unavailable"}:
            raise
        if kind.__init__ is not ChildFailedError.__init__:
            raise
        raise kind(error.message, hint=error.hint, details=error.details) from error
