"""What a certificate rests on: a result, its repeats, and what is known about their history."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import InputError
from ipfs_accelerate.evidence.regressions import find_regressions, read_history
from ipfs_accelerate.evidence.regressions.detect import FEWEST_RUNS
from ipfs_accelerate.store import CaseStatus
from ipfs_accelerate.telemetry import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from ipfs_accelerate.store import Ledger, MeasurementRecord

__all__ = ["Evidence", "Policy", "RunTimes", "find_result", "gather", "rows_by_id"]

_MOST_REPEATS = 50
_DISTURBED = frozenset({"interference", "throttled"})
#: Parts of the environment that repeats must share.
_SETTINGS = ("versions", "kernel", "python", "cores", "governor", "seed", "input_file")


@dataclass(frozen=True, slots=True)
class Policy:
    """What is asked of a result.

    Attributes:
        runs: Independent runs.
        bound: Relative difference up to which their medians agree.
        quantiles: Quantiles that are claimed.
    """

    runs: int = 3
    bound: float = 0.05
    quantiles: tuple[float, ...] = (0.5,)

    def __post_init__(self) -> None:
        if self.runs < 2:
            raise InputError(f"{self.runs} runs show no reproducibility", hint="--runs 3")
        if not 0 < self.bound < 1:
            raise InputError(f"bound {self.bound!r} is not between 0 and 1", hint="--bound 5%")
        if not self.quantiles or not all(0 < q < 1 for q in self.quantiles):
            raise InputError(f"quantiles {self.quantiles} cannot be claimed", hint="--quantile 50")


@dataclass(frozen=True, slots=True)
class RunTimes:
    """Wall clock of a run.

    Attributes:
        started_at: UTC.
        completed_at: UTC; ``None`` when it never ended.
        git_commit: ``None`` outside a repository.
    """

    started_at: datetime
    completed_at: datetime | None
    git_commit: str | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything the rules look at.

    Attributes:
        subject: The result in question, with samples.
        repeats: All comparable results of other runs, newest first, with samples.
        runs: Run id → wall clock.
        policy: What is asked.
        left_out: Why results of the same case are not repeats: reason → how many.
        changes: Changes in the history of the case, in words; ``None`` when it is too short.
    """

    subject: MeasurementRecord
    repeats: tuple[MeasurementRecord, ...] = ()
    runs: Mapping[str, RunTimes] = field(default_factory=dict)
    policy: Policy = field(default_factory=Policy)
    left_out: Mapping[str, int] = field(default_factory=dict)
    changes: tuple[str, ...] | None = None

    @property
    def rows(self) -> tuple[MeasurementRecord, ...]:
        """Subject first, then the repeats."""
        return (self.subject, *self.repeats)


def gather(
    ledger: Ledger,
    result: str,
    policy: Policy | None = None,
    *,
    only: Sequence[str] | None = None,
) -> Evidence:
    """Read what there is about a result, in one state of the ledger.

    Args:
        ledger: The ledger.
        result: Its whole id.
        policy: See `Policy`.
        only: Ids of the repeats to use; ``None`` finds them. Repeats are chosen by their
            surroundings, never by their latency.

    Raises:
        InputError: There is no such result.
    """
    with ledger.snapshot():
        subject = rows_by_id(ledger, [result])[0]
        left_out: dict[str, int] = {}
        repeats = _repeats(ledger, subject, left_out) if only is None else rows_by_id(ledger, only)
        return Evidence(
            subject=subject,
            repeats=tuple(repeats),
            runs=_run_times(ledger, [row.run_id for row in (subject, *repeats)]),
            policy=policy or Policy(),
            left_out=left_out,
            changes=_changes(ledger, subject),
        )


def find_result(ledger: Ledger, name: str) -> str:
    """The whole id of the result whose id begins so.

    Raises:
        InputError: None or several begin so.
    """
    start = name.lower().replace("-", "")
    sql = """SELECT result_id, origin FROM results
        WHERE starts_with(replace(result_id::VARCHAR, '-', ''), ?) LIMIT 6"""
    found = [str(row[0]) for row in ledger.query(sql, [start]).rows] if start else []
    if len(found) == 1:
        return found[0]
    why = f"is ambiguous: {', '.join(found)}" if found else "is not in the ledger"
    raise InputError(f"result {name!r} {why}", hint="`accel evidence summary` lists results")


def rows_by_id(ledger: Ledger, ids: Sequence[str]) -> list[MeasurementRecord]:
    """Results of any origin and status, with samples, in the order asked for.

    Raises:
        InputError: One is not in the ledger.
    """
    found = []
    for name in ids:
        rows = ledger.performance(
            result_id=name, statuses=tuple(CaseStatus), origins=tuple(Origin), with_samples=True
        )
        if not rows:
            raise InputError(f"result {name!r} is not in the ledger")
        found.append(rows[0])
    return found


def _repeats(
    ledger: Ledger, subject: MeasurementRecord, left_out: dict[str, int]
) -> list[MeasurementRecord]:
    rows = ledger.performance(
        model_id=subject.model.model_id,
        hardware_id=subject.hardware.hardware_id,
        target=subject.target,
        test_case=subject.test_case,
        limit=_MOST_REPEATS,
        with_samples=True,
    )
    kept = []
    for row in rows:
        if row.run_id == subject.run_id:
            continue
        why = _unlike(subject, row)
        if why is None:
            kept.append(row)
        else:
            left_out[why] = left_out.get(why, 0) + 1
    return kept


def _unlike(subject: MeasurementRecord, row: MeasurementRecord) -> str | None:
    """Why a row of the same case is no repeat; nothing of it looks at the latency."""
    if row.executed_precision != subject.executed_precision:
        return "another precision was executed"
    for name in _SETTINGS:
        if row.environment.get(name) != subject.environment.get(name):
            return f"other {name.replace('_', ' ')}"
    if _threads(row) != _threads(subject):
        return "other threads"
    if len(row.samples_ns) < 2:
        return "fewer than two samples"
    if _DISTURBED & set(row.flags):
        return "disturbed by other processes or throttled"
    return None


def _threads(row: MeasurementRecord) -> object:
    settings = row.environment.get("settings")
    return settings.get("threads") if isinstance(settings, dict) else None


def _run_times(ledger: Ledger, ids: Sequence[str]) -> dict[str, RunTimes]:
    from datetime import UTC, datetime

    sql = """SELECT run_id, started_at, completed_at, git_commit FROM test_runs
        WHERE list_contains(?::VARCHAR[], run_id)"""

    def moment(value: object) -> datetime | None:
        return value.replace(tzinfo=UTC) if isinstance(value, datetime) else None

    found = {}
    for run, started, completed, commit in ledger.query(sql, [list(ids)]).rows:
        begin = moment(started)
        if begin is not None:
            end, text = moment(completed), None if commit is None else str(commit)
            found[str(run)] = RunTimes(begin, end, text)
    return found


def _changes(ledger: Ledger, subject: MeasurementRecord) -> tuple[str, ...] | None:
    """Changes of level or drift in the case's history; an improvement is a change too."""
    series = [s for s in read_history(ledger) if _is_case(s.key, subject)]
    if not series or len(series[0].points) < FEWEST_RUNS:
        return None
    report = find_regressions(series)
    return tuple(
        f"{f.change.kind} to {f.change.ratio:.3f}× at {f.first.created_at:%Y-%m-%d %H:%M}"
        for f in report.findings
        if f.change.kind != "variance"
    )


def _is_case(key: object, subject: MeasurementRecord) -> bool:
    device = subject.hardware
    wanted = {
        "model_name": subject.model.model_name,
        "host": device.host,
        "device_id": device.device_id,
        "device_name": device.device_name,
        "target": subject.target,
        "test_case": subject.test_case,
    }
    return all(getattr(key, name) == value for name, value in wanted.items())
