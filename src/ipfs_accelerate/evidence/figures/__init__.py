"""Plotly figures of what was measured, built once and rendered everywhere from the same JSON.

One file a chart, named like its kind: a function of typed data and a theme. `theme` is the look
they share, `registry` finds a chart by its kind. Each is loaded when it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipfs_accelerate.evidence.figures._content import bytes_text
    from ipfs_accelerate.evidence.figures._profile import view_of
    from ipfs_accelerate.evidence.figures.latency import latency_figure
    from ipfs_accelerate.evidence.figures.memory import memory_timeline_figure
    from ipfs_accelerate.evidence.figures.peak_memory import memory_figure
    from ipfs_accelerate.evidence.figures.roofline import roofline_figure
    from ipfs_accelerate.evidence.figures.samples import sample_figure
    from ipfs_accelerate.evidence.figures.senders import matrix_figure
    from ipfs_accelerate.evidence.figures.shares import share_figure
    from ipfs_accelerate.evidence.figures.startup import startup_figure
    from ipfs_accelerate.evidence.figures.theme import THEMES, themed_html, to_json
    from ipfs_accelerate.evidence.figures.topology import topology_figure
    from ipfs_accelerate.evidence.figures.treemap import treemap_figure

__all__ = [
    "THEMES",
    "bytes_text",
    "latency_figure",
    "matrix_figure",
    "memory_figure",
    "memory_timeline_figure",
    "roofline_figure",
    "sample_figure",
    "share_figure",
    "startup_figure",
    "themed_html",
    "to_json",
    "topology_figure",
    "treemap_figure",
    "view_of",
]

# What a chart needs is loaded with it: profiles bring all that measures.
_LATE = {
    "bytes_text": "_content",
    "latency_figure": "latency",
    "matrix_figure": "senders",
    "memory_figure": "peak_memory",
    "memory_timeline_figure": "memory",
    "roofline_figure": "roofline",
    "sample_figure": "samples",
    "share_figure": "shares",
    "startup_figure": "startup",
    "topology_figure": "topology",
    "treemap_figure": "treemap",
    "view_of": "_profile",
} | dict.fromkeys(("THEMES", "themed_html", "to_json"), "theme")


def __getattr__(name: str) -> object:
    home = _LATE.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
