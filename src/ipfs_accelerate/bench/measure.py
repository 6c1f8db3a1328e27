"""One case from start to finish: load, first call, warm-up, blocks of samples, closing checks."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ipfs_accelerate.bench.interference import Surroundings
from ipfs_accelerate.bench.isolation import Child
from ipfs_accelerate.bench.remote import is_remote
from ipfs_accelerate.bench.sampling import AdaptiveSampler, SamplingPolicy, Stop, Take
from ipfs_accelerate.bench.surroundings import EnergyMeter
from ipfs_accelerate.bench.warmup import WarmupDetector, WarmupPolicy
from ipfs_accelerate.errors import AccelerateError, ChildFailedError
from ipfs_accelerate.hardware import energy_sensors
from ipfs_accelerate.runtimes import Target
from ipfs_accelerate.store import CaseStatus
from ipfs_accelerate.telemetry import MonotonicClock, observe_machine, observe_process

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from ipfs_accelerate.bench.case import BenchCase, Limits
    from ipfs_accelerate.config import Settings

__all__ = ["BLOCK_NS", "MAX_SAMPLES", "CaseRun", "Observation", "Reference", "RunOptions"]

#: Length of a block of samples. Short against the drift of a machine, long against switching.
BLOCK_NS = 250 * 10**6
_MIN_BLOCK, _MAX_BLOCK = 3, 2000
#: Raw samples kept of one case: 160 kB.
MAX_SAMPLES = 20_000


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How every case of a run is measured.

    Attributes:
        limits: Per case.
        settings: Handed to every case's process.
        seed: Of the inputs.
        is_interleaved: Alternate between the targets of one workload.
        input_file: Text to use as input; ``None`` draws inputs.
        plugins: Further plugins of every case's process.
        is_gated: Hold results against the measured peak of the machine.
    """

    limits: Limits
    settings: Settings
    seed: int = 0
    is_interleaved: bool = True
    input_file: str | None = None
    plugins: tuple[str, ...] = ()
    is_gated: bool = True


@dataclass(frozen=True, slots=True)
class Reference:
    """What a workload computes, and how much that is.

    Attributes:
        path: File of kept outputs; ``None`` when there are none.
        name: Target they come from, or why there are none.
        work: ``flops`` and ``weight_bytes`` (fp32, those read whole) of one call; ``None`` when
            they could not be counted.
        why_no_work: Why not.
    """

    path: Path | None
    name: str
    work: Mapping[str, int] | None = None
    why_no_work: str | None = None


@dataclass(slots=True)
class Observation:
    """What was seen of one case, filled step by step; see `MeasurementRecord` for the units."""

    facts: dict[str, object] = field(default_factory=dict)
    first_inference_ns: int | None = None
    warmup_ns: list[int] = field(default_factory=list)
    samples_ns: list[int] = field(default_factory=list)
    blocks: list[int] = field(default_factory=list)
    phases: dict[str, list[int]] = field(default_factory=dict)
    cpu_ns: int = 0
    windows: list[Surroundings] = field(default_factory=list)
    peak_memory_bytes: int | None = None
    energy_j: float | None = None
    placement: dict[str, object] | None = None
    parity: dict[str, object] | None = None
    reasons: dict[str, str] = field(default_factory=dict)
    flags: dict[str, str] = field(default_factory=dict)
    work: Mapping[str, int] | None = None
    stop: Stop | None = None
    warmup_reason: str = ""
    status: CaseStatus = CaseStatus.OK
    error: dict[str, object] | None = None


class CaseRun:
    """One case between its start and its result; errors of its process come out as raised.

    Args:
        case: What to measure.
        options: How.
        stage: Told what it is doing.
        is_cancelled: Asked while it works.
    """

    def __init__(
        self,
        case: BenchCase,
        options: RunOptions,
        *,
        stage: Callable[[str], None] = lambda _: None,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self.case = case
        self.seen = Observation()
        self._options = options
        self._stage = stage
        self._is_cancelled = is_cancelled
        self._child: Child | None = None
        limits = options.limits
        self._sampler = AdaptiveSampler(
            SamplingPolicy(target_relative_width=limits.precision_goal, budget_ns=limits.budget_ns)
        )
        self._meter = EnergyMeter(energy_sensors(), Target.parse(case.target).device)

    def begin(self) -> None:
        """Start the process, load, run once, and run on until the latency is steady.

        A process that converted the model while loading is replaced, so that neither its peak
        memory nor its load time contain the conversion.
        """
        before = self._conversions()
        self._load()
        if self._conversions() != before:
            self._stage("converted; loading again")
            self._load()
        self._stage("warming up")
        self.seen.first_inference_ns = self._run(1)[0]
        self.seen.warmup_ns.append(self.seen.first_inference_ns)
        self._warm_up()

    def sample(self, *, skip: int = 0) -> bool:
        """Measure one block; whether that was the last.

        Args:
            skip: Calls to leave out first, after another case had the machine.
        """
        step = self._sampler.next()
        if isinstance(step, Take):
            block = min(step.count, self._calls_in(BLOCK_NS))
            reply = self._observed(count=block, skip=skip)
            samples = cast("list[int]", reply["samples_ns"])
            self.seen.cpu_ns += cast("int", reply["cpu_ns"])
            self.seen.samples_ns += samples
            for phase, values in cast("dict[str, list[int]]", reply["phases"]).items():
                self.seen.phases.setdefault(phase, []).extend(values)
            self.seen.blocks.append(len(samples))
            for latency_ns in samples:
                self._sampler.add(latency_ns)
            self._stage(f"sampling, {len(self.seen.samples_ns)} calls")
            step = self._sampler.next()
        if isinstance(step, Stop):
            self.seen.stop = step
            return True
        return False

    def conclude(self, reference: Reference) -> None:
        """After the last block: peak memory, then placement and parity, which may fail alone."""
        self._stage("checking")
        self.seen.work = reference.work
        if reference.why_no_work:
            self.seen.reasons["fraction_of_peak"] = reference.why_no_work
        missing = cast("dict[str, str]", self.seen.facts.get("missing", {}))
        self.seen.reasons |= missing
        self._observe_costs(missing)
        if "placement" not in missing:
            self.seen.placement = self._try("placement")
        if reference.path is None:
            self.seen.reasons["parity"] = reference.name
        if "parity" in self.seen.reasons:
            return
        precision, path = str(self.seen.facts["executed_precision"]), str(reference.path)
        found = self._try("parity", path=path, precision=precision, target=reference.name)
        self.seen.parity = None if found is None else {**found, "reference": reference.name}

    def _observe_costs(self, missing: Collection[str]) -> None:
        child = self._open()
        if "peak_memory_bytes" not in missing:
            tree_bytes, own_bytes = child.peak_tree_bytes, observe_process(child.pid).peak_rss_bytes
            self.seen.peak_memory_bytes = max(tree_bytes, own_bytes or 0) or None
        if "energy_j" not in missing:
            self.seen.energy_j = self._meter.total_j
            if self._meter.reason:
                self.seen.reasons["energy_j"] = self._meter.reason

    def finish(self) -> None:
        """Let the process free what it holds, then end it."""
        self._try("finish")
        self.close()

    def close(self) -> None:
        """End the process at once; idempotent."""
        if self._child is not None:
            self._child.close()
            self._child = None

    def keep_outputs(self, path: Path) -> dict[str, object]:
        """Load, write this case's outputs as the reference of others, and count its work."""
        self._load()
        return self._request("reference", path=str(path))

    # --- steps ---

    def _load(self) -> None:
        self.close()
        self._stage("loading")
        options = self._options
        self._child = Child(
            options.limits, plugins=options.plugins, is_cancelled=self._is_cancelled
        )
        self.seen.facts = self._request(
            "load",
            case=self.case.to_dict(),
            settings=self._settings_sent(),
            seed=options.seed,
            threads=options.limits.threads or options.settings.threads,
            input_file=options.input_file,
        )

    def _settings_sent(self) -> dict[str, object]:
        """All that may be shown; where the services are only to a case that asks them."""
        settings = self._options.settings
        sent = settings.model_dump(mode="json")
        return {**sent, "gateway": settings.gateway} if is_remote(self.case.target) else sent

    def _warm_up(self) -> None:
        budget_ns = min(WarmupPolicy().budget_ns, self._options.limits.budget_ns)
        detector = WarmupDetector(WarmupPolicy(budget_ns=budget_ns))
        while True:
            samples = self._run(self._calls_in(BLOCK_NS // 5))
            self.seen.warmup_ns += samples
            decision = [detector.add(latency_ns) for latency_ns in samples][-1]
            if decision.is_done:
                self.seen.flags |= dict.fromkeys(decision.flags, decision.reason)
                self.seen.warmup_reason = decision.reason
                return

    def _observed(self, *, count: int, skip: int) -> dict[str, object]:
        """A block of samples with machine, process and energy read around it."""
        pid = self._open().pid
        machine, process = observe_machine(), observe_process(pid)
        self._meter.start()
        started_ns = MonotonicClock().now_ns()
        reply = self._request("sample", count=count, budget_ns=4 * BLOCK_NS, skip=skip)
        elapsed_ns = MonotonicClock().now_ns() - started_ns
        self._meter.stop()
        window = Surroundings(
            (machine, observe_machine()), (process, observe_process(pid)), elapsed_ns, _cores()
        )
        self.seen.windows.append(window)
        return reply

    def _run(self, count: int) -> list[int]:
        reply = self._request("sample", count=count, budget_ns=4 * BLOCK_NS)
        return cast("list[int]", reply["samples_ns"])

    def _calls_in(self, duration_ns: int) -> int:
        recent = (self.seen.samples_ns or self.seen.warmup_ns)[-5:]
        mean_ns = max(1, sum(recent) // len(recent))
        return min(max(duration_ns // mean_ns, _MIN_BLOCK), _MAX_BLOCK)

    def _request(self, command: str, **arguments: object) -> dict[str, object]:
        return self._open().request(command, **arguments)

    def _open(self) -> Child:
        if self._child is None:
            raise ChildFailedError(f"{self.case.target} is not running")
        return self._child

    def _try(self, command: str, **arguments: object) -> dict[str, object] | None:
        """A closing step; its failure is a reason, as the measurement itself stands."""
        if self._child is None:
            return None
        try:
            return self._request(command, **arguments)
        except AccelerateError as error:
            if self._is_cancelled():
                raise
            self.seen.reasons[command] = error.message
            self.seen.flags[f"{command}_failed"] = error.message
            if not self._child.is_alive:
                self.close()
            return None

    def _conversions(self) -> frozenset[Path]:
        folder = self._options.settings.conversions_dir
        return frozenset(folder.iterdir()) if folder.is_dir() else frozenset()


def _cores() -> int:
    return os.cpu_count() or 1
