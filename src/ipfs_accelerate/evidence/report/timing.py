"""A timing report as HTML that opens offline, as Markdown and as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import InputError, UnknownNameError
from ipfs_accelerate.evidence.figures import latency_figure
from ipfs_accelerate.evidence.figures.theme import themed_html
from ipfs_accelerate.evidence.report.timing_json import to_document
from ipfs_accelerate.evidence.report.timing_tables import (
    class_tables,
    closing_tables,
    opening,
)
from ipfs_accelerate.evidence.timing import figures

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from ipfs_accelerate.evidence.report.timing_tables import Table
    from ipfs_accelerate.evidence.timing import Advice, Ranking, TimingReport

__all__ = ["FORMATS", "render", "write"]

FORMATS = ("html", "md", "json")


def render(report: TimingReport, form: str) -> str:
    """The whole report.

    Raises:
        UnknownNameError: There is no such format.
    """
    if form == "html":
        return _html(report)
    if form == "md":
        return _markdown(report)
    if form == "json":
        return json.dumps(to_document(report), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    raise UnknownNameError(form, FORMATS)


def write(report: TimingReport, folder: Path, forms: Sequence[str]) -> list[Path]:
    """Write ``timing.<format>`` for each format.

    Raises:
        InputError: The folder cannot be written.
        UnknownNameError: There is no such format; nothing is written.
    """
    unknown = [form for form in forms if form not in FORMATS]
    if unknown:
        raise UnknownNameError(unknown[0], FORMATS)
    made = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for form in dict.fromkeys(forms):
            path = folder / f"timing.{form}"
            path.write_text(render(report, form), encoding="utf-8")
            made.append(path)
    except OSError as error:
        raise InputError(f"cannot write into {str(folder)!r}: {error.strerror}") from error
    return made


def _html(report: TimingReport) -> str:
    import jinja2
    from plotly.offline import get_plotlyjs

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("ipfs_accelerate.evidence", "report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("timing.html.j2").render(
        report=report,
        opening=opening(report),
        speed=themed_html(figures.speed_figure, report),
        bounds=themed_html(figures.bound_figure, report),
        sections=[
            (c, [(r, class_tables(r), _charts(r)) for r in c.rankings]) for c in report.classes
        ],
        closing=closing_tables(report),
        plotlyjs=get_plotlyjs() if report.rankings else "",
    )


def _charts(ranking: Ranking) -> list[dict[str, str]]:
    if not ranking.group.rows:
        return []
    made = (
        themed_html(latency_figure, ranking.group),
        themed_html(figures.first_figure, ranking),
    )
    return [chart for chart in made if chart]


def _markdown(report: TimingReport) -> str:
    parts = ["# Timing of the key model classes", *opening(report)]
    if report.advice:
        parts.append("## What follows")
        parts.append("\n".join(_bullet(advice) for advice in report.advice))
    for of_class in report.classes:
        parts.append(f"## {of_class.key.title}")
        if of_class.command:
            parts.append(f"Not measured. `{of_class.command}`")
        for ranking in of_class.rankings:
            parts.append(f"### {_escaped(ranking.subject)}")
            parts.append(f"Weights: {ranking.group.weights}. Baseline: "
                         f"{ranking.group.baseline or 'not measured'}.")  # fmt: skip
            parts += _as_markdown(class_tables(ranking), 4)
    parts += _as_markdown(closing_tables(report), 2)
    return "\n\n".join(parts) + "\n"


def _bullet(advice: Advice) -> str:
    text = f"- **{_escaped(advice.subject)}**: {_escaped(advice.sentence)}"
    return f"{text} `{advice.command}`" if advice.command else text


def _as_markdown(tables: Iterable[Table], level: int) -> list[str]:
    found = []
    for table in tables:
        lines = [f"{'#' * level} {table.title}", ""]
        lines.append("| " + " | ".join(table.columns) + " |")
        lines.append("|" + " --- |" * len(table.columns))
        lines += ["| " + " | ".join(_escaped(cell) for cell in row) + " |" for row in table.rows]
        found.append("\n".join(lines))
    return found


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
