"""A timing report as one JSON document."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipfs_accelerate.evidence.summary import RankedRow
    from ipfs_accelerate.evidence.timing import ClassReport, Ranking, TimingReport
    from ipfs_accelerate.store import MeasurementRecord

__all__ = ["SCHEMA", "to_document"]

SCHEMA = "evidence-timing/1"
_NUMBERS = (
    "latency_p50_ns", "latency_low_ns", "latency_high_ns", "confidence", "load_ns",
    "first_inference_ns", "throughput_items_per_s", "tokens_per_s", "peak_memory_bytes",
    "energy_j", "executed_precision",
)  # fmt: skip


def to_document(report: TimingReport) -> dict[str, object]:
    """The report with its schema; raw samples stay in the ledger, under the ids named here."""
    return {
        "schema": f"ipfs-accelerate/{SCHEMA}",
        "origin": report.origin.value,
        "since": report.since.isoformat() if report.since else None,
        "classes": [_class(found) for found in report.classes],
        "advice": [advice.to_dict() for advice in report.advice],
        "unavailable": dict(report.unavailable),
        "other_origins": dict(report.other_origins),
        "other_models": report.other_models,
    }


def _class(found: ClassReport) -> dict[str, object]:
    return {
        "class": found.key.name,
        "title": found.key.title,
        "is_measured": bool(found.rankings),
        "command": found.command,
        "rankings": [_ranking(ranking) for ranking in found.rankings],
        "grid": [asdict(cell) for cell in found.grid],
    }


def _ranking(ranking: Ranking) -> dict[str, object]:
    group = ranking.group
    return {
        "model": group.model_name,
        "weights": group.weights,
        "host": ranking.host,
        "case": group.test_case,
        "baseline": group.baseline,
        "ranks": [_row(row) for row in group.rows],
        "others": [_numbers(row) for row in group.others],
        "comparisons": [
            {**asdict(pair), "is_told_apart": pair.is_told_apart} for pair in ranking.places.pairs
        ],
        "unranked": [
            {
                "target": cell.attempt.target,
                "result_id": cell.attempt.result_id,
                "status": cell.attempt.status.value,
                "reason": cell.reason,
            }
            for cell in ranking.unranked
        ],
        "limits": [limit.to_dict() for limit in ranking.limits],
        "trends": [trend.to_dict() for trend in ranking.trends],
    }


def _row(row: RankedRow) -> dict[str, object]:
    return {
        "rank": row.rank,
        **_numbers(row.record),
        "speedup": asdict(row.speedup) if row.speedup else None,
        "is_eligible": row.is_eligible,
        "doubts": list(row.doubts),
    }


def _numbers(record: MeasurementRecord) -> dict[str, object]:
    return {
        "target": record.target,
        "result_id": record.result_id,
        "run_id": record.run_id,
        "created_at": record.created_at.isoformat(),
        "origin": record.origin.value,
        "origin_reason": record.origin_reason,
        "samples": len(record.samples_ns),
        **{name: getattr(record, name) for name in _NUMBERS},
    }
