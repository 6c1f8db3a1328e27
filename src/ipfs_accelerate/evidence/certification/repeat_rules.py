"""Rules about repetition: independent runs, under different conditions, that agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.bench.intervals import median_interval
from ipfs_accelerate.errors import InputError
from ipfs_accelerate.evidence.certification.agreement import Agreement, agreement
from ipfs_accelerate.evidence.certification.verdicts import Verdict, failed, passed, unknown
from ipfs_accelerate.evidence.regressions.detect import FEWEST_RUNS

if TYPE_CHECKING:
    from ipfs_accelerate.evidence.certification.evidence import Evidence
    from ipfs_accelerate.store import MeasurementRecord

__all__ = [
    "agreement_of",
    "check_agreement",
    "check_copies",
    "check_repeats",
    "check_same_case",
    "check_spread",
    "check_stable",
]

#: Difference of the load average over the cores from which on two runs were under different load.
_LOAD_STEP = 0.25
#: Equal latencies of two runs, one after the other, from which on one is a copy.
_COPIED_CALLS = 8


def check_same_case(seen: Evidence) -> Verdict:
    """All rows are of one model version, device, target, workload and executed precision."""
    wanted = _case(seen.subject)
    for row in seen.repeats:
        for name, value in _case(row).items():
            if value != wanted[name]:
                return failed(f"{row.result_id[:8]} has {name} {value}, not {wanted[name]}")
    return passed(f"{len(seen.rows)} rows of one case")


def check_repeats(seen: Evidence) -> Verdict:
    """Enough runs, each in a process of its own."""
    runs = {row.run_id for row in seen.rows}
    text = f"{len(runs)} independent runs, {seen.policy.runs} needed"
    if seen.left_out:
        others = ", ".join(f"{n} {why}" for why, n in sorted(seen.left_out.items()))
        text += f"; left out: {others}"
    quality = min(1.0, (len(runs) - 1) / (seen.policy.runs - 1))
    if len(runs) >= seen.policy.runs:
        return passed(text, quality)
    return failed(f"{text} (--run makes them)", quality)


def check_copies(seen: Evidence) -> Verdict:
    """No run holds the samples of another one."""
    owner: dict[tuple[int, ...], str] = {}
    for row in seen.rows:
        if row.run_id in set(owner.values()):
            return failed(f"run {row.run_id[:8]} is counted twice")
        piece = tuple(row.samples_ns[:_COPIED_CALLS])
        if len(piece) == _COPIED_CALLS and piece in owner:
            return failed(f"runs {owner[piece][:8]} and {row.run_id[:8]} begin with equal samples")
        owner[piece] = row.run_id
    return passed(f"{len(seen.rows)} different series")


def check_spread(seen: Evidence) -> Verdict:
    """The runs were made on different days, or under different load."""
    if len(seen.rows) < 2:
        return unknown("one run only")
    days = {row.created_at.date() for row in seen.rows}
    loads = [load for row in seen.rows if (load := _load(row)) is not None]
    known = f"load {min(loads):.2f}–{max(loads):.2f} a core" if loads else "load not recorded"
    text = f"{len(days)} days, {known}"
    if len(days) > 1 or (loads and max(loads) - min(loads) >= _LOAD_STEP):
        return passed(text)
    return failed(f"{text}: run it again on another day")


def check_agreement(seen: Evidence) -> Verdict:
    """Medians of independent runs are within the bound of each other."""
    try:
        found = agreement_of(seen)
    except InputError as error:
        return unknown(error.message)
    text = (
        f"largest ratio {found.ratio:.3f} (up to {found.ratio_high:.3f}), "
        f"{1 + seen.policy.bound:.2f} allowed; {found.between_runs:.1%} from run to run, "
        f"I² {found.heterogeneity:.0%}"
    )
    quality = min(1.0, max(0.0, 1 - (found.ratio - 1) / (2 * seen.policy.bound)))
    if found.verdict == "agree":
        return passed(text, quality)
    if found.verdict == "disagree":
        return failed(text)
    return unknown(f"{text}: neither shown")


def check_stable(seen: Evidence) -> Verdict:
    """The history of the case shows no change of level and no drift."""
    if seen.changes is None:
        return unknown(f"a history of fewer than {FEWEST_RUNS} runs shows no change")
    if seen.changes:
        return failed("; ".join(seen.changes))
    return passed("no step and no drift in the history of the case")


def agreement_of(seen: Evidence) -> Agreement:
    """Medians of all rows together.

    Raises:
        InputError: There are fewer than two, or one has no interval.
    """
    intervals = [median_interval(row.samples_ns) for row in seen.rows]
    return agreement(intervals, bound=seen.policy.bound)


def _load(row: MeasurementRecord) -> float | None:
    """Load average of one minute before the run, a core."""
    before, cores = row.environment.get("load_before"), row.environment.get("cores")
    load = before.get("load_1min") if isinstance(before, dict) else None
    if not isinstance(load, (int, float)) or not isinstance(cores, int) or cores < 1:
        return None
    return load / cores


def _case(row: MeasurementRecord) -> dict[str, object]:
    return {
        "model": row.model.model_id,
        "device": row.hardware.hardware_id,
        "target": row.target,
        "case": row.test_case,
        "precision": row.executed_precision,
    }
