"""Runs as JSON: the fields of ``bench/1``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ipfs_accelerate.bench.plan import Unavailable
    from ipfs_accelerate.evidence.summary import CaseGroup, RankedRow, RunSummary
    from ipfs_accelerate.store import MeasurementRecord, RunRecord

__all__ = ["run_to_json", "summary_to_json"]


def run_to_json(run: RunRecord) -> dict[str, object]:
    """A run without its results."""
    return {
        "run_id": run.run_id,
        "test_name": run.test_name,
        "started_at": run.started_at.isoformat(),
        "completed_at": run.completed_at.isoformat() if run.completed_at else None,
        "success": run.success,
        "git_commit": run.git_commit,
        "git_branch": run.git_branch,
        "command_line": run.command_line,
        "metadata": {k: v for k, v in run.metadata.items() if k != "unavailable"},
    }


def summary_to_json(
    summary: RunSummary, *, unavailable: Sequence[Unavailable] | None = None
) -> dict[str, object]:
    """The fields of ``bench/1``; the comparisons are filled in by who has them."""
    ranked = [_result(row.record, row) for group in summary.groups for row in group.rows]
    others = [_result(record) for group in summary.groups for record in group.others]
    failed = [_result(record) for record in summary.failed]
    missing = (
        [{"target": t, "reason": r, "hint": None} for t, r in summary.unavailable.items()]
        if unavailable is None
        else [u.to_dict() for u in unavailable]
    )
    return {
        "run": run_to_json(summary.run),
        "results": ranked + others + failed,
        "comparisons": [],
        "unavailable": missing,
        "recommendation": [_recommendation(group) for group in summary.groups],
    }


def _result(record: MeasurementRecord, row: RankedRow | None = None) -> dict[str, object]:
    return {
        "result_id": record.result_id,
        "model": record.model.model_name,
        "model_version": record.model.version,
        "weights": record.model.metadata.get("weights"),
        "device": record.hardware.device_name,
        "target": record.target,
        "test_case": record.test_case,
        "task": record.task,
        "batch_size": record.batch_size,
        "shapes": dict(record.shapes),
        "origin": record.origin.value,
        "origin_reason": record.origin_reason,
        "status": record.status.value,
        "rank": row.rank if row else None,
        "speedup": _ratio(row),
        "latency_p50_ns": record.latency_p50_ns,
        "latency_interval_ns": _interval(record),
        "percentiles_ns": _percentiles(record.samples_ns),
        "samples": len(record.samples_ns),
        "warmup_samples": len(record.warmup_ns),
        "throughput_items_per_s": record.throughput_items_per_s,
        "tokens_per_s": record.tokens_per_s,
        "load_ns": record.load_ns,
        "first_inference_ns": record.first_inference_ns,
        "peak_memory_bytes": record.peak_memory_bytes,
        "cpu_time_ns": record.cpu_time_ns,
        "energy_j": record.energy_j,
        "precision": record.precision,
        "executed_precision": record.executed_precision,
        "parity": dict(record.parity) if record.parity else None,
        "placement": dict(record.placement) if record.placement else None,
        "flags": list(record.flags),
        "doubts": list(row.doubts) if row else list(record.flags),
        "metrics": dict(record.metrics),
        "environment": dict(record.environment),
        "error": dict(record.error) if record.error else None,
    }


def _interval(record: MeasurementRecord) -> dict[str, object] | None:
    if record.latency_low_ns is None or record.latency_high_ns is None:
        return None
    return {
        "low": record.latency_low_ns,
        "high": record.latency_high_ns,
        "confidence": record.confidence,
    }


def _percentiles(samples_ns: Sequence[int]) -> dict[str, int] | None:
    """By linear interpolation; left out are those beyond which fewer than ten samples lie."""
    if not samples_ns:
        return None
    import numpy as np

    wanted = {"p5": 5.0, "p25": 25.0, "p75": 75.0, "p90": 90.0, "p95": 95.0, "p99": 99.0}
    n = len(samples_ns)
    kept = {name: p for name, p in wanted.items() if n * min(p, 100 - p) / 100 >= 10}
    values = {name: round(float(np.percentile(samples_ns, p))) for name, p in kept.items()}
    return {"min": min(samples_ns), **values, "max": max(samples_ns)}


def _ratio(row: RankedRow | None) -> dict[str, object] | None:
    if row is None or row.speedup is None:
        return None
    found = row.speedup
    return {
        "ratio": found.ratio,
        "low": found.low,
        "high": found.high,
        "verdict": found.verdict,
    }


def _recommendation(group: CaseGroup) -> dict[str, object]:
    best = group.recommended
    return {
        "model": group.model_name,
        "test_case": group.test_case,
        "target": best.record.target if best else None,
        "baseline": group.baseline,
        "speedup": _ratio(best),
        "ties": [row.record.target for row in group.ties],
        "text": group.sentence,
    }
