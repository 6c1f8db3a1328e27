"""The published ``BenchmarkDBAPI`` on top of the ledger."""

from __future__ import annotations

import logging
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ipfs_accelerate.config import load_settings
from ipfs_accelerate.errors import InputError
from ipfs_accelerate.store import (
    CompatibilityRecord,
    HardwareRecord,
    Ledger,
    LegacyContext,
    ModelRecord,
    RefusedError,
    RunRecord,
    legacy_measurement,
)
from ipfs_accelerate.telemetry import Origin

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BenchmarkDBAPI"]

_SOURCE = "a call of BenchmarkDBAPI"


class BenchmarkDBAPI:
    """Stores what the caller measured and finds it again, as dictionaries with published names.

    We did not observe what is stored here, so its origin is ``imported``, or ``simulated`` where
    the caller says ``is_simulated=True``; the product's own choice of targets never rests on it.

    Args:
        db_path: Ledger file; ``BENCHMARK_DB_PATH`` or the setting ``db_path`` when ``None``.
        debug: Log everything.

    Example:
        >>> api = BenchmarkDBAPI("ledger.duckdb")  # doctest: +SKIP
        >>> api.store_performance_result(
        ...     model_name="bert-base-uncased", hardware_type="cpu", batch_size=1,
        ...     average_latency_ms=12.5,
        ... )  # doctest: +SKIP
    """

    def __init__(self, db_path: str | Path | None = None, debug: bool = False) -> None:  # noqa: FBT001 (published)
        if debug:
            logging.getLogger("ipfs_accelerate").setLevel(logging.DEBUG)
        settings = load_settings({"db_path": db_path})
        self._ledger = Ledger(settings.ledger_path, lock_timeout_s=settings.lock_timeout_s)
        self._run_id: str | None = None

    @property
    def db_path(self) -> str:
        """The ledger file."""
        return str(self._ledger.path)

    def store_performance_result(self, **result: object) -> str:
        """Store one result by the published column names; returns its ``result_id``.

        Raises:
            InputError: Model, hardware or batch size is missing, or a value is outside its domain.
        """
        record = {"timestamp": datetime.now(UTC).isoformat(), **result}
        run_id = self._run(record.pop("run_id", None))
        try:
            row = legacy_measurement(record, LegacyContext(run_id, _SOURCE))
        except RefusedError as error:
            raise InputError(f"not a result: {error}", details={"reason": error.reason}) from error
        self._ledger.record_measurements([row])
        return row.result_id

    def store_hardware_compatibility(
        self, model_name: str, hardware_type: str, *, is_compatible: bool, **facts: object
    ) -> str:
        """Store a verdict; returns its ``compatibility_id``.

        Args:
            model_name: The model.
            hardware_type: The kind of device.
            is_compatible: Whether it works.
            facts: ``device_name`` and columns of ``hardware_compatibility``.

        Raises:
            InputError: A name is not one of those.
        """
        device = str(facts.pop("device_name", None) or "unknown")
        values = {"detection_success": True, "initialization_success": is_compatible} | facts
        unknown = "unknown"
        try:
            record = CompatibilityRecord(
                run_id=self._run(values.pop("run_id", None)),
                model=ModelRecord(model_name, unknown, "other", "other", "imported"),
                hardware=HardwareRecord(
                    hardware_type, hardware_type, device, unknown, unknown, unknown
                ),
                target=f"{unknown}/{hardware_type}/{unknown}",
                is_compatible=is_compatible,
                origin=Origin.IMPORTED,
                origin_reason=f"found in {_SOURCE}",
                created_at=datetime.now(UTC),
                **values,  # type: ignore[arg-type]
            )
        except TypeError as error:
            raise InputError(f"not a column of hardware_compatibility: {error}") from error
        self._ledger.record_compatibility([record])
        return record.compatibility_id

    def query_performance_results(
        self,
        model_name: str | None = None,
        hardware_type: str | None = None,
        *,
        batch_size: int | None = None,
        limit: int = 100,
    ) -> list[dict[str, object]]:
        """Results of every origin, newest first; each row says its origin."""
        return self._ledger.query(
            """SELECT m.model_name, m.model_family, h.hardware_type, h.device_name, p.*
            FROM performance_results p
            JOIN models m USING (model_id) JOIN hardware_platforms h USING (hardware_id)
            WHERE coalesce(m.model_name = $1, true) AND coalesce(h.hardware_type = $2, true)
                AND coalesce(p.batch_size = $3, true)
            ORDER BY p.created_at DESC LIMIT $4""",
            [model_name, hardware_type, batch_size, limit],
        ).to_dicts()

    def query_hardware_compatibility(
        self, model_name: str | None = None, hardware_type: str | None = None
    ) -> list[dict[str, object]]:
        """The newest verdict per model and device, of every origin; each row says its origin."""
        return self._ledger.query(
            """SELECT * FROM model_hardware_compatibility
            WHERE coalesce(model_name = $1, true) AND coalesce(hardware_type = $2, true)
            ORDER BY created_at DESC""",
            [model_name, hardware_type],
        ).to_dicts()

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[dict[str, object]]:
        """One SELECT, see `Ledger.query`."""
        return self._ledger.query(sql, parameters).to_dicts()

    def _run(self, run_id: object) -> str:
        if run_id is None and self._run_id is not None:
            return self._run_id
        chosen = str(run_id or uuid.uuid4().hex)
        now = datetime.now(UTC)
        self._ledger.record_run(RunRecord(chosen, "BenchmarkDBAPI", "performance", now))
        self._run_id = chosen if run_id is None else self._run_id
        return chosen
