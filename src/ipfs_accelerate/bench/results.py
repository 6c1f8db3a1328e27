"""From what was seen of a case to its row of the ledger."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from statistics import median
from typing import TYPE_CHECKING, cast

from ipfs_accelerate.bench.interference import (
    Surroundings,
    inspect_samples,
    inspect_surroundings,
)
from ipfs_accelerate.bench.remote import is_remote
from ipfs_accelerate.bench.surroundings import machine_facts
from ipfs_accelerate.errors import TargetUnsupportedError
from ipfs_accelerate.hardware import DeviceKind
from ipfs_accelerate.runtimes import Target
from ipfs_accelerate.store import CaseStatus, MeasurementRecord
from ipfs_accelerate.telemetry import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ipfs_accelerate.bench.case import BenchCase
    from ipfs_accelerate.bench.gate import Gate
    from ipfs_accelerate.bench.measure import Observation, RunOptions
    from ipfs_accelerate.bench.roofline import GateVerdict
    from ipfs_accelerate.bench.simulate import Estimate
    from ipfs_accelerate.store import HardwareRecord, ModelRecord

__all__ = ["RowKeys", "measured_row", "simulated_row", "unsimulated_row"]


@dataclass(frozen=True, slots=True)
class RowKeys:
    """What a row refers to."""

    run_id: str
    model: ModelRecord
    hardware: HardwareRecord


def measured_row(
    case: BenchCase,
    keys: RowKeys,
    seen: Observation,
    *,
    options: RunOptions,
    gate: Gate,
    group: int | None,
) -> MeasurementRecord:
    """The row of a case that ran, however it ended; numbers of a failed case are left out.

    Args:
        case: The case.
        keys: What the row refers to.
        seen: What was observed.
        options: How it was measured.
        gate: Holds the latency against the machine's peak.
        group: Number of the group it alternated in; ``None`` when it was measured alone.
    """
    is_ok = seen.status is CaseStatus.OK
    origin = Origin(str(seen.facts.get("origin", Origin.MEASURED.value)))
    interval = seen.stop.interval if seen.stop else None
    total_ns = sum(seen.samples_ns)
    calls_per_s = len(seen.samples_ns) * 1e9 / total_ns if is_ok and total_ns else None
    doubts = _doubts(case, seen) if is_ok else {}
    verdict = _gated(keys, seen, gate) if is_ok else None
    if verdict is not None and verdict.verdict == "above_roofline":
        doubts["above_roofline"] = verdict.reason
    tokens = _tokens_per_call(case, seen)
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
        cpu_time_ns=seen.cpu_ns if is_ok and "cpu_time_ns" not in seen.reasons else None,
        energy_j=seen.energy_j if is_ok else None,
        parity=seen.parity,
        placement=seen.placement,
        flags=tuple(doubts),
        metrics={**_metrics(seen), **_generation(case, seen), **_physics(verdict)},
        environment={
            **_environment(seen, options),
            "interleaved": group is not None,
            "group": group,
            "doubts": doubts,
        },
        error=seen.error,
    )


def simulated_row(
    case: BenchCase, *, run_id: str, model: ModelRecord, estimate: Estimate
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


def unsimulated_row(keys: RowKeys, case: BenchCase, why: str) -> MeasurementRecord:
    """The row of a case that was to be simulated and cannot be."""
    error = TargetUnsupportedError(f"{case.target} cannot be simulated: {why}")
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
        origin=Origin.SIMULATED,
        origin_reason=case.simulated_reason,
        status=CaseStatus.UNAVAILABLE,
        created_at=datetime.now(UTC),
        error={"error": error.to_dict()},
    )


def _origin_reason(origin: Origin, facts: Mapping[str, object]) -> str | None:
    if origin is Origin.MEASURED:
        return None
    versions = facts.get("versions")
    return f"the runtime says its results are {origin.value}; versions {versions}"


def _doubts(case: BenchCase, seen: Observation) -> dict[str, str]:
    """Flag → what raised it."""
    found = dict(seen.flags)
    if seen.windows:
        found |= {f.name: f.reason for f in inspect_surroundings(_merged(seen.windows))}
    if len(seen.samples_ns) > 1:
        found |= {f.name: f.reason for f in inspect_samples(seen.samples_ns)}
    asked, executed = Target.parse(case.target).precision.value, seen.facts["executed_precision"]
    if executed != asked:
        found["precision_differs"] = f"{asked} was asked for, {executed} was executed"
    found |= _remote_doubts(case, seen)
    return found


def _remote_doubts(case: BenchCase, seen: Observation) -> dict[str, str]:
    found = {}
    most = max(seen.phases.get("tries", [1]), default=1)
    if most > 1:
        found["retried"] = f"a call took up to {most} tries"
    asked = case.batch_size * case.shapes.get("new_tokens", 0)
    written = _written_remotely(seen)
    if is_remote(case.target) and asked and written is not None and written != asked:
        found["tokens_differ"] = f"{asked} tokens were asked for, {written:g} were written"
    return found


def _gated(keys: RowKeys, seen: Observation, gate: Gate) -> GateVerdict | None:
    interval = seen.stop.interval if seen.stop else None
    if interval is None or interval.median <= 0:
        return None
    return gate.check(
        seen.work,
        latency_ns=interval.median,
        precision=str(seen.facts["executed_precision"]),
        device=DeviceKind(keys.hardware.hardware_type),
    )


def _physics(verdict: GateVerdict | None) -> dict[str, object]:
    if verdict is None:
        return {}
    return {
        "fraction_of_peak": verdict.fraction_of_peak,
        "peak_bound": verdict.bound,
        "peak_verdict": verdict.verdict,
        "peak_reason": verdict.reason,
    }


def _merged(windows: Sequence[Surroundings]) -> Surroundings:
    """All blocks as one stretch of time, without what happened between them."""
    first, last = windows[0], windows[-1]
    stolen = [
        b.cpu_stolen_ns - a.cpu_stolen_ns
        for a, b in (w.machine for w in windows)
        if a.cpu_stolen_ns is not None and b.cpu_stolen_ns is not None
    ]
    busy_ns = sum(w.machine[1].cpu_busy_ns - w.machine[0].cpu_busy_ns for w in windows)
    own_ns = sum(w.process[1].cpu_ns - w.process[0].cpu_ns for w in windows)
    start = replace(first.machine[0], cpu_busy_ns=0, cpu_stolen_ns=0 if stolen else None)
    return Surroundings(
        machine=(
            start,
            replace(
                last.machine[1],
                cpu_busy_ns=busy_ns,
                cpu_stolen_ns=sum(stolen) if stolen else None,
            ),
        ),
        process=(
            replace(first.process[0], cpu_ns=0),
            replace(last.process[1], cpu_ns=own_ns),
        ),
        elapsed_ns=sum(w.elapsed_ns for w in windows),
        cores=first.cores,
    )


def _tokens_per_call(case: BenchCase, seen: Observation) -> float | None:
    """Tokens generated, or read where nothing is generated; ``None`` without tokens."""
    if "new_tokens" in case.shapes and is_remote(case.target):
        return _written_remotely(seen)
    per_item = case.shapes.get("new_tokens") or case.shapes.get("sequence")
    return None if per_item is None else case.batch_size * per_item


def _written_remotely(seen: Observation) -> float | None:
    """Mean over the calls, as a service ends an answer when it likes; ``None`` if it counts not."""
    counts = seen.phases.get("completion_tokens", [])
    return sum(counts) / len(counts) if counts and len(counts) == len(seen.samples_ns) else None


def _generation(case: BenchCase, seen: Observation) -> dict[str, object]:
    """Medians of prefill and decode, and their rates; empty where nothing is generated."""
    if "prefill_ns" not in seen.phases or not seen.samples_ns:
        return {}
    prefill_ns, decode_ns = (round(median(seen.phases[p])) for p in ("prefill_ns", "decode_ns"))
    read = case.batch_size * case.shapes.get("sequence", 0)
    written: float = case.batch_size * (case.shapes["new_tokens"] - 1)
    if is_remote(case.target):  # who reads more than the text: a template, and on the way there
        read, written = 0, max((_written_remotely(seen) or 0.0) - case.batch_size, 0.0)
    return {
        "prefill_ns": prefill_ns,
        "decode_ns": decode_ns,
        "prefill_tokens_per_s": read * 1e9 / prefill_ns if read and prefill_ns else None,
        "decode_tokens_per_s": written * 1e9 / decode_ns if written and decode_ns else None,
    }


def _metrics(seen: Observation) -> dict[str, object]:
    if not seen.windows:
        return {}
    merged = _merged(seen.windows)
    return {
        "observed_ns": merged.elapsed_ns,
        "foreign_cpu_share": merged.foreign_share,
        "stolen_cpu_share": merged.stolen_share,
    }


def _environment(seen: Observation, options: RunOptions) -> dict[str, object]:
    interval = seen.stop.interval if seen.stop else None
    return {
        **machine_facts(),
        "seed": options.seed,
        "input_file": options.input_file,
        "versions": seen.facts.get("versions"),
        "settings": seen.facts.get("settings"),
        "inputs": seen.facts.get("inputs"),
        "components": seen.facts.get("components"),
        "load_wall_ns": seen.facts.get("load_wall_ns"),
        "blocks": list(seen.blocks),
        "stop_reason": seen.stop.reason if seen.stop else None,
        "warmup_reason": seen.warmup_reason or None,
        "effective_samples": interval.effective_n if interval else None,
        "interval_caution": interval.caution if interval else None,
        "load_before": seen.windows[0].machine[0].to_dict() if seen.windows else None,
        "load_after": seen.windows[-1].machine[1].to_dict() if seen.windows else None,
        "missing": dict(seen.reasons),
    }
