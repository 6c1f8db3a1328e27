"""Runs the trials of a sweep one by one; every verdict is stored before the next trial begins."""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol, Self

from ipfs_accelerate.bench.case import Limits
from ipfs_accelerate.bench.isolation import Child
from ipfs_accelerate.bench.surroundings import git_state, machine_facts
from ipfs_accelerate.bench.sweep.plan import plan_sweep, versions_of
from ipfs_accelerate.errors import AccelerateError
from ipfs_accelerate.store import (
    CompatibilityRecord,
    ModelRecord,
    RunRecord,
    Verdict,
    VerdictRecord,
    read_verdicts,
)
from ipfs_accelerate.telemetry import MonotonicClock, Origin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ipfs_accelerate.bench.sweep.plan import SweepRequest, Trial
    from ipfs_accelerate.store import HardwareRecord, Ledger
    from ipfs_accelerate.telemetry import Clock

__all__ = ["SweepProgress", "SweepResult", "run_sweep"]

_TORCH = "torch/cpu/fp32"
#: The server itself only waits; this bounds one that hangs.
_SERVER_GRACE_NS = 60 * 10**9
_DEATHS = {
    "timeout": ("TimeoutError", "took longer than {timeout:g} s"),
    "memory": ("MemoryError", "took more than {memory} MiB of memory"),
}


class SweepProgress(Protocol):
    """Told what happens, in order."""

    def begin(self, count: int) -> None:
        """So many trials are to come."""
        ...

    def finished(self, config_class: str, records: Sequence[VerdictRecord], left_ns: int) -> None:
        """A trial ended and is stored; the rest takes about so long."""
        ...


@dataclass(slots=True)
class SweepResult:
    """What a sweep did.

    Attributes:
        run_id: Its run.
        planned: Trials it set out to do.
        tried: Trials it did.
        verdicts: Target → verdict → count.
        parts: Configuration classes that were tried as a part of another model.
        elapsed_ns: Of the whole.
        stopped: ``None``, ``budget`` or ``cancelled``.
    """

    run_id: str
    planned: int
    tried: int = 0
    verdicts: dict[str, dict[str, int]] = field(default_factory=dict)
    parts: list[str] = field(default_factory=list)
    elapsed_ns: int = 0
    stopped: str | None = None


def run_sweep(
    request: SweepRequest,
    ledger: Ledger,
    *,
    progress: SweepProgress,
    is_cancelled: Callable[[], bool] = lambda: False,
    clock: Clock | None = None,
) -> SweepResult:
    """Try what has no verdict yet, within the budget.

    Raises:
        UnknownNameError: A named class or runtime does not exist.
        MissingExtraError: `transformers` is not installed.
    """
    known = read_verdicts(ledger)
    trials = plan_sweep(request, known)
    clock = clock or MonotonicClock()
    started_ns = clock.now_ns()
    result = SweepResult(uuid.uuid4().hex, len(trials))
    ledger.record_run(_run_record(result.run_id, request))
    progress.begin(len(trials))
    broken = {v.config_class for v in known if v.target == _TORCH and not v.verdict.is_good}
    with _Server(request, is_cancelled) as server:
        for number, trial in enumerate(trials, start=1):
            result.stopped = _stop_reason(request, clock.now_ns() - started_ns, is_cancelled)
            if result.stopped:
                break
            records = _one(trial, server, (request, result), broken)
            ledger.record_verdicts(records)
            result.tried += 1
            elapsed_ns = clock.now_ns() - started_ns
            left_ns = elapsed_ns // number * (len(trials) - number)
            progress.finished(trial.config_class.name, records, left_ns)
    result.elapsed_ns = clock.now_ns() - started_ns
    ledger.finish_run(result.run_id, datetime.now(UTC), success=result.stopped is None)
    return result


def _stop_reason(
    request: SweepRequest, elapsed_ns: int, is_cancelled: Callable[[], bool]
) -> str | None:
    if is_cancelled():
        return "cancelled"
    over = request.budget_ns is not None and elapsed_ns >= request.budget_ns
    return "budget" if over else None


def _one(
    trial: Trial,
    server: _Server,
    context: tuple[SweepRequest, SweepResult],
    broken: set[str | None],
) -> list[VerdictRecord]:
    """The verdicts of one trial, counted in the result."""
    request, result = context
    name = trial.config_class.name
    if trial.targets[0] != _TORCH and name in broken:
        return []
    told = _Told.of(server.trial(trial))
    if told.model.get("is_part") and name not in result.parts:
        result.parts.append(name)
    outcomes = list(told.outcomes(trial, request))
    if any(o["target"] == _TORCH and not Verdict(o["verdict"]).is_good for o in outcomes):
        broken.add(name)
    records = [_record(o, trial, told, result.run_id) for o in outcomes]
    for record in records:
        counts = result.verdicts.setdefault(record.base.target, {})
        counts[record.verdict.value] = counts.get(record.verdict.value, 0) + 1
    return records


@dataclass(slots=True)
class _Told:
    """What a trial's process told before it ended.

    Attributes:
        found: Outcomes by target.
        model: Class of the model.
        at: Last stage and target.
        death: How it ended, unless well.
    """

    found: dict[str, dict[str, Any]] = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)
    at: dict[str, str] = field(default_factory=dict)
    death: str | None = None

    @classmethod
    def of(cls, reply: Mapping[str, Any]) -> _Told:
        told = cls(death=reply["death"])
        for event in reply["events"]:
            if "outcome" in event:
                told.found[event["outcome"]["target"]] = event["outcome"]
            elif "model" in event:
                told.model = event
            elif "stage" in event:
                told.at = event
        return told

    def outcomes(self, trial: Trial, request: SweepRequest) -> Iterator[dict[str, Any]]:
        """One per target that has a verdict; a death is that of the target it worked on."""
        torch = self.found.get(_TORCH)
        for target in trial.targets:
            if target in self.found:
                yield self.found[target]
            elif self.death and self.at.get("target") in {target, "*"}:
                yield self._dead(target, request)
        # A graph cannot be tried when PyTorch fails, whatever an earlier run said.
        is_new = torch is not None and _TORCH not in trial.targets
        if is_new and torch is not None and torch["verdict"] != Verdict.WORKS.value:
            yield torch
        elif self.death and self.at.get("target") == _TORCH and _TORCH not in trial.targets:
            yield self._dead(_TORCH, request)

    def _dead(self, target: str, request: SweepRequest) -> dict[str, Any]:
        kind, text = _DEATHS.get(str(self.death), (str(self.death), f"died by {self.death}"))
        line = text.format(timeout=request.timeout_ns / 1e9, memory=request.memory_bytes >> 20)
        return {
            "target": target,
            "verdict": Verdict.ERROR.value,
            "elapsed_ns": request.timeout_ns if self.death == "timeout" else 0,
            "stage": self.at.get("stage"),
            "error_class": kind,
            "first_line": f"the process {line}",
        }


def _record(outcome: Mapping[str, Any], trial: Trial, told: _Told, run_id: str) -> VerdictRecord:
    verdict, found = Verdict(outcome["verdict"]), trial.config_class
    facts = outcome.get("facts") or {}
    target = str(outcome["target"])
    versions = versions_of(target)
    line = _line(outcome.get("first_line"), told.model)
    release = versions.get("transformers", "unknown")
    model = ModelRecord(
        model_name=f"transformers/{found.name}",
        # A row of a model is never changed: one that is found out later needs another version.
        version=release if told.model else f"{release}, model class unknown",
        model_family=found.folder,
        modality="unknown",
        source="transformers",
        architecture=told.model.get("model"),
        metadata={"model_type": told.model.get("model_type"), "weights": "random(seed=0)"},
    )
    base = CompatibilityRecord(
        run_id=run_id,
        model=model,
        hardware=_hardware(),
        target=target,
        is_compatible=verdict.is_good,
        detection_success=True,
        initialization_success=outcome.get("stage") not in {"instantiate", "export", "load"},
        origin=Origin.MEASURED,
        created_at=datetime.now(UTC),
        error_message=None if verdict.is_good else line,
        error_type=outcome.get("error_class"),
    )
    return VerdictRecord(
        base=base,
        verdict=verdict,
        config_class=found.name,
        elapsed_ns=int(outcome["elapsed_ns"]),
        stage=outcome.get("stage"),
        error_class=outcome.get("error_class"),
        first_line=line,
        largest_error=_finite(outcome.get("largest_error")),
        allowed_error=outcome.get("allowed_error"),
        shrink_level=facts.get("level"),
        inputs=facts.get("inputs", {}),
        parameters=facts.get("parameters"),
        versions=versions,
    )


def _line(line: str | None, model: Mapping[str, Any]) -> str | None:
    """The reason, with the model that stands for the class."""
    if not model.get("is_part"):
        return line
    part = f"as part of {model['model']}"
    return f"{line} ({part})" if line else part


def _finite(value: float | None) -> float | None:
    return value if value is not None and abs(value) < float("inf") else None


def _hardware() -> HardwareRecord:
    from ipfs_accelerate.hardware.cpu import find_cpu
    from ipfs_accelerate.hardware.system import System
    from ipfs_accelerate.inference.records import hardware_record

    return hardware_record(find_cpu(System.local()))


def _run_record(run_id: str, request: SweepRequest) -> RunRecord:
    commit, branch = git_state()
    return RunRecord(
        run_id=run_id,
        test_name="bench sweep",
        test_type="compatibility",
        started_at=datetime.now(UTC),
        git_commit=commit,
        git_branch=branch,
        command_line=request.command_line,
        metadata={**machine_facts(), "seed": request.seed, "sample": request.sample},
    )


class _Server:
    """The process that forks one for each class; replaced when it dies."""

    def __init__(self, request: SweepRequest, is_cancelled: Callable[[], bool]) -> None:
        self._request = request
        self._is_cancelled = is_cancelled
        self._child: Child | None = None

    def trial(self, trial: Trial) -> Mapping[str, Any]:
        """What the class's process told; a server that failed is a death of this class."""
        try:
            return self._ready().request(
                "trial",
                config_class=asdict(trial.config_class),
                targets=list(trial.targets),
                timeout_ns=self._request.timeout_ns,
                memory_bytes=self._request.memory_bytes,
            )
        except AccelerateError as error:
            self.close()
            if self._is_cancelled():  # that says nothing about the class
                return {"events": [], "death": None}
            at = {"stage": "instantiate", "target": trial.targets[0]}
            return {"events": [at], "death": error.message}

    def _ready(self) -> Child:
        if self._child is None:
            limits = Limits(timeout_ns=_A_YEAR_NS, memory_bytes=None)
            program = ("-m", "ipfs_accelerate.bench.sweep._server")
            self._child = Child(limits, program=program, is_cancelled=self._is_cancelled)
            self._child.request("preload")
        return self._child

    def close(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


#: The server lasts as long as the sweep; it enforces the limit of each class itself.
_A_YEAR_NS = 365 * 24 * 3600 * 10**9
