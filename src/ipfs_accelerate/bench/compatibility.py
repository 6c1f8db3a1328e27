"""Which model works on which target, as this run found out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ipfs_accelerate.store import CaseStatus, CompatibilityRecord
from ipfs_accelerate.telemetry import Origin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ipfs_accelerate.store import MeasurementRecord

__all__ = ["compatibility_of"]

#: A case that ended so says nothing about the model and the target.
_SILENT = {CaseStatus.CANCELLED}


def compatibility_of(records: Sequence[MeasurementRecord]) -> list[CompatibilityRecord]:
    """One verdict per model and target that really ran, from its worst case.

    A target is compatible when every case ended ``ok`` and none had wrong numerics.
    """
    groups: dict[tuple[str, str], list[MeasurementRecord]] = {}
    for record in records:
        if record.origin is not Origin.SIMULATED and record.status not in _SILENT:
            groups.setdefault((record.model.model_id, record.target), []).append(record)
    return [_verdict(rows) for rows in groups.values()]


def _verdict(rows: Sequence[MeasurementRecord]) -> CompatibilityRecord:
    worst = next((r for r in rows if r.status is not CaseStatus.OK), None)
    wrong = next((r for r in rows if r.parity and not r.parity.get("ok")), None)
    error = (worst.error or {}).get("error") if worst else None
    facts = error if isinstance(error, dict) else {}
    message = facts.get("message")
    if worst is None and wrong is not None:
        message = f"wrong numerics in {wrong.test_case}: {wrong.parity}"
    first = rows[0]
    return CompatibilityRecord(
        run_id=first.run_id,
        model=first.model,
        hardware=first.hardware,
        target=first.target,
        is_compatible=worst is None and wrong is None,
        detection_success=True,
        initialization_success=any(r.executed_precision for r in rows),
        origin=first.origin,
        origin_reason=first.origin_reason,
        created_at=datetime.now(UTC),
        error_message=str(message) if message else None,
        error_type=str(facts["code"]) if facts.get("code") else "parity" if wrong else None,
        suggested_fix=str(facts["hint"]) if facts.get("hint") else None,
        metadata={"cases": len(rows), "statuses": sorted({r.status.value for r in rows})},
    )
