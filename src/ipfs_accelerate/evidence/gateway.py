"""What the gateway did, summed up from the ledger: calls, failures, times, cost, keys."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.bench.quantiles import quantile_interval
from ipfs_accelerate.store.rows import naive_utc
from ipfs_accelerate.telemetry import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ipfs_accelerate.bench.quantiles import QuantileInterval
    from ipfs_accelerate.store import Ledger

__all__ = ["GatewaySummary", "KeyUse", "RouteRow", "ServiceRow", "read_gateway"]

_QUANTILES = (0.5, 0.95, 0.99)
#: Newest times of one group that quantiles are made of.
_MOST_TIMES = 20_000


@dataclass(frozen=True, slots=True)
class RouteRow:
    """What callers of one route and operation got.

    Attributes:
        calls: Those that were joined count each.
        ok: Of those.
        cached: Rows answered from the cache.
        retried: Rows that took more than one try.
        prompt_tokens: Sum where the service counted; likewise ``completion_tokens``.
        cost: Sum of what has a price; ``None`` when nothing has.
        unpriced: Rows that ended well without a price.
        quantiles: Of the time until the end, of rows that ended well and were not cached; empty
            below two of them.
        first: Of the time until the first piece, of streams.
    """

    route: str
    operation: str
    calls: int
    ok: int
    cached: int
    retried: int
    prompt_tokens: int
    completion_tokens: int
    cost: float | None
    unpriced: int
    quantiles: tuple[QuantileInterval, ...]
    first: tuple[QuantileInterval, ...]


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """What one model at one endpoint did, over all tries."""

    endpoint: str
    provider: str
    model: str
    tries: int
    ok: int
    aborted: int
    hedges: int
    cost: float | None
    quantiles: tuple[QuantileInterval, ...]


@dataclass(frozen=True, slots=True)
class KeyUse:
    """How often a key was used, by its name."""

    endpoint: str
    key: str
    tries: int
    ok: int
    rate_limited: int
    refused: int


@dataclass(frozen=True, slots=True)
class GatewaySummary:
    """All of it, of one origin.

    Attributes:
        since: Of the oldest call, UTC without zone; ``None`` without calls.
        until: Of the newest.
        failures: Outcome a caller got → calls.
        try_failures: Endpoint and outcome of a try → tries; most of them were mended by another.
    """

    origin: Origin
    since: datetime | None
    until: datetime | None
    calls: int
    routes: tuple[RouteRow, ...]
    services: tuple[ServiceRow, ...]
    keys: tuple[KeyUse, ...]
    failures: Mapping[str, int]
    try_failures: Mapping[tuple[str, str], int]

    @property
    def cost(self) -> float | None:
        """Of everything; ``None`` when nothing has a price."""
        known = [row.cost for row in self.routes if row.cost is not None]
        return sum(known) if known else None

    def to_dict(self) -> dict[str, object]:
        """The fields as JSON-serialisable values; times in ns."""
        tries = [
            {"endpoint": endpoint, "outcome": outcome, "tries": count}
            for (endpoint, outcome), count in self.try_failures.items()
        ]
        return {
            "origin": self.origin.value,
            "since": self.since and self.since.isoformat(),
            "until": self.until and self.until.isoformat(),
            "calls": self.calls,
            "cost": self.cost,
            "routes": [asdict(row) for row in self.routes],
            "services": [asdict(row) for row in self.services],
            "keys": [asdict(row) for row in self.keys],
            "failures": dict(self.failures),
            "try_failures": tries,
        }


_WHERE = "origin = ? AND created_at >= coalesce(?, created_at) AND route = coalesce(?, route)"
_CALLS = f"FROM gateway_calls WHERE {_WHERE}"
_TRIES = f"""FROM (
    SELECT unnest(from_json(attempts, '["JSON"]')) AS one, cost, outcome AS final, created_at
    FROM gateway_calls WHERE {_WHERE})"""  # noqa: S608 (our own text)
_ROUTES_SQL = f"""
SELECT route, operation, sum(batched)::BIGINT AS calls,
    coalesce(sum(batched) FILTER (outcome = 'ok'), 0)::BIGINT AS ok,
    count(*) FILTER (is_cached) AS cached, count(*) FILTER (tries > 1) AS retried,
    coalesce(sum(prompt_tokens), 0)::BIGINT AS prompt_tokens,
    coalesce(sum(completion_tokens), 0)::BIGINT AS completion_tokens,
    sum(cost) AS cost,
    count(*) FILTER (outcome = 'ok' AND cost IS NULL AND NOT is_cached) AS unpriced
{_CALLS} GROUP BY route, operation ORDER BY calls DESC, route, operation"""
_SERVICES_SQL = f"""
SELECT one->>'endpoint' AS endpoint, one->>'provider' AS provider, one->>'model' AS model,
    count(*) AS tries, count(*) FILTER (one->>'outcome' = 'ok') AS ok,
    count(*) FILTER (one->>'outcome' = 'aborted') AS aborted,
    count(*) FILTER (one->>'is_hedge' = 'true') AS hedges,
    sum(cost) FILTER (one->>'outcome' = 'ok' AND final = 'ok') AS cost
{_TRIES} GROUP BY ALL ORDER BY tries DESC, endpoint, model"""
_KEYS_SQL = f"""
SELECT one->>'endpoint' AS endpoint, one->>'key' AS key, count(*) AS tries,
    count(*) FILTER (one->>'outcome' = 'ok') AS ok,
    count(*) FILTER (one->>'outcome' IN ('rate_limited', 'allowance_spent')) AS rate_limited,
    count(*) FILTER (one->>'outcome' = 'key_refused') AS refused
{_TRIES} WHERE one->>'key' IS NOT NULL GROUP BY ALL ORDER BY endpoint, key"""
_FAILURES_SQL = f"""
SELECT outcome, sum(batched)::BIGINT {_CALLS} AND outcome <> 'ok'
GROUP BY outcome ORDER BY 2 DESC, 1"""
_TRY_FAILURES_SQL = f"""
SELECT one->>'endpoint', one->>'outcome', count(*)
{_TRIES} WHERE one->>'outcome' NOT IN ('ok', 'aborted') GROUP BY ALL ORDER BY 3 DESC, 1, 2"""
_SPAN_SQL = f"SELECT min(created_at), max(created_at), coalesce(sum(batched), 0)::BIGINT {_CALLS}"
_ENDED_SQL = f"""
SELECT elapsed_ns {_CALLS} AND route = ? AND operation = ? AND outcome = 'ok' AND NOT is_cached
ORDER BY created_at DESC LIMIT {_MOST_TIMES}"""
_BEGUN_SQL = f"""
SELECT first_ns {_CALLS} AND route = ? AND operation = ? AND outcome = 'ok' AND first_ns IS NOT NULL
ORDER BY created_at DESC LIMIT {_MOST_TIMES}"""
_SERVED_SQL = f"""
SELECT (one->>'elapsed_ns')::BIGINT {_TRIES}
WHERE one->>'outcome' = 'ok' AND one->>'endpoint' = ? AND one->>'model' = ?
ORDER BY created_at DESC LIMIT {_MOST_TIMES}"""


def read_gateway(
    ledger: Ledger,
    *,
    origin: Origin = Origin.MEASURED,
    since: datetime | None = None,
    route: str | None = None,
) -> GatewaySummary:
    """Sum up the calls in the ledger.

    Args:
        ledger: Where they are.
        origin: Only calls of this origin.
        since: Only calls that ended since then, UTC.
        route: Only calls of this route.
    """
    given = [origin.value, naive_utc(since) if since else None, route]

    def times(sql: str, *of: object) -> tuple[QuantileInterval, ...]:
        newest_first = [int(str(row[0])) for row in ledger.query(sql, [*given, *of]).rows]
        return _quantiles(newest_first[::-1])

    with ledger.snapshot():
        routes = ledger.query(_ROUTES_SQL, given).to_dicts()
        services = ledger.query(_SERVICES_SQL, given).to_dicts()
        [(first, last, calls)] = ledger.query(_SPAN_SQL, given).rows
        return GatewaySummary(
            origin,
            first,  # type: ignore[arg-type]
            last,  # type: ignore[arg-type]
            int(str(calls)),
            tuple(
                RouteRow(
                    **row,  # type: ignore[arg-type]
                    quantiles=times(_ENDED_SQL, row["route"], row["operation"]),
                    first=times(_BEGUN_SQL, row["route"], row["operation"]),
                )
                for row in routes
            ),
            tuple(
                ServiceRow(
                    **row,  # type: ignore[arg-type]
                    quantiles=times(_SERVED_SQL, row["endpoint"], row["model"]),
                )
                for row in services
            ),
            tuple(KeyUse(**row) for row in ledger.query(_KEYS_SQL, given).to_dicts()),  # type: ignore[arg-type]
            {str(kind): int(str(n)) for kind, n in ledger.query(_FAILURES_SQL, given).rows},
            {
                (str(endpoint), str(kind)): int(str(n))
                for endpoint, kind, n in ledger.query(_TRY_FAILURES_SQL, given).rows
            },
        )


def _quantiles(times_ns: list[int]) -> tuple[QuantileInterval, ...]:
    if len(times_ns) < 2:
        return ()
    return tuple(quantile_interval(times_ns, share) for share in _QUANTILES)
