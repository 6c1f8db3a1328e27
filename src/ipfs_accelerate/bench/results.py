"""From what was seen of a case to its row of the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from ipfs_accelerate.bench.surroundings import machine_facts
from ipfs_accelerate.runtimes import Target
from ipfs_accelerate.store import CaseStatus, MeasurementRecord
from ipfs_accelerate.telemetry import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ipfs_accelerate.bench.case import BenchCase
    from ipfs_accelerate.bench.measure import Observation, RunOptions
    from ipfs_accelerate.bench.simulate import Estimate
    from ipfs_accelerate.store import HardwareRecord, ModelRecord

__all__ = ["RowKeys", "measured_row", "simulated_row"]


@dataclass(frozen=True, slots=True)
class RowKeys:
    """What a row refers to."""

    run_id: str
    model: ModelRecord
    hardware: HardwareRecord


def measured_row(
    case: BenchCase, keys: RowKeys, seen: Observation, *, options: RunOptions, is_interleaved: bool
) -> MeasurementRecord:
    """The row of a case that ran, however it ended; numbers of a failed case are left out."""
    is_ok = seen.status is CaseStatus.OK
    origin = Origin(str(seen.facts.get("origin", Origin.MEASURED.value)))
    interval = seen.stop.interval if seen.stop else None
    total_ns = sum(seen.samples_ns)
    calls_per_s = len(seen.samples_ns) * 1e9 / total_ns if is_ok and total_ns else None
    tokens = case.batch_size * case.shapes["sequence"] if "sequence" in case.shapes else None
    return MeasurementRecord(
        run_id=keys.run_id,
        model=keys.model,
        hardware=keys.hardware,
        target=case.target,
        test_case=case.name,
        task=case.task,
        batch_size=case.batch_size,
        shapes=dict(case.shapes),
        precision=Target.parse(case.target).precision.value,
        origin=origin,
        origin_reason=_origin_reason(origin, seen.facts),
        status=seen.status,
        created_at=datetime.now(UTC),
        executed_precision=cast("str | None", seen.facts.get("executed_precision")),
        samples_ns=tuple(seen.samples_ns) if is_ok else (),
        warmup_ns=tuple(seen.warmup_ns) if is_ok else (),
        latency_p50_ns=round(interval.median) if is_ok and interval else None,
        latency_low_ns=round(interval.low) if is_ok and interval else None,
        latency_high_ns=round(interval.high) if is_ok and interval else None,
        confidence=interval.confidence if is_ok and interval else None,
        throughput_items_per_s=calls_per_s and calls_per_s * case.batch_size,
        tokens_per_s=calls_per_s and tokens and calls_per_s * tokens,
        load_ns=cast("int | None", seen.facts.get("load_ns")) if is_ok else None,
        first_inference_ns=seen.first_inference_ns if is_ok else None,
        peak_memory_bytes=seen.peak_memory_bytes if is_ok else None,
        cpu_time_ns=seen.cpu_ns if is_ok else None,
        energy_j=seen.energy_j if is_ok else None,
        parity=seen.parity,
        placement=seen.placement,
        flags=_flags(case, seen) if is_ok else (),
        environment=_environment(seen, options, is_interleaved=is_interleaved),
        error=seen.error,
    )


def simulated_row(
    case: BenchCase, run_id: str, model: ModelRecord, estimate: Estimate
) -> MeasurementRecord:
    """The row of a case that only a datasheet speaks for; it has a latency and no samples."""
    per_s = 1e9 / estimate.latency_ns
    return MeasurementRecord(
        run_id=run_id,
        model=model,
        hardware=estimate.hardware,
        target=case.target,
        test_case=case.name,
        task=case.task,
        batch_size=case.batch_size,
        shapes=dict(case.shapes),
        precision=Target.parse(case.target).precision.value,
        origin=Origin.SIMULATED,
        origin_reason=f"{case.simulated_reason}; {estimate.reason}",
        status=CaseStatus.OK,
        created_at=datetime.now(UTC),
        latency_p50_ns=estimate.latency_ns,
        throughput_items_per_s=per_s * case.batch_size,
        metrics={"bound": estimate.bound},
        environment={"interleaved": False},
    )


def _origin_reason(origin: Origin, facts: Mapping[str, object]) -> str | None:
    if origin is Origin.MEASURED:
        return None
    versions = facts.get("versions")
    return f"the runtime says its results are {origin.value}; versions {versions}"


def _flags(case: BenchCase, seen: Observation) -> tuple[str, ...]:
    flags = list(seen.flags)
    if seen.stop is not None and seen.stop.reason != "precise":
        flags.append("wide_interval")
    if seen.stop is not None and seen.stop.interval is not None and seen.stop.interval.caution:
        flags.append("interval_caution")
    if seen.facts.get("executed_precision") != Target.parse(case.target).precision.value:
        flags.append("precision_differs")
    return tuple(dict.fromkeys(flags))


def _environment(
    seen: Observation, options: RunOptions, *, is_interleaved: bool
) -> dict[str, object]:
    interval = seen.stop.interval if seen.stop else None
    return {
        **machine_facts(),
        "interleaved": is_interleaved,
        "seed": options.seed,
        "input_file": options.input_file,
        "versions": seen.facts.get("versions"),
        "settings": seen.facts.get("settings"),
        "inputs": seen.facts.get("inputs"),
        "load_wall_ns": seen.facts.get("load_wall_ns"),
        "blocks": list(seen.blocks),
        "stop_reason": seen.stop.reason if seen.stop else None,
        "warmup_reason": seen.warmup_reason or None,
        "effective_samples": interval.effective_n if interval else None,
        "interval_caution": interval.caution if interval else None,
        "load_before": seen.loads[0][0].to_dict() if seen.loads else None,
        "load_after": seen.loads[-1][1].to_dict() if seen.loads else None,
        "missing": dict(seen.reasons),
    }
