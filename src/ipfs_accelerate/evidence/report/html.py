"""A run as one self-contained HTML file: no request leaves the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.evidence import figures
from ipfs_accelerate.evidence.report.present import COLUMNS, cells, duration
from ipfs_accelerate.evidence.summary import by_reason, failure_message

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from ipfs_accelerate.evidence.summary import CaseGroup, RunSummary

__all__ = ["render"]


def render(summary: RunSummary) -> str:
    """The whole report; the chart library is embedded once."""
    import jinja2
    from plotly.offline import get_plotlyjs

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("ipfs_accelerate.evidence", "report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(
        run=summary.run,
        summary=summary,
        sections=[_section(group) for group in summary.groups],
        columns=COLUMNS,
        doubts_at=COLUMNS.index("doubts"),
        environment=_environment(summary),
        duration=duration,
        by_reason=by_reason,
        failure_message=failure_message,
        plotlyjs=get_plotlyjs() if summary.groups else "",
    )


def _section(group: CaseGroup) -> dict[str, object]:
    charts: list[go.Figure] = []
    if group.rows:
        charts = [
            figures.latency_figure(group),
            figures.sample_figure(group),
            figures.memory_figure(group),
            figures.startup_figure(group),
        ]
    return {
        "group": group,
        "rows": [(row, cells(row)) for row in group.rows],
        "charts": [_div(chart) for chart in charts],
    }


def _div(figure: go.Figure) -> str:
    text = figure.to_html(
        full_html=False,
        include_plotlyjs=False,
        config={"displayModeBar": False, "responsive": True},
    )
    return str(text)


def _environment(summary: RunSummary) -> dict[str, str]:
    """Facts that all rows share come from the run; the device from its first row."""
    facts = {
        key: str(value)
        for key, value in summary.run.metadata.items()
        if value is not None and not isinstance(value, dict | list)
    }
    rows = [row.record for group in summary.groups for row in group.rows]
    if rows:
        hardware = rows[0].hardware
        facts = {
            "device": hardware.device_name,
            "compute units": str(hardware.compute_units),
            "memory": f"{hardware.memory_gb:.1f} GiB" if hardware.memory_gb else "unknown",
            "platform": f"{hardware.platform} {hardware.platform_version}",
        } | facts
    if summary.run.git_commit:
        facts["git commit"] = summary.run.git_commit
    return facts
