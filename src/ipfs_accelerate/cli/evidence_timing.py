"""``accel evidence timing``: the key model classes on every target."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from ipfs_accelerate.cli.output import json_option, note
from ipfs_accelerate.cli.quantities import moment, names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ipfs_accelerate.evidence.summary import RankedRow
    from ipfs_accelerate.evidence.timing import Limit, Ranking, TimingReport

__all__ = ["timing"]

_ORIGINS = ("measured", "emulated", "simulated", "predicted", "imported")


@click.command(epilog="Example: accel evidence timing --class bert,vit --output report/")
@click.option("--class", "classes", type=names, help="Only these key classes, by comma.")
@click.option("--format", "forms", type=names, help="html, md, json; by comma with --output.")
@click.option("--output", type=click.Path(path_type=Path), help="Write timing.* into this folder.")
@click.option("--since", type=moment, help="Only results since then.")
@click.option("--origin", type=click.Choice(_ORIGINS), default="measured", help="Only these rows.")
@click.option("--db", type=click.Path(path_type=Path), help="Ledger file; see the setting db_path.")
@json_option
def timing(
    *, forms: tuple[str, ...] | None, output: Path | None, as_json: bool, **given: object
) -> None:
    """Rank the 13 key model classes on every target, with what limits them and what to do.

    Without --output a single --format goes to stdout.
    """
    from ipfs_accelerate.evidence.report.timing import render, write

    _require_formats(forms, output)
    report = _report(given)
    for path in write(report, output, forms or ("html",)) if output else ():
        note(f"wrote {path}")
    if as_json:
        sys.stdout.write(render(report, "json"))
    elif forms and not output:
        sys.stdout.write(render(report, forms[0]))
    else:
        print_report(report)


def _report(given: Mapping[str, object]) -> TimingReport:
    from ipfs_accelerate.config import load_settings
    from ipfs_accelerate.evidence.timing import find_classes, timing_report
    from ipfs_accelerate.store import Ledger
    from ipfs_accelerate.telemetry import Origin

    classes = cast("tuple[str, ...]", given["classes"] or ())
    find_classes(classes)
    settings = load_settings({"db_path": given["db"]})
    ledger = Ledger(settings.ledger_path, read_only=True, lock_timeout_s=settings.lock_timeout_s)
    return timing_report(
        ledger,
        classes=classes,
        origin=Origin(str(given["origin"])),
        since=cast("datetime | None", given["since"]),
        known=_known_targets(),
        advance=_progress,
    )


def _require_formats(forms: tuple[str, ...] | None, output: Path | None) -> None:
    from ipfs_accelerate.errors import UnknownNameError
    from ipfs_accelerate.evidence.report.timing import FORMATS

    for form in forms or ():
        if form not in FORMATS:
            raise UnknownNameError(form, FORMATS)
    if forms and len(forms) > 1 and output is None:
        raise click.UsageError("several formats need a folder: --output DIR")


def _known_targets() -> dict[str, str | None]:
    """Target → why it is not available on this machine; ``None`` for one that is."""
    from ipfs_accelerate.hardware import detect
    from ipfs_accelerate.runtimes import targets

    found = targets(detect())
    return {str(t): None if s.usable else s.reason for t, s in found if t.device != "auto"}


def _progress(done: int, whole: int) -> None:
    """Overwrite one line of a terminal; silent elsewhere."""
    if sys.stderr.isatty():
        end = "\n" if done == whole else "\r"
        print(f"comparing workload {done} of {whole}", end=end, file=sys.stderr, flush=True)


def print_report(report: TimingReport) -> None:
    """One line a target, one block a workload, then advice and gaps."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from ipfs_accelerate.cli.text import console
    from ipfs_accelerate.evidence.report.timing_tables import opening

    screen = console()
    for sentence in opening(report):
        screen.print(sentence, markup=False)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in (
        "class", "model, workload", "#", "target", "median", "speed-up", "first", "memory", "limit",
    ):  # fmt: skip
        table.add_column(name, no_wrap=name in {"#", "target", "median", "speed-up", "first"})
    for ranking in report.rankings:
        for cells in _lines(ranking):
            table.add_row(*cells)
        table.add_section()
    if report.rankings:
        screen.print(table)
    for advice in report.advice:
        style = "dim" if advice.kind == "refused" else ""
        screen.print(f"{advice.subject}: {advice.sentence}", style=style, markup=False)
        if advice.command:
            screen.print(f"  {advice.command}", style="dim", markup=False, soft_wrap=True)
    for gap in report.missing:
        text = f"{gap.key.title}: not measured"
        screen.print(f"{text}; {gap.command}", style="dim", markup=False, soft_wrap=True)
    if report.unavailable:
        screen.print(f"{len(report.unavailable)} targets are not available here: accel doctor")


def _lines(ranking: Ranking) -> Iterator[tuple[str, ...]]:
    from rich.markup import escape

    from ipfs_accelerate.evidence.report.present import duration, mebibytes
    from ipfs_accelerate.evidence.timing.figures import short_model, sizes_of

    heads = [(ranking.key.title, escape(f"{short_model(ranking)} {sizes_of(ranking)}"))]
    limits = {limit.target: limit for limit in ranking.limits}
    tied = [row.rank for row in ranking.group.rows]
    for row in ranking.group.rows:
        record = row.record
        yield (
            *(heads.pop() if heads else ("", "")),
            f"{row.rank}{'=' if tied.count(row.rank) > 1 else ''}",
            record.target + ("" if row.is_eligible else " ?"),
            duration(record.latency_p50_ns),
            _speedup(row),
            duration(record.first_inference_ns),
            mebibytes(record.peak_memory_bytes),
            _limit(limits[record.target]),
        )
    for other in ranking.group.others:
        head = heads.pop() if heads else ("", "")
        value = duration(other.latency_p50_ns)
        yield (*head, "–", other.target, value, "–", "–", "–", other.origin.value)
    for cell in ranking.unranked:
        head = heads.pop() if heads else ("", "")
        reason = escape(cell.reason or "")
        yield (*head, "–", cell.attempt.target, "–", "–", "–", "–", f"[dim]{reason}[/dim]")


def _speedup(row: RankedRow) -> str:
    if row.speedup is None:
        return "–"
    return "baseline" if row.speedup.verdict == "baseline" else row.speedup.text


def _limit(limit: Limit) -> str:
    if limit.shares:
        return limit.bottleneck
    return f"roof: {limit.roof}" if limit.roof else "unknown"
