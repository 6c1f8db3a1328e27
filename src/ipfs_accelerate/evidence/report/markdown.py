"""A run as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.evidence.report.present import COLUMNS, cells, duration
from ipfs_accelerate.evidence.summary import by_reason, failure_message

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ipfs_accelerate.evidence.summary import CaseGroup, RunSummary

__all__ = ["render"]


def render(summary: RunSummary) -> str:
    """The whole report as one Markdown document."""
    run = summary.run
    parts = [
        f"# {run.test_name}",
        f"Run `{run.run_id}`, started {run.started_at:%Y-%m-%d %H:%M} UTC.",
    ]
    if run.command_line:
        parts.append(f"```\n{run.command_line}\n```")
    if summary.groups:
        parts.append("\n".join(f"- **{_escape(g.sentence)}**" for g in summary.groups))
    for group in summary.groups:
        parts += _group(group)
    if summary.failed:
        parts += ["## Failed", _table(("target", "case", "status", "reason"), _failures(summary))]
    if summary.unavailable:
        parts += ["## Not possible here", _table(("why", "targets"), _unavailable(summary))]
    return "\n\n".join(parts) + "\n"


def _group(group: CaseGroup) -> list[str]:
    parts = [
        f"## {_escape(group.title)} · {group.test_case}",
        f"Weights: {group.weights}. Baseline: {group.baseline or 'not measured'}.",
        _table(COLUMNS, [cells(row) for row in group.rows]),
    ]
    if group.others:
        rows = [
            (r.target, r.origin.value, duration(r.latency_p50_ns), r.origin_reason or "")
            for r in group.others
        ]
        parts += [
            "### Not measured, never ranked",
            _table(("target", "origin", "value", "reason"), rows),
        ]
    return parts


def _unavailable(summary: RunSummary) -> list[tuple[str, str]]:
    return [(why, ", ".join(t)) for why, t in by_reason(summary.unavailable).items()]


def _failures(summary: RunSummary) -> list[tuple[str, str, str, str]]:
    return [(r.target, r.test_case, r.status.value, failure_message(r)) for r in summary.failed]


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    lines += ["| " + " | ".join(_escape(c) for c in row) + " |" for row in rows]
    return "\n".join(lines)


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
