"""How the commands of ``accel gateway`` look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from ipfs_accelerate.cli.text import console

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.table import Table

    from ipfs_accelerate.gateway.checking import Finding

__all__ = ["finding_fields", "print_capabilities", "print_findings", "print_statistics"]

_MOST_MODELS = 4


def finding_fields(found: Finding) -> dict[str, object]:
    """A finding as JSON-serialisable values."""
    return {
        "endpoint": found.endpoint,
        "provider": found.provider,
        "key": found.key,
        "elapsed_ms": found.elapsed_ns / 1e6,
        "models": list(found.models),
        "error": None if found.error is None else found.error.to_dict(),
    }


def print_findings(findings: Sequence[Finding]) -> None:
    """One line for each endpoint and key."""
    table = _table("Endpoints", "endpoint", "provider", "key", "ms", "says")
    for found in findings:
        says = _models(found.models) if found.error is None else str(found.error)
        elapsed = f"{found.elapsed_ns / 1e6:,.1f}"
        table.add_row(found.endpoint, found.provider, found.key or "", elapsed, says)
    console().print(table)


def _models(names: Sequence[str]) -> str:
    if not names:
        return "there; it names no models"
    more = f" and {len(names) - _MOST_MODELS} more" if len(names) > _MOST_MODELS else ""
    return ", ".join(names[:_MOST_MODELS]) + more


def print_capabilities(rows: Sequence[Mapping[str, object]]) -> None:
    """The kinds of services against what they can do."""
    columns = [name for name in rows[0] if name not in {"provider", "default_url", "max_batch"}]
    table = _table("What the services can do", "provider", *columns, "most texts")
    for row in rows:
        marks = ["yes" if row[name] else "" for name in columns]
        table.add_row(str(row["provider"]), *marks, str(row["max_batch"] or ""))
    console().print(table)


def print_statistics(found: Mapping[str, object]) -> None:
    """Routes, endpoints, and how each stands now."""
    columns = ("calls", "ok", "p50 ms", "p99 ms", "first ms", "tokens", "cost")
    routes = _table("Routes", "route", "operation", *columns)
    for row in _rows(found, "routes"):
        routes.add_row(
            row["route"],
            row["operation"],
            f"{row['calls']:,}",
            f"{row['outcomes'].get('ok', 0):,}",
            _ms(row["elapsed_ms"]["p50"]),
            _ms(row["elapsed_ms"]["p99"]),
            _ms(row["first_ms"]["p50"]),
            f"{row['prompt_tokens'] + row['completion_tokens']:,}",
            f"{row['cost']:.6g}" if not row["unpriced"] else "",
        )
    endpoints = _table("Endpoints", "endpoint", "model", "tries", "failed", "p50 ms", "p99 ms")
    for row in _rows(found, "endpoints"):
        failed = {k: v for k, v in row["outcomes"].items() if k not in {"ok", "aborted"}}
        endpoints.add_row(
            row["endpoint"],
            row["model"],
            f"{row['attempts']:,}",
            ", ".join(f"{name} {count:,}" for name, count in failed.items()),
            _ms(row["elapsed_ms"]["p50"]),
            _ms(row["elapsed_ms"]["p99"]),
        )
    states = _table("Now", "endpoint", "key", "circuit", "in flight", "limit", "rests s")
    for row in _rows(found, "states"):
        for one in row["keys"] or [row]:
            states.add_row(
                row["endpoint"],
                one.get("key", ""),
                one["circuit"] + (f" ({one['reason']})" if one["reason"] else ""),
                str(one["in_flight"]),
                f"{one['concurrent_limit']:.0f}",
                f"{one['rests_s']:.1f}" if one["rests_s"] else "",
            )
    for table in (routes, endpoints, states):
        console().print(table)


def _rows(found: Mapping[str, object], name: str) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", found.get(name, []))


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:,.1f}"


def _table(title: str, *columns: str) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
