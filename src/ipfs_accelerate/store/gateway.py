"""Calls through the gateway as rows of the ledger; plain data, bounded in number."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from ipfs_accelerate.store.rows import naive_utc
from ipfs_accelerate.telemetry import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from duckdb import DuckDBPyConnection

__all__ = ["MOST_CALLS", "GatewayCallRecord", "insert_calls"]

#: Rows kept; the oldest go first.
MOST_CALLS = 1_000_000
# Old rows are taken out in steps of this share, not one at each insert.
_SLACK = 0.02


@dataclass(frozen=True, slots=True)
class GatewayCallRecord:
    """One call.

    Attributes:
        call_id: Unique; a second record of the same id is ignored.
        request_id: As the caller knows it; may repeat.
        host: Where the gateway ran.
        endpoint: Who answered; ``None`` when nobody did, or the cache.
        key_name: Name of the key that was used, never the key.
        outcome: ``ok``, ``cancelled``, or the code of the error.
        attempts: All tries in order: endpoint, provider, model, key, outcome, times in ns.
        cost: In the currency of the price table; ``None`` without price or count.
        queued_ns: Until the first try; ``None`` without one.
        first_ns: Until the first piece of a stream; ``None`` without one.
        elapsed_ns: Until the end.
        batched: Calls that were joined to this request.
        created_at: When it ended, with zone.
        origin: Where the numbers come from; of a simulated gateway with a reason.
    """

    call_id: str
    request_id: str
    host: str
    route: str
    operation: str
    priority: str
    outcome: str
    elapsed_ns: int
    created_at: datetime
    endpoint: str | None = None
    provider: str | None = None
    model: str | None = None
    key_name: str | None = None
    attempts: Sequence[Mapping[str, object]] = ()
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    cost: float | None = None
    queued_ns: int | None = None
    first_ns: int | None = None
    batched: int = 1
    is_stream: bool = False
    is_cached: bool = False
    origin: Origin = Origin.MEASURED
    origin_reason: str | None = None

    def __post_init__(self) -> None:
        if self.origin is not Origin.MEASURED and not self.origin_reason:
            raise ValueError(f"an origin of {self.origin.value!r} needs a reason")


_COLUMNS = [f.name for f in fields(GatewayCallRecord)]


def insert_calls(
    connection: DuckDBPyConnection, records: Sequence[GatewayCallRecord], *, most: int = MOST_CALLS
) -> int:
    """Insert calls that are new in one go, then drop the oldest above ``most``.

    Returns:
        How many were new.
    """
    import pyarrow as pa

    rows = {record.call_id: _row(record) for record in records}
    if not rows:
        return 0
    connection.register("incoming", pa.Table.from_pylist(list(rows.values()), schema=_schema()))
    inserted = connection.execute(
        "INSERT INTO gateway_calls BY NAME"
        " SELECT * FROM incoming ANTI JOIN gateway_calls USING (call_id)"
    ).fetchone()
    connection.unregister("incoming")
    _retain(connection, most)
    return int(inserted[0]) if inserted else 0


def _retain(connection: DuckDBPyConnection, most: int) -> None:
    found = connection.execute("SELECT count(*) FROM gateway_calls").fetchone()
    count = int(found[0]) if found else 0
    if count > most * (1 + _SLACK):
        connection.execute(
            "DELETE FROM gateway_calls WHERE call_id IN"
            " (SELECT call_id FROM gateway_calls ORDER BY created_at, rowid LIMIT ?)",
            [count - most],
        )


def _row(record: GatewayCallRecord) -> dict[str, object]:
    return {
        **{name: getattr(record, name) for name in _COLUMNS},
        "attempts": json.dumps([dict(one) for one in record.attempts]),
        "tries": len(record.attempts),
        "origin": record.origin.value,
        "created_at": naive_utc(record.created_at),
    }


def _schema() -> object:
    import pyarrow as pa

    numbers = {"elapsed_ns", "queued_ns", "first_ns", "prompt_tokens", "completion_tokens",
               "cached_tokens", "batched", "tries"}  # fmt: skip
    types = {
        **dict.fromkeys([*_COLUMNS, "tries"], pa.string()),
        **dict.fromkeys(numbers, pa.int64()),
        **dict.fromkeys(("is_stream", "is_cached"), pa.bool_()),
        "cost": pa.float64(),
        "created_at": pa.timestamp("us"),
    }
    return pa.schema(types.items())
