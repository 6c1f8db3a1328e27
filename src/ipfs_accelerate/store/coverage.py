"""What was tried so far: the newest results of every series, with what surrounded them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC
from typing import TYPE_CHECKING, cast

from ipfs_accelerate.store.environment import Environment
from ipfs_accelerate.store.records import CaseStatus
from ipfs_accelerate.telemetry import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ipfs_accelerate.store.ledger import Ledger

__all__ = ["AttemptRecord", "read_attempts", "read_usage"]

# The time of a run that its cases do not account for (starting processes, references, peaks) is
# spread evenly over them.
_SQL = """
WITH newest AS MATERIALIZED (
    SELECT rowid AS number, run_id FROM results WHERE status <> 'cancelled'
    QUALIFY row_number() OVER (
        PARTITION BY series_key, origin ORDER BY created_at DESC, rowid DESC) <= ?
),
parts AS MATERIALIZED (
    SELECT r.rowid AS number, r.run_id,
        coalesce((d.environment ->> '$.load_wall_ns')::BIGINT, r.load_ns, 0)
            + coalesce(list_sum(p.warmup_ns), 0) AS fixed_ns,
        coalesce((r.metrics ->> '$.observed_ns')::BIGINT, r.total_ns, 0) AS counted_ns
    FROM results r
    LEFT JOIN result_details d USING (result_id)
    LEFT JOIN performance_samples p USING (result_id)
    WHERE r.origin = 'measured' AND r.run_id IN (SELECT run_id FROM newest)
),
overheads AS (
    SELECT run_id, greatest(
        0, coalesce(any_value(t.execution_time_seconds) * 1e9 - sum(fixed_ns + counted_ns), 0)
    ) / count(*) AS overhead_ns
    FROM parts JOIN test_runs t USING (run_id) GROUP BY run_id
)
SELECT m.model_name, m.version, h.host, h.device_id, s.target, s.task, s.batch_size, s.shapes,
    s.test_case, r.run_id, r.origin, r.status, r.created_at, r.latency_p50_ns, r.latency_low_ns,
    r.latency_high_ns, r.confidence, c.fixed_ns + o.overhead_ns AS fixed_ns, c.counted_ns,
    h.device_name, h.platform_version, h.driver_version, t.git_commit,
    t.metadata ->> '$.version' AS product_version, d.environment, d.error,
    list_min(q.samples_ns) AS shortest_ns, len(q.samples_ns) AS samples,
    contains(coalesce(t.command_line, ''), '--threads') AS has_threads
FROM results r
JOIN newest n ON n.number = r.rowid
JOIN series s USING (series_key)
JOIN models m USING (model_id)
JOIN hardware_platforms h USING (hardware_id)
JOIN test_runs t ON t.run_id = r.run_id
LEFT JOIN result_details d USING (result_id)
LEFT JOIN parts c ON c.number = r.rowid
LEFT JOIN overheads o ON o.run_id = r.run_id
LEFT JOIN performance_samples q ON q.result_id = r.result_id
ORDER BY r.created_at DESC, r.rowid DESC"""

_USAGE = """
SELECT m.version, count(DISTINCT r.run_id) AS runs
FROM results r
JOIN series s USING (series_key)
JOIN models m USING (model_id)
JOIN test_runs t USING (run_id)
WHERE r.origin = 'measured' AND NOT contains(coalesce(t.command_line, ''), '--missing')
GROUP BY m.version"""


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One result as far as coverage needs it.

    Attributes:
        model_name: Reference of its model.
        version: Identity of the model's files; equal under every name of the same files.
        host: Machine.
        device_id: Device id used in targets.
        target: Target as a string.
        task: Pipeline tag.
        batch_size: Items per call.
        shapes: Further sizes.
        test_case: Workload.
        run_id: Its run.
        origin: How its numbers came to be.
        status: How it ended.
        created_at: UTC.
        latency_ns: Median and the ends of its interval; ``None`` where there is none.
        confidence: Level of that interval.
        fixed_ns: Wall time beside the counted calls; ``None`` unless measured.
        counted_ns: Wall time of the counted calls; likewise.
        facts: What surrounded it, by name: product version, commit, driver, libraries, …
        doubts: Name of a doubt → what raised it.
        samples: Raw samples it has; ``None`` when unknown.
        shortest_ns: The shortest of them; likewise.
        is_alternated: Whether it was sampled in alternation with others.
        load: Load of the machine before it, over one minute; ``None`` when unknown.
        error: ``code`` and ``message`` of a failure.
    """

    model_name: str
    version: str
    host: str
    device_id: str
    target: str
    task: str
    batch_size: int
    shapes: Mapping[str, int]
    test_case: str
    run_id: str
    origin: Origin
    status: CaseStatus
    created_at: datetime
    latency_ns: tuple[int | None, int | None, int | None] = (None, None, None)
    confidence: float | None = None
    fixed_ns: float | None = None
    counted_ns: float | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    doubts: Mapping[str, str] = field(default_factory=dict)
    samples: int | None = None
    shortest_ns: int | None = None
    is_alternated: bool = False
    load: float | None = None
    error: Mapping[str, str] = field(default_factory=dict)


def read_attempts(ledger: Ledger, *, per_series: int = 5) -> list[AttemptRecord]:
    """The newest results of every series and origin, failed ones too, newest first."""
    return [_attempt(row) for row in ledger.query(_SQL, [per_series]).to_dicts()]


def read_usage(ledger: Ledger) -> dict[str, int]:
    """Version of a model → how many runs measured it because somebody asked for it."""
    found = ledger.query(_USAGE).to_dicts()
    return {str(row["version"]): cast("int", row["runs"]) for row in found}


def _attempt(row: Mapping[str, object]) -> AttemptRecord:
    environment, error = _parsed(row["environment"]), _parsed(row["error"])
    load = _mapping(environment.get("load_before")).get("load_1min")
    details = _mapping(error.get("error"))
    names = ("latency_p50_ns", "latency_low_ns", "latency_high_ns")
    return AttemptRecord(
        **{name: str(row[name]) for name in _TEXTS},
        batch_size=cast("int", row["batch_size"]),
        shapes=cast("dict[str, int]", _parsed(row["shapes"])),
        origin=Origin(str(row["origin"])),
        status=CaseStatus(str(row["status"])),
        created_at=cast("datetime", row["created_at"]).replace(tzinfo=UTC),
        latency_ns=cast("tuple[int, int, int]", tuple(row[name] for name in names)),
        confidence=cast("float | None", row["confidence"]),
        fixed_ns=_number(row["fixed_ns"]),
        counted_ns=_number(row["counted_ns"]),
        facts=_facts(row, environment),
        doubts={k: str(v) for k, v in _mapping(environment.get("doubts")).items()},
        samples=cast("int | None", row["samples"]),
        shortest_ns=cast("int | None", row["shortest_ns"]),
        is_alternated=environment.get("interleaved") is True
        and environment.get("group") is not None,
        load=_number(load),
        error={k: str(details[k]) for k in ("code", "message") if details.get(k)},
    )


_TEXTS = (
    "model_name", "version", "host", "device_id", "target", "task", "test_case", "run_id",
)  # fmt: skip


def _facts(row: Mapping[str, object], environment: Mapping[str, object]) -> dict[str, str]:
    """Only what is known: an unknown fact cannot have changed."""
    around = Environment.parse(environment)
    facts = {
        "ipfs-accelerate": row["product_version"],
        "commit": row["git_commit"],
        "driver": row["driver_version"],
        "device": row["device_name"],
        "platform": row["platform_version"],
        "model files": row["version"],
        "cores": around.machine.get("cores"),
        "python": around.machine.get("python"),
        "threads": around.settings.get("threads", "unknown") if row["has_threads"] else "default",
        # without the build
        **{name: str(v).partition("-")[0] for name, v in around.versions.items()},
    }
    return {name: str(value) for name, value in facts.items() if value is not None}


def _parsed(text: object) -> dict[str, object]:
    return _mapping(json.loads(text) if isinstance(text, str) else text)


def _mapping(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None
