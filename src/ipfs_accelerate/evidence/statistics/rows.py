"""Statistics of ledger rows: what one result says, how two compare, what goes with what."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from ipfs_accelerate.bench.intervals import median_interval
from ipfs_accelerate.bench.pairing import speed_ratio
from ipfs_accelerate.bench.quantiles import quantile_interval
from ipfs_accelerate.errors import InputError
from ipfs_accelerate.evidence.statistics.correlation import correlate
from ipfs_accelerate.evidence.statistics.early_stopping import early_stop
from ipfs_accelerate.evidence.statistics.effects import (
    cliffs_delta,
    hodges_lehmann,
    shift_interval,
)
from ipfs_accelerate.evidence.statistics.multiplicity import adjust
from ipfs_accelerate.evidence.statistics.outliers import outliers
from ipfs_accelerate.evidence.statistics.planning import minimum_detectable, noise_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ipfs_accelerate.evidence.statistics.correlation import Kind
    from ipfs_accelerate.store import Ledger, MeasurementRecord

__all__ = ["MEASURES", "RowSummary", "compare_rows", "correlate_measures", "summarise_row"]

QUANTILES = (0.5, 0.95, 0.99)
#: Name → SQL over ``performance_history`` of what can be correlated.
MEASURES = {
    "latency": "latency_p50_ns",
    "foreign_cpu_share": "try_cast(metrics ->> 'foreign_cpu_share' AS DOUBLE)",
    "stolen_cpu_share": "try_cast(metrics ->> 'stolen_cpu_share' AS DOUBLE)",
    "interval_width": "(latency_high_ns - latency_low_ns) / nullif(latency_p50_ns, 0)",
    "iterations": "iterations",
}


@dataclass(frozen=True, slots=True)
class RowSummary:
    """What the raw samples of one result say.

    Attributes:
        result_id: The row.
        samples: How many.
        quantiles: p50, p95 and p99 with intervals, or the reason why not.
        early_stop: LoadGen's estimates of p90 and p99, likewise.
        outliers: Samples whose modified z-score is beyond 3.5.
        minimum_detectable: Relative difference that another run as long would show with a power of
            80 %; ``None`` for a constant series or a zero median.
    """

    result_id: str
    samples: int
    quantiles: tuple[dict[str, object], ...]
    early_stop: tuple[dict[str, object], ...]
    outliers: int
    minimum_detectable: float | None


def summarise_row(record: MeasurementRecord) -> RowSummary:
    """Summarise raw samples.

    Raises:
        InputError: The row has fewer than two samples.
    """
    samples = np.asarray(record.samples_ns, dtype=np.float64)
    if len(samples) < 2:
        raise InputError(
            f"result {record.result_id[:12]} has {len(samples)} samples",
            hint="failed, simulated and imported rows have none to summarise",
        )
    interval = median_interval(samples)
    is_telling = interval.low > 0 and interval.high > interval.low
    noise = noise_of(interval) if is_telling else None
    return RowSummary(
        result_id=record.result_id,
        samples=len(samples),
        quantiles=tuple(asdict(quantile_interval(samples, q)) for q in QUANTILES),
        early_stop=tuple(asdict(early_stop(samples, p)) for p in (0.9, 0.99)),
        outliers=len(outliers(samples)),
        minimum_detectable=minimum_detectable(noise, len(samples)) if noise else None,
    )


def compare_rows(before: MeasurementRecord, now: MeasurementRecord) -> dict[str, object]:
    """Effect sizes of one result against another; paired when they were interleaved.

    Raises:
        InputError: They are of different origin or workload, or a row has too few samples.
    """
    for name in ("origin", "test_case"):
        if getattr(before, name) != getattr(now, name):
            raise InputError(
                f"the results differ in {name}: {getattr(before, name)} and {getattr(now, name)}",
                hint="only rows of one origin and one workload can be compared",
            )
    found = speed_ratio(before, now)
    ends = shift_interval(before.samples_ns, now.samples_ns)
    low, high = (end if math.isfinite(end) else None for end in ends)
    return {
        "before": before.result_id,
        "now": now.result_id,
        **asdict(found),
        "shift_ns": hodges_lehmann(before.samples_ns, now.samples_ns),
        "shift_low_ns": low,
        "shift_high_ns": high,
        "cliffs_delta": cliffs_delta(before.samples_ns, now.samples_ns),
    }


def correlate_measures(
    ledger: Ledger, measures: Sequence[str], *, kind: Kind = "spearman"
) -> list[dict[str, object]]:
    """Each measure against the others, within cases, over measured results in order of time.

    Latency is taken relative to the median of its case, so that large models do not correlate with
    everything that large models have. The p-values are corrected for the number of pairs.

    Raises:
        InputError: An unknown or a single measure.
    """
    unknown = [name for name in measures if name not in MEASURES]
    if unknown or len(set(measures)) < 2:
        raise InputError(
            f"cannot correlate {', '.join(measures) or 'nothing'}",
            hint="two or more of " + ", ".join(MEASURES),
        )
    columns = ", ".join(f"{MEASURES[name]} AS {name}" for name in MEASURES)
    sql = f"""SELECT {columns}, latency_p50_ns / median(latency_p50_ns) OVER (PARTITION BY
        model_name, host, device_id, target, test_case) AS relative
        FROM performance_history WHERE origin = 'measured' AND status = 'ok'
        AND latency_p50_ns > 0 ORDER BY created_at"""  # noqa: S608 (our own expressions)
    table = ledger.arrow(sql).to_pydict()
    table["latency"] = table.pop("relative")
    names = list(dict.fromkeys(measures))
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    found = [{"x": a, "y": b, **_correlated(table[a], table[b], kind)} for a, b in pairs]
    known = [row for row in found if row["p_value"] is not None]
    for row, p in zip(known, adjust([row["p_value"] for row in known]), strict=True):  # type: ignore[arg-type]
        row["adjusted_p_value"] = float(p)
    return found


def _correlated(
    x: Sequence[float | None], y: Sequence[float | None], kind: Kind
) -> dict[str, object]:
    both = [(a, b) for a, b in zip(x, y, strict=True) if a is not None and b is not None]
    a, b = zip(*both, strict=True) if both else ((), ())
    return correlate(a, b, kind).to_dict()
