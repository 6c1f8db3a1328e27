"""Rules about the numbers themselves: are they measurements, and do they hold together."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from ipfs_accelerate.bench.intervals import MIN_EFFECTIVE, median_interval
from ipfs_accelerate.bench.quantiles import quantile_interval
from ipfs_accelerate.errors import InputError
from ipfs_accelerate.evidence.certification.verdicts import Verdict, failed, passed, unknown
from ipfs_accelerate.evidence.statistics.early_stopping import fewest_queries
from ipfs_accelerate.store import CaseStatus
from ipfs_accelerate.telemetry import Origin

if TYPE_CHECKING:
    from ipfs_accelerate.evidence.certification.evidence import Evidence
    from ipfs_accelerate.store import MeasurementRecord

__all__ = [
    "check_clock",
    "check_enough_samples",
    "check_interval_width",
    "check_origin",
    "check_samples",
    "check_status",
    "check_summary",
    "check_time_fits",
    "check_variation",
]

#: Width of the interval over the median: full marks up to the first, none from the last on, and
#: nothing wider than the middle one is certified.
_WIDTHS = (0.01, 0.05, 0.10)
#: A clock that ticks in nanoseconds gives more different values than this to so many calls.
_FEWEST_VALUES, _CALLS_FOR_VALUES = 4, 30
#: Rounding of stored summaries.
_ROUNDING_NS = 1
_RELATIVE_ROUNDING = 1e-6
#: What scheduling and rounding may make of a difference between two clocks.
_CLOCK_SLACK = timedelta(milliseconds=100)


def check_origin(seen: Evidence) -> Verdict:
    """Only what the named device did is evidence about it."""
    others = [row for row in seen.rows if row.origin is not Origin.MEASURED]
    if not others:
        return passed(f"{len(seen.rows)} measured rows")
    row = others[0]
    return failed(f"{row.result_id[:8]} is {row.origin.value}: {row.origin_reason}")


def check_status(seen: Evidence) -> Verdict:
    """A case that failed has no result."""
    status = seen.subject.status
    text = f"the case ended {status.value}"
    return passed(text) if status is CaseStatus.OK else failed(text)


def check_samples(seen: Evidence) -> Verdict:
    """Every row has raw samples, and each of them is a duration."""
    for row in seen.rows:
        try:
            samples = np.asarray(row.samples_ns, dtype=np.float64)
        except (TypeError, ValueError):
            return failed(f"{row.result_id[:8]} has samples that are not numbers")
        if len(samples) < 2:
            return failed(f"{row.result_id[:8]} has {len(samples)} raw samples")
        bad = np.flatnonzero(~np.isfinite(samples) | (samples <= 0))
        if len(bad):
            return failed(f"sample {bad[0]} of {row.result_id[:8]} is {samples[bad[0]]:g} ns")
    return passed(f"{sum(len(row.samples_ns) for row in seen.rows)} samples, all positive")


def check_variation(seen: Evidence) -> Verdict:
    """Equal latencies come from a formula or a coarse clock, not from a machine."""
    for row in seen.rows:
        calls, values = len(row.samples_ns), len(set(row.samples_ns))
        enough = _FEWEST_VALUES if calls >= _CALLS_FOR_VALUES else min(calls, 2)
        if values < enough or calls < 2:
            return failed(f"{row.result_id[:8]}: {calls} samples take only {values} values")
    calls = len(seen.subject.samples_ns)
    return passed(f"{len(set(seen.subject.samples_ns))} different values in {calls} samples")


def check_summary(seen: Evidence) -> Verdict:
    """Stored summaries are those of the stored samples."""
    for row in seen.rows:
        wrong = _wrong_summary(row)
        if wrong:
            return failed(f"{row.result_id[:8]}: {wrong}")
    return passed("medians, intervals, means, sums and throughput recomputed from the samples")


def check_time_fits(seen: Evidence) -> Verdict:
    """The calls fit into the time during which they were watched, on the same monotonic clock."""
    for row in seen.rows:
        observed, total = row.metrics.get("observed_ns"), sum(row.samples_ns)
        if not isinstance(observed, (int, float)):
            return unknown(f"{row.result_id[:8]} does not say how long it was watched")
        if total > observed:
            return failed(f"{row.result_id[:8]}: calls of {total} ns within {observed:.0f} ns")
    share = sum(seen.subject.samples_ns) / float(str(seen.subject.metrics["observed_ns"]))
    return passed(f"the calls fill {share:.0%} of the time watched")


def check_clock(seen: Evidence) -> Verdict:
    """The wall clock did not step back: it saw at least as much time as the monotonic clock.

    The ledger has no wall-clock moment for each sample, so a step forward cannot be told from
    waiting.
    """
    for row in seen.rows:
        times = seen.runs.get(row.run_id)
        if times is None:
            return unknown(f"the run of {row.result_id[:8]} is not in the ledger")
        end = times.completed_at
        if row.created_at < times.started_at or (end and row.created_at > end + _CLOCK_SLACK):
            return failed(f"{row.result_id[:8]} was stored outside the time of its run")
        worked = timedelta(microseconds=_worked_ns(row) / 1000)
        if worked > row.created_at - times.started_at + _CLOCK_SLACK:
            wall = (row.created_at - times.started_at).total_seconds()
            text = f"{worked.total_seconds():.2f} s of work in {wall:.2f} s of wall clock"
            return failed(f"{row.result_id[:8]}: {text}")
    return passed("no step back; a step forward cannot be told from waiting")


def check_enough_samples(seen: Evidence) -> Verdict:
    """Enough calls, and enough independent ones, for every quantile that is claimed.

    Source:
        MLCommons inference rules, "Early stopping"; effective samples: `bench.intervals`.
    """
    samples = np.asarray(seen.subject.samples_ns, dtype=np.float64)
    for level in seen.policy.quantiles:
        needed = fewest_queries(level)
        if len(samples) < needed:
            return failed(f"p{level * 100:g} needs {needed} samples, there are {len(samples)}")
        try:
            found = quantile_interval(samples, level)
        except InputError as error:
            return failed(error.message)
        if found.reason is not None:
            return failed(f"p{level * 100:g}: {found.reason}; {found.samples_needed} would do")
        if found.caution is not None or found.effective_n < MIN_EFFECTIVE:
            worth = f"worth {found.effective_n:.0f} independent ones"
            return failed(f"p{level * 100:g}: {found.caution or worth}")
    claimed = ", ".join(f"p{level * 100:g}" for level in seen.policy.quantiles)
    return passed(f"{len(samples)} samples carry {claimed}")


def check_interval_width(seen: Evidence) -> Verdict:
    """The interval of the median is narrow."""
    try:
        width = median_interval(seen.subject.samples_ns).relative_width
    except InputError as error:
        return unknown(error.message)
    best, most, worst = _WIDTHS
    quality = min(1.0, max(0.0, (worst - width) / (worst - best)))
    text = f"{width:.1%} of the median, {most:.0%} allowed"
    return passed(text, quality) if width <= most else failed(text, quality)


def _wrong_summary(row: MeasurementRecord) -> str | None:
    samples = row.samples_ns
    try:
        interval = median_interval(samples, confidence=row.confidence or 0.95)
    except InputError as error:
        return error.message
    total = sum(samples)
    expected = {
        "latency_p50_ns": interval.median,
        "latency_low_ns": interval.low,
        "latency_high_ns": interval.high,
        "latency_mean_ns": total / len(samples),
        "total_ns": total,
        "iterations": len(samples),
        "throughput_items_per_s": len(samples) * row.batch_size * 1e9 / total if total else 0,
    }
    for name, value in expected.items():
        stored = getattr(row, name)
        if stored is None and name in {"latency_p50_ns", "latency_low_ns", "latency_high_ns"}:
            return f"{name} is not stored"
        rounding = _ROUNDING_NS if name.endswith("_ns") else 0
        if stored is not None and abs(stored - value) > rounding + _RELATIVE_ROUNDING * abs(value):
            return f"{name} is {stored}, its samples give {value:.6g}"
    return None


def _worked_ns(row: MeasurementRecord) -> float:
    observed = row.metrics.get("observed_ns")
    watched = observed if isinstance(observed, (int, float)) else sum(row.samples_ns)
    return float(watched) + sum(row.warmup_ns) + (row.load_ns or 0)
