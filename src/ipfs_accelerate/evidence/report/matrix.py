"""The compatibility matrix as HTML, Markdown and JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.store import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ipfs_accelerate.evidence.matrix import Cell, Change, Matrix

__all__ = ["MARKS", "SHARE", "headline", "render_html", "render_markdown", "to_json"]

#: Told apart without colours too.
MARKS = {
    Verdict.WORKS: "✓",
    Verdict.CONVERTED: "⇄",
    Verdict.WRONG_NUMERICS: "≠",
    Verdict.ERROR: "✗",
    Verdict.UNAVAILABLE: "∅",
    Verdict.NOT_TRIED: "·",
}
_MEANINGS = {
    Verdict.WORKS: "runs as it is, with finite outputs",
    Verdict.CONVERTED: "runs after a conversion, with the outputs of PyTorch",
    Verdict.WRONG_NUMERICS: "runs, but computes something else than PyTorch",
    Verdict.ERROR: "a stage failed",
    Verdict.UNAVAILABLE: "a library or a device is missing here",
    Verdict.NOT_TRIED: "no verdict",
}
SHARE = (
    "A share is classes that work or convert, of all that have a verdict on the target; what is"
    " unavailable here counts as not working. A class that describes a part of a model has the"
    " verdict of that model; what no model is built from counts nowhere."
)
_CSS_NAMES = {verdict: verdict.value.replace(" ", "-") for verdict in Verdict}


def headline(matrix: Matrix, total: int | None) -> list[str]:
    """The answer in sentences.

    Args:
        matrix: All verdicts.
        total: Configuration classes of the installed `transformers`; ``None`` when unknown.
    """
    known = len(matrix.config_classes)
    lines = [f"{len(matrix.rows)} classes of models have a verdict on {matrix.host}."]
    if total:
        absent = len(matrix.without_model)
        but = f" that describe a model ({absent} do not)" if absent else ""
        lines = [
            f"{known} of the {total - absent} configuration classes of the installed transformers"
            f"{but} have a verdict on {matrix.host} ({known / (total - absent):.1%})."
        ]
    for target in matrix.targets:
        share = matrix.share_working(target)
        counts = matrix.counts(target)
        tried = len(matrix.rows) - counts[Verdict.NOT_TRIED]
        if share is not None:
            lines.append(f"{target}: {share:.1%} of {tried} tried classes work.")
        upstream = matrix.upstream_errors(target)
        if upstream:
            lines.append(
                f"{target}: {upstream} of the {counts[Verdict.ERROR]} errors are the model's own:"
                " not even its untouched default configuration can be built."
            )
    worse = sum(change.is_worse for change in matrix.changes)
    if worse:
        lines.append(f"{worse} that worked before do not any more.")
    return lines


def to_json(matrix: Matrix, total: int | None) -> dict[str, object]:
    """Everything, JSON-serialisable."""
    return {
        "host": matrix.host,
        "hosts": list(matrix.hosts),
        "newest_at": matrix.newest_at.isoformat() + "Z",
        "versions": {name: list(values) for name, values in matrix.versions.items()},
        "configuration_classes": total,
        "with_verdict": len(matrix.config_classes),
        "without_model": dict(matrix.without_model),
        "targets": {
            target: {
                "counts": {v.value: n for v, n in matrix.counts(target).items()},
                "share_working": matrix.share_working(target),
                "upstream_errors": matrix.upstream_errors(target),
            }
            for target in matrix.targets
        },
        "rows": [
            {
                "model_class": row.model_class,
                "config_class": row.config_class,
                "cells": [_cell_json(cell) for cell in row.cells],
            }
            for row in matrix.rows
        ],
        "failures": [
            {
                "target": g.target,
                "verdict": g.verdict.value,
                "stage": g.stage,
                "error_class": g.error_class,
                "first_line": g.first_line,
                "model_classes": list(g.model_classes),
            }
            for g in matrix.failures
        ],
        "changes": [_change_json(change) for change in matrix.changes],
    }


def _cell_json(cell: Cell) -> dict[str, object]:
    found: dict[str, object] = {
        "target": cell.target,
        "verdict": cell.verdict.value,
        "reason": cell.reason,
    }
    if cell.stored is not None:
        v = cell.stored
        found |= {
            "stage": v.stage,
            "error_class": v.error_class,
            "largest_error": v.largest_error,
            "allowed_error": v.allowed_error,
            "size": v.shrink_level,
            "inputs": dict(v.inputs),
            "parameters": v.parameters,
            "elapsed_ns": v.elapsed_ns,
            "source": v.source,
            "created_at": v.created_at.isoformat() + "Z",
        }
    return found


def _change_json(change: Change) -> dict[str, object]:
    return {
        "model_class": change.model_class,
        "target": change.target,
        "before": change.before.value,
        "now": change.now.value,
        "is_worse": change.is_worse,
        "first_line": change.first_line,
        "versions": {name: list(pair) for name, pair in change.versions.items()},
        "at": change.at.isoformat() + "Z",
    }


def render_markdown(matrix: Matrix, total: int | None) -> str:
    """One Markdown document."""
    legend = ", ".join(f"{MARKS[v]} {v.value}" for v in Verdict)
    counts = [
        [target, *(str(n) for n in matrix.counts(target).values())] for target in matrix.targets
    ]
    failures = [
        (str(len(g.model_classes)), g.target, g.stage or "–", g.error_class or "–", g.first_line,
         _some(g.model_classes))
        for g in matrix.failures
    ]  # fmt: skip
    rows = [
        (row.model_class, *(f"{MARKS[c.verdict]} {c.reason or ''}".strip() for c in row.cells))
        for row in matrix.rows
    ]
    parts = ["# What works where", *headline(matrix, total), SHARE]
    parts += [_table(("target", *(v.value for v in Verdict)), counts)]
    if matrix.changes:
        parts += ["## Changes", _table(("class", "target", "before", "now", "versions"),
                                       [_change_cells(c) for c in matrix.changes])]  # fmt: skip
    if failures:
        header = ("classes", "target", "stage", "error", "first line", "e.g.")
        parts += ["## Why not", _table(header, failures)]
    if matrix.without_model:
        absent = list(matrix.without_model.items())
        parts += ["## No model", _table(("configuration class", "why"), absent)]
    parts += ["## Every class", legend, _table(("class", *matrix.targets), rows)]
    return "\n\n".join(parts) + "\n"


def _change_cells(change: Change) -> tuple[str, ...]:
    return (
        change.model_class,
        change.target,
        change.before.value,
        change.now.value,
        versions_text(change),
    )


def versions_text(change: Change) -> str:
    """Libraries that differ, e.g. ``torch 2.12 → 2.13``."""
    return (
        ", ".join(f"{n} {a or '–'} → {b or '–'}" for n, (a, b) in change.versions.items())
        or "the same versions"
    )


def _some(names: Sequence[str], count: int = 3) -> str:
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(names[:count]) + more


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    lines += ["| " + " | ".join(_escape(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def render_html(matrix: Matrix, total: int | None) -> str:
    """One self-contained page: no request leaves it."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("ipfs_accelerate.evidence", "report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("matrix.html.j2").render(
        matrix=matrix,
        headline=headline(matrix, total),
        verdicts=[(v, MARKS[v], _CSS_NAMES[v], _MEANINGS[v]) for v in Verdict],
        marks=MARKS,
        share=SHARE,
        css=_CSS_NAMES,
        details=_details,
        some=_some,
        versions_text=versions_text,
    )


def _details(cell: Cell) -> str:
    """What stands in a cell when one points at it."""
    if cell.stored is None:
        return cell.reason or "not tried yet"
    v = cell.stored
    parts = [f"{v.verdict.value}"]
    if v.stage:
        parts.append(f"at {v.stage}: {v.error_class}: {v.first_line}")
    elif cell.reason:
        parts.append(cell.reason)
    if v.largest_error is not None:
        parts.append(
            f"largest difference {v.largest_error:.2g} (allowed {v.allowed_error or 0:.2g})"
        )
    if v.shrink_level:
        inputs = ", ".join(f"{name} {shape}" for name, shape in v.inputs.items())
        parts.append(f"{v.shrink_level}, {v.parameters or 0:,} weights, {inputs}")
    parts.append(f"{v.source}, {v.created_at:%Y-%m-%d}")
    return "\n".join(parts)
