"""A whole run: resolve, plan, measure, simulate, compare; every row goes to the ledger."""

from __future__ import annotations

import signal
import threading
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ipfs_accelerate import __version__
from ipfs_accelerate.bench.compatibility import compatibility_of
from ipfs_accelerate.bench.gate import Gate
from ipfs_accelerate.bench.history import Comparison, compare_with_previous
from ipfs_accelerate.bench.plan import (
    Plan,
    Selection,
    Sizes,
    Unavailable,
    make_plan,
    select_targets,
)
from ipfs_accelerate.bench.progress import SilentProgress
from ipfs_accelerate.bench.references import References
from ipfs_accelerate.bench.remote import is_remote, remote_targets
from ipfs_accelerate.bench.results import RowKeys, measured_row, simulated_row, unsimulated_row
from ipfs_accelerate.bench.runner import Runner
from ipfs_accelerate.bench.simulate import choose_datasheet, estimate
from ipfs_accelerate.bench.surroundings import git_state, machine_facts
from ipfs_accelerate.errors import AccelerateError, InputError, UnknownTargetError, UsageError
from ipfs_accelerate.hardware import Device, DeviceKind, Support, detect
from ipfs_accelerate.inference.records import hardware_record, model_record
from ipfs_accelerate.models import ModelRef, resolve
from ipfs_accelerate.runtimes import Target, runtimes, support, targets
from ipfs_accelerate.store import CaseStatus, RunRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ipfs_accelerate.bench.case import BenchCase
    from ipfs_accelerate.bench.measure import CaseRun, RunOptions
    from ipfs_accelerate.bench.progress import Progress
    from ipfs_accelerate.bench.simulate import Datasheet
    from ipfs_accelerate.models import ModelArtifact
    from ipfs_accelerate.store import Ledger, MeasurementRecord, ModelRecord

__all__ = ["BenchRequest", "BenchResult", "interruptible", "run_benchmark"]


@dataclass(frozen=True, slots=True)
class BenchRequest:
    """What to measure.

    Attributes:
        models: References.
        options: How to measure each case.
        targets: ``all``, globs or names.
        sizes: Sizes to cross with them.
        simulate: Compute named targets that are absent from datasheets.
        datasheets: Which datasheets to use, by short name; the defaults when empty.
        command_line: As typed, for the run's row.
        cases: Exactly these of the models, in place of targets and sizes.
    """

    models: tuple[str, ...]
    options: RunOptions
    targets: tuple[str, ...] = ("all",)
    sizes: Sizes = field(default_factory=Sizes)
    simulate: bool = False
    datasheets: tuple[str, ...] = ()
    command_line: str | None = None
    cases: tuple[BenchCase, ...] = ()


@dataclass(frozen=True, slots=True)
class BenchResult:
    """What came of it; the rows are in the ledger.

    Attributes:
        run_id: Key of the run.
        records: Rows of this run, in the order they ended.
        unavailable: Targets and models that could not be had.
        comparisons: Against the newest earlier result of each case.
        is_cancelled: Whether the user ended it early.
        success: Whether every case that was to run ended ``ok``.
        left: Cases that were not begun because ``may_begin`` said so.
    """

    run_id: str
    records: tuple[MeasurementRecord, ...]
    unavailable: tuple[Unavailable, ...]
    comparisons: tuple[Comparison, ...]
    is_cancelled: bool
    success: bool
    left: int = 0


def run_benchmark(
    request: BenchRequest,
    ledger: Ledger,
    *,
    progress: Progress | None = None,
    is_cancelled: Callable[[], bool] = lambda: False,
    may_begin: Callable[[], bool] = lambda: True,
) -> BenchResult:
    """Measure, and store each row as soon as its case has ended.

    Call it from a thread that lasts: the cases' processes die with it.

    Args:
        request: What to measure.
        ledger: Takes the rows.
        progress: Shows what happens.
        is_cancelled: Asked between and within all steps; unfinished cases are lost.
        may_begin: Asked before each group of cases; what was begun is finished.

    Raises:
        UsageError: A reference, target or size cannot be what it is.
        UnavailableError: No model can be had, or a target named in full is absent.
        StoreError: The ledger cannot be written; what was stored stays.
    """
    shown = progress or SilentProgress()
    models, missing = _resolve_all(request)
    devices = detect()
    plan = _plan(request, models, devices)
    unavailable = (*missing, *plan.unavailable)
    rows = _Rows(uuid.uuid4().hex, models, devices, ledger)
    ledger.record_run(_run_record(rows.run_id, request, unavailable))
    shown.begin(len(plan.cases))
    try:
        left = _work_through(
            request, plan, models, rows=rows, shown=shown, stops=(is_cancelled, may_begin)
        )
    finally:
        shown.end()
    success = len(rows.committed) + left == len(plan.cases) and not missing
    success = success and not any(_is_failure(r, plan) for r in rows.committed)
    ledger.record_compatibility(compatibility_of(rows.committed))
    ledger.finish_run(rows.run_id, datetime.now(UTC), success=success)
    return BenchResult(
        run_id=rows.run_id,
        records=tuple(rows.committed),
        unavailable=unavailable,
        comparisons=compare_with_previous(ledger, rows.committed),
        is_cancelled=is_cancelled(),
        success=success,
        left=left,
    )


def _work_through(
    request: BenchRequest,
    plan: Plan,
    models: Mapping[str, ModelArtifact],
    *,
    rows: _Rows,
    shown: Progress,
    stops: tuple[Callable[[], bool], Callable[[], bool]],
) -> int:
    """Run the cases; returns how many were not begun for want of leave."""
    options, devices = request.options, detect()
    is_cancelled, may_begin = stops
    references = References(
        options,
        is_usable=lambda target: _is_usable(target, devices),
        model=lambda case: models[case.model],
        is_cancelled=is_cancelled,
    )
    _simulate(request, plan, rows=rows, references=references, progress=shown)
    gate = _gate(options, plan, devices, is_cancelled=is_cancelled)

    def commit(run: CaseRun, group: int | None) -> MeasurementRecord:
        keys = rows.keys(run.case)
        row = measured_row(run.case, keys, run.seen, options=options, gate=gate, group=group)
        return rows.commit(row)

    runner = Runner(
        options,
        weights_bytes=max(artifact.weights_bytes for artifact in models.values()),
        references=references,
        commit=commit,
        progress=shown,
        is_cancelled=is_cancelled,
    )
    return runner.run(plan.real, may_begin=may_begin)


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Turn the first SIGINT into a question answered ``True``; the second interrupts at once.

    Only the main thread can take signals; elsewhere the answer stays ``False``.
    """
    cancelled = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield cancelled.is_set
        return

    def cancel(_signal: int, _frame: object) -> None:
        if cancelled.is_set():
            raise KeyboardInterrupt
        cancelled.set()

    previous = signal.signal(signal.SIGINT, cancel)
    try:
        yield cancelled.is_set
    finally:
        signal.signal(signal.SIGINT, previous)


class _Rows:
    """Builds the keys of rows, writes them, and remembers them."""

    def __init__(
        self,
        run_id: str,
        models: Mapping[str, ModelArtifact],
        devices: Sequence[Device],
        ledger: Ledger,
    ) -> None:
        self.run_id = run_id
        self.committed: list[MeasurementRecord] = []
        self._ledger = ledger
        self._models = {name: model_record(artifact) for name, artifact in models.items()}
        self._hardware = {device.id: hardware_record(device) for device in devices}

    def model(self, case: BenchCase) -> ModelRecord:
        return self._models[case.model]

    def keys(self, case: BenchCase) -> RowKeys:
        target = Target.parse(case.target)
        if target.device not in self._hardware:
            kind = self._hardware.get(target.device.partition(":")[0])
            self._hardware[target.device] = kind or hardware_record(_virtual(target))
        return RowKeys(self.run_id, self.model(case), self._hardware[target.device])

    def commit(self, row: MeasurementRecord) -> MeasurementRecord:
        self._ledger.record_measurements([row])
        self.committed.append(row)
        return row


def _virtual(target: Target) -> Device:
    """A device that only a runtime knows, such as OpenVINO's ``auto``, or a remote service."""
    if is_remote(target):
        yes = Support.yes("configured")
        return Device(target.device, DeviceKind.REMOTE, f"remote service {target.device}", yes)
    is_named = target.runtime in list(DeviceKind)
    kind = DeviceKind(target.runtime) if is_named else DeviceKind.NULL
    name = f"{target.device} of {target.runtime}"
    return Device(target.device, kind, name, Support.yes("a runtime's own"))


def _resolve_all(
    request: BenchRequest,
) -> tuple[dict[str, ModelArtifact], tuple[Unavailable, ...]]:
    if not request.models:
        raise InputError("no model given", hint="accel bench run org/name")
    for text in request.models:
        ModelRef.parse(text)
    found: dict[str, ModelArtifact] = {}
    missing: list[Unavailable] = []
    for text in dict.fromkeys(request.models):
        try:
            found[text] = resolve(text, settings=request.options.settings)
        except UsageError:
            raise
        except AccelerateError as error:
            if len(request.models) == 1:
                raise
            missing.append(Unavailable(text, error.message, error.hint))
    if not found:
        first = missing[0]
        raise InputError(f"no model can be used; {first.target}: {first.reason}", hint=first.hint)
    return found, tuple(missing)


def _plan(
    request: BenchRequest, models: Mapping[str, ModelArtifact], devices: Sequence[Device]
) -> Plan:
    if request.cases:
        return Plan(tuple(case for case in request.cases if case.model in models))
    tuning = {name: runtime.option_names for name, runtime in runtimes().items()}
    local = [pattern for pattern in request.targets if not is_remote(pattern)]
    remote: list[tuple[Target, Support]] = []
    if len(local) < len(request.targets):  # never part of ``all``: services cost money
        remote = remote_targets(request.options.settings, request.targets)

    def select(known: Sequence[tuple[Target, Support]]) -> Selection:
        return select_targets(
            request.targets, known, devices, tuning=tuning, simulate=request.simulate
        )

    try:
        selection = select([*remote, *_targets_of(local, devices)] if local else remote)
    except UnknownTargetError:  # the nearest name may belong to another runtime
        selection = select([*targets(devices), *remote])
    for target, _ in selection.simulated:
        _datasheet(request, target, devices)
    return make_plan(models, selection, request.sizes)


def _targets_of(patterns: Sequence[str], devices: Sequence[Device]) -> list[tuple[Target, Support]]:
    """Targets of the runtimes that the patterns name; asking one loads its library."""
    known = runtimes()
    named = [pattern.partition("/")[0] for pattern in patterns]
    if not all(name in known for name in named):
        return targets(devices)
    return [pair for name in dict.fromkeys(named) for pair in known[name].targets(devices)]


def _is_usable(target: str, devices: Sequence[Device]) -> bool:
    parsed = Target.parse(target)
    return parsed.runtime in runtimes() and support(parsed, devices).usable


def _run_record(
    run_id: str, request: BenchRequest, unavailable: Sequence[Unavailable]
) -> RunRecord:
    commit, branch = git_state()
    return RunRecord(
        run_id=run_id,
        test_name="bench run",
        test_type="performance",
        started_at=datetime.now(UTC),
        git_commit=commit,
        git_branch=branch,
        command_line=request.command_line,
        metadata={
            "version": __version__,
            **machine_facts(),
            "seed": request.options.seed,
            "unavailable": {u.target: u.reason for u in unavailable},
        },
    )


def _gate(
    options: RunOptions,
    plan: Plan,
    devices: Sequence[Device],
    *,
    is_cancelled: Callable[[], bool],
) -> Gate:
    kinds = {d.id: d.kind for d in devices}
    used = {kinds.get(Target.parse(case.target).device) for case in plan.real}
    if DeviceKind.CPU not in used:
        return Gate(why_not="no case runs on the processor")
    return Gate.measured(options, is_cancelled=is_cancelled)


def _datasheet(request: BenchRequest, target: Target, devices: Sequence[Device]) -> Datasheet:
    ids = (target.device, target.device.partition(":")[0])
    kind = next((d.kind for d in devices if d.id in ids), None)
    return choose_datasheet(target, kind, request.datasheets)


def _simulate(
    request: BenchRequest, plan: Plan, *, rows: _Rows, references: References, progress: Progress
) -> None:
    devices = detect()
    for case in plan.simulated:
        target = Target.parse(case.target)
        work = references.of(case).work
        if work is None:
            why = references.of(case).why_no_work
            row = unsimulated_row(rows.keys(case), case, f"the work cannot be counted: {why}")
        else:
            found = estimate(
                _datasheet(request, target, devices),
                target.precision,
                operations=work["flops"],
                weight_bytes=work["weight_bytes"],
            )
            row = simulated_row(case, run_id=rows.run_id, model=rows.model(case), estimate=found)
        progress.finished(rows.commit(row))


def _is_failure(row: MeasurementRecord, plan: Plan) -> bool:
    """A target that ``all`` brought in and that cannot run this model is no failure."""
    if row.status is not CaseStatus.UNAVAILABLE:
        return row.status is not CaseStatus.OK
    explicit = {c.target for c in plan.cases if c.is_explicit}
    return row.target in explicit
