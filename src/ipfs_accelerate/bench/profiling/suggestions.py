"""Ways to run faster that were tried: each is measured beside the profiled target."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ipfs_accelerate.bench.compare import compare
from ipfs_accelerate.bench.pairing import speed_ratio
from ipfs_accelerate.bench.plan import Sizes
from ipfs_accelerate.bench.run import BenchRequest, run_benchmark
from ipfs_accelerate.errors import AccelerateError
from ipfs_accelerate.hardware import Precision, detect
from ipfs_accelerate.runtimes import Target, runtimes, targets
from ipfs_accelerate.store import CaseStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ipfs_accelerate.bench.measure import RunOptions
    from ipfs_accelerate.bench.profiling.run import ModelProfile
    from ipfs_accelerate.store import Ledger, MeasurementRecord

__all__ = ["Suggestion", "candidate_targets", "try_suggestions"]

_BATCH_FACTOR = 8


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One thing that was tried.

    Attributes:
        change: What is different.
        target: Where it ran.
        batch_size: Items per call.
        speedup: Time of an item as profiled over its time with the change; ``None`` when it could
            not be measured.
        low: Lower end of the interval.
        high: Upper end.
        verdict: ``faster``, ``slower``, ``no difference``, ``inconclusive`` or ``not measured``.
        is_same_answer: Whether outputs agree with the reference; ``None`` when not checked.
        reason: Why it was not measured; ``None`` when it was.
        run_id: Rows of the ledger it rests on; ``None`` when not measured.
    """

    change: str
    target: str
    batch_size: int
    speedup: float | None
    low: float | None
    high: float | None
    verdict: str
    is_same_answer: bool | None
    reason: str | None = None
    run_id: str | None = None


def candidate_targets(profile: ModelProfile, *, limit: int) -> list[tuple[str, Target]]:
    """What to try, most promising for the profile's bottleneck first.

    Args:
        profile: Of a target.
        limit: At most so many.
    """
    base = Target.parse(profile.target)
    usable = [target for target, verdict in targets(detect()) if verdict.usable]
    same_device = [t for t in usable if t.device == base.device and t != base]
    precisions = [
        (f"precision {t.precision.value}", t)
        for t in same_device
        if t.runtime == base.runtime and t.options == base.options
        if t.precision in {Precision.INT8, Precision.BF16, Precision.FP16}
    ]
    others = [
        (f"runtime {t.runtime}", t)
        for t in same_device
        if t.runtime != base.runtime and t.precision is base.precision and not t.options
    ]
    compiled = [
        ("compiled", t)
        for t in same_device
        if dataclasses.replace(t, options=()) == base and "compile" in t.options
    ]
    found = [*precisions, *others, *compiled, *_threads(profile, base)]
    if profile.bottleneck.verdict in {"overhead-bound", "dispatch-bound"}:
        found = [*compiled, *others, *_threads(profile, base), *precisions]
    return found[:limit]


def _threads(profile: ModelProfile, base: Target) -> list[tuple[str, Target]]:
    """One thread, where the profiled target used several."""
    settings = profile.facts.get("settings")
    used = settings.get("threads") if isinstance(settings, dict) else None
    takes_threads = "threads" in runtimes()[base.runtime].option_names
    if not takes_threads or not isinstance(used, int) or used < 2 or base.option("threads"):
        return []
    single = dataclasses.replace(base, options=(*base.options, "threads=1"))
    return [("threads 1", single)]


def try_suggestions(
    profile: ModelProfile, options: RunOptions, ledger: Ledger, *, limit: int = 3
) -> tuple[Suggestion, ...]:
    """Measure candidates beside the profiled target, and a larger batch; fastest first.

    Args:
        profile: What to improve.
        options: How long to measure; the rows go to the ledger like those of any run.
        ledger: Where they are kept.
        limit: Targets to try at most; 0 tries nothing.
    """
    if limit < 1:
        return ()
    candidates = candidate_targets(profile, limit=limit)
    found = _beside(profile, options, ledger, candidates) if candidates else []
    found.append(_larger_batch(profile, options, ledger))
    return tuple(sorted(found, key=lambda s: -(s.speedup or 0.0)))


def _beside(
    profile: ModelProfile,
    options: RunOptions,
    ledger: Ledger,
    candidates: Sequence[tuple[str, Target]],
) -> list[Suggestion]:
    names = (profile.target, *(str(target) for _, target in candidates))
    batch = profile.case.batch_size
    try:
        rows = _measure(profile, options, ledger, (names, (batch,)))
    except AccelerateError as error:
        return [_unmeasured(change, str(t), batch, error.message) for change, t in candidates]
    by_target = {row.target: row for row in rows}
    base = by_target.get(profile.target)
    return [
        _compared(change, base, by_target.get(str(target)), str(target))
        for change, target in candidates
    ]


def _compared(
    change: str, base: MeasurementRecord | None, row: MeasurementRecord | None, target: str
) -> Suggestion:
    batch = (row or base).batch_size if row or base else 1  # type: ignore[union-attr]
    for record, what in ((base, "the profiled target"), (row, "it")):
        if record is None or record.status is not CaseStatus.OK or len(record.samples_ns) < 2:
            return _unmeasured(change, target, batch, f"{what} was not measured: {_why(record)}")
    assert base is not None
    assert row is not None
    ratio = speed_ratio(base, row)
    return Suggestion(
        change, target, row.batch_size, ratio.ratio, ratio.low, ratio.high, ratio.verdict,
        _is_same(row), run_id=row.run_id,
    )  # fmt: skip


def _larger_batch(profile: ModelProfile, options: RunOptions, ledger: Ledger) -> Suggestion:
    small, large = profile.case.batch_size, profile.case.batch_size * _BATCH_FACTOR
    change = f"batch {large}"
    try:
        rows = _measure(profile, options, ledger, ((profile.target,), (small, large)))
    except AccelerateError as error:
        return _unmeasured(change, profile.target, large, error.message)
    by_batch = {row.batch_size: row for row in rows}
    for size in (small, large):
        row = by_batch.get(size)
        if row is None or row.status is not CaseStatus.OK or len(row.samples_ns) < 2:
            why = f"batch {size} was not measured: {_why(row)}"
            return _unmeasured(change, profile.target, large, why)
    per_item = [np.asarray(by_batch[n].samples_ns, dtype=np.float64) / n for n in (small, large)]
    found = compare(per_item[0], per_item[1])
    return Suggestion(
        change, profile.target, large, 1 / found.ratio, 1 / found.high, 1 / found.low,
        found.verdict, _is_same(by_batch[large]), run_id=by_batch[large].run_id,
    )  # fmt: skip


def _measure(
    profile: ModelProfile,
    options: RunOptions,
    ledger: Ledger,
    what: tuple[tuple[str, ...], tuple[int, ...]],
) -> tuple[MeasurementRecord, ...]:
    names, batches = what
    shapes = {name: (size,) for name, size in profile.case.shapes.items()}
    request = BenchRequest(
        (profile.model,),
        options,
        targets=names,
        sizes=Sizes(batch=batches, **shapes),
        command_line=f"bench profile {profile.model}: suggestions",
    )
    return run_benchmark(request, ledger).records


def _is_same(row: MeasurementRecord) -> bool | None:
    found = (row.parity or {}).get("ok")
    return found if isinstance(found, bool) else None


def _why(record: MeasurementRecord | None) -> str:
    if record is None:
        return "no row"
    error = (record.error or {}).get("error")
    message = error.get("message") if isinstance(error, dict) else None
    return str(message or "too few samples")


def _unmeasured(change: str, target: str, batch: int, reason: str) -> Suggestion:
    return Suggestion(change, target, batch, None, None, None, "not measured", None, reason)
