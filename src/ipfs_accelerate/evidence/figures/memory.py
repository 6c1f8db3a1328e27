"""Memory of a process over time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.bench.profiling.memory import MemorySample
from ipfs_accelerate.errors import InputError
from ipfs_accelerate.evidence.figures._profile import read_profile
from ipfs_accelerate.evidence.figures.chart import Chart, Finding
from ipfs_accelerate.evidence.figures.theme import finish, theme_named

if TYPE_CHECKING:
    from collections.abc import Sequence

    import plotly.graph_objects as go

    from ipfs_accelerate.evidence.figures.chart import Selection
    from ipfs_accelerate.store import Ledger

__all__ = ["CHART", "memory_timeline_figure"]


def memory_timeline_figure(memory: Sequence[MemorySample], *, theme: str = "light") -> go.Figure:
    """Resident memory of the process while it loads and while it runs."""
    import plotly.graph_objects as go

    colours = theme_named(theme)
    figure = go.Figure()
    for phase, colour in (("load", colours.vermillion), ("run", colours.blue)):
        samples = [s for s in memory if s.phase == phase]
        figure.add_trace(
            go.Scatter(
                x=[s.at_ns / 1e9 for s in samples],
                y=[s.rss_bytes / 2**20 for s in samples],
                mode="lines",
                line={"color": colour, "width": 2, "dash": "solid" if phase == "run" else "dot"},
                name=phase,
                hovertemplate="%{x:.2f} s: %{y:,.0f} MiB<extra>" + phase + "</extra>",
            )
        )
    finish(figure, "Resident memory while loading and running", colours, height=440)
    figure.update_xaxes(title="seconds since the process began", rangemode="tozero")
    figure.update_yaxes(title={"text": "MiB", "standoff": 10}, rangemode="tozero")
    return figure.update_layout(showlegend=True, legend={"orientation": "h", "y": -0.26})


_SERIES = """
SELECT at_ns, phase, value FROM performance_timeseries
WHERE run_id = ? AND metric = 'resident_memory' AND origin = ? ORDER BY at_ns"""


@dataclass(frozen=True, slots=True)
class _Timeline:
    run_id: str
    samples: tuple[MemorySample, ...]


def _read(ledger: Ledger, selection: Selection) -> _Timeline:
    profile = read_profile(ledger, selection)
    rows = ledger.query(_SERIES, [profile.run_id, profile.origin.value]).rows
    if not rows:
        raise InputError(
            f"the profile {profile.text} has no memory over time",
            hint="its process ended before it was sampled; profile with more repetitions",
        )
    samples = (MemorySample(int(str(a)), str(b), round(float(str(c)))) for a, b, c in rows)
    return _Timeline(profile.run_id, tuple(samples))


def _draw(timeline: _Timeline, *, theme: str) -> go.Figure:
    return memory_timeline_figure(timeline.samples, theme=theme)


def _find(timeline: _Timeline) -> Finding:
    peak = max(timeline.samples, key=lambda sample: sample.rss_bytes)
    does = {"load": "loads", "run": "runs"}[peak.phase]
    sentence = f"Memory peaks at {peak.rss_bytes / 2**20:,.0f} MiB while the process {does}"
    return Finding(f"{sentence} ({len(timeline.samples)} samples).", (timeline.run_id,))


CHART = Chart("memory", "resident memory of a profiled process", _read, _draw, _find)
