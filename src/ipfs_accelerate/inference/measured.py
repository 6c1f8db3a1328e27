"""This machine's own measurements of a model, as evidence for a choice."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import StoreError, UnknownTargetError
from ipfs_accelerate.inference.choice import CallShape, Evidence
from ipfs_accelerate.inference.records import hardware_record, model_record
from ipfs_accelerate.runtimes import Target
from ipfs_accelerate.store import Ledger
from ipfs_accelerate.telemetry import Origin

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from ipfs_accelerate.hardware import Device
    from ipfs_accelerate.models import ModelArtifact
    from ipfs_accelerate.store import MeasurementRecord

__all__ = ["open_ledger", "own_measurements"]

logger = logging.getLogger(__name__)


def open_ledger(path: Path, lock_timeout_s: float) -> Ledger | None:
    """The ledger for reading; ``None`` when there is none, or when it cannot be read.

    A ledger that cannot be read costs the measurements, not the call: the reason is logged.
    """
    if not path.is_file():
        return None
    try:
        return Ledger(path, read_only=True, lock_timeout_s=lock_timeout_s)
    except StoreError as error:
        logger.warning("choosing without measurements: %s", error)
        return None


def own_measurements(
    ledger: Ledger, artifact: ModelArtifact, devices: Sequence[Device]
) -> list[Evidence]:
    """Rows of this model on devices of this machine, origin ``measured`` only, newest first."""
    mine = {hardware_record(device).hardware_id for device in devices}
    rows = ledger.performance(model_id=model_record(artifact).model_id, origins=(Origin.MEASURED,))
    return list(_evidence(row for row in rows if row.hardware.hardware_id in mine))


def _evidence(rows: Iterable[MeasurementRecord]) -> Iterable[Evidence]:
    for row in rows:
        if row.latency_p50_ns is None:
            continue
        try:
            target = Target.parse(row.target)
        except UnknownTargetError as error:
            logger.warning("row %s of the ledger is left out: %s", row.result_id, error)
            continue
        yield Evidence(
            result_id=row.result_id,
            target=target,
            origin=row.origin,
            shape=CallShape(row.batch_size, dict(row.shapes)),
            latency_p50_ns=row.latency_p50_ns,
            latency_low_ns=row.latency_low_ns,
            latency_high_ns=row.latency_high_ns,
            peak_memory_bytes=row.peak_memory_bytes,
            executed_precision=row.executed_precision,
            parity=row.parity,
            flags=row.flags,
            measured_at=row.created_at.isoformat(),
        )
