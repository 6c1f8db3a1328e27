"""A profile as rows of the ledger."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ipfs_accelerate import __version__
from ipfs_accelerate.bench.surroundings import git_state, machine_facts
from ipfs_accelerate.hardware import Device, DeviceKind, Support, detect
from ipfs_accelerate.inference.records import hardware_record, model_record
from ipfs_accelerate.runtimes import Target
from ipfs_accelerate.store import ProfileMetric, ProfileRecord, RunRecord
from ipfs_accelerate.telemetry import Origin

if TYPE_CHECKING:
    from ipfs_accelerate.bench.profiling.profile import OpProfile
    from ipfs_accelerate.bench.profiling.run import ModelProfile
    from ipfs_accelerate.store import Ledger

__all__ = ["record_profile"]


def record_profile(profile: ModelProfile, ledger: Ledger, *, command_line: str | None) -> str:
    """Store a profile as a run of its own; returns the run's id."""
    run_id, now = uuid.uuid4().hex, datetime.now(UTC)
    commit, branch = git_state()
    around = {name: profile.facts.get(name) for name in ("versions", "settings")}
    metadata = {"version": __version__, **machine_facts(), **around}
    ledger.record_run(
        RunRecord(
            run_id, "bench profile", "profiling", now, git_commit=commit, git_branch=branch,
            command_line=command_line, metadata=metadata,
        )
    )  # fmt: skip
    is_measured = profile.origin is Origin.MEASURED
    ledger.record_profile(
        ProfileRecord(
            run_id,
            model_record(profile.artifact),
            hardware_record(_device(Target.parse(profile.target))),
            profile.target,
            profile.test_case,
            now,
            operators=[_row(operator) for operator in profile.operators],
            memory=[(s.at_ns, s.phase, s.rss_bytes) for s in profile.memory],
            metrics=_metrics(profile),
            origin=profile.origin,
            origin_reason=None if is_measured else f"the runtime is {profile.origin.value}",
        )
    )
    ledger.finish_run(run_id, datetime.now(UTC), success=True)
    return run_id


def _device(target: Target) -> Device:
    """The device of a target; one that only its runtime knows, such as ``auto``, is named so."""
    ids = (target.device, target.device.partition(":")[0])
    own = Device(
        target.device,
        DeviceKind.NULL,
        f"{target.device} of {target.runtime}",
        Support.yes("a runtime's own"),
    )
    return next((device for device in detect() if device.id in ids), own)


def _row(found: OpProfile) -> dict[str, object]:
    operator, timing = found.operator, found.timing
    return {
        "name": operator.name,
        "op_type": operator.op_type,
        "kind": found.kind.value,
        "layer": operator.layer,
        "device": operator.device,
        "precision": operator.precision,
        "calls": operator.calls,
        "time_ns": timing.time_ns,
        "p50_ns": timing.p50_ns,
        "low_ns": timing.low_ns,
        "high_ns": timing.high_ns,
        "share": found.share,
        "flops": found.work.flops,
        "moved_bytes": found.work.moved_bytes,
        "bound": found.roof.bound if found.roof else None,
        "roofline_fraction": found.roof.fraction if found.roof else None,
        "reason": found.why_no_roof,
    }


def _metrics(profile: ModelProfile) -> list[ProfileMetric]:
    found = [
        ProfileMetric("whole_ns", profile.whole.time_ns, "ns"),
        ProfileMetric("plain_p50_ns", profile.plain.p50_ns, "ns"),
        ProfileMetric("unattributed_ns", profile.unattributed.time_ns, "ns"),
        ProfileMetric("profiler_overhead", profile.overhead_ratio, "ratio"),
    ]
    peak = max((s.rss_bytes for s in profile.memory), default=None)
    why = None if peak is not None else "the process ended before its memory was sampled"
    found.append(ProfileMetric("peak_memory_bytes", peak, "bytes", why))
    shares = profile.bottleneck.shares.items()
    return found + [ProfileMetric(f"share_{name}", share, "ratio") for name, share in shares]
