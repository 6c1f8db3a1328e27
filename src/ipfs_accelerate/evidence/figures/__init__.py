"""Plotly figures of what was measured, built once and rendered everywhere from the same JSON.

One file a chart: a function of typed data and a theme. `theme` is the look they share.
"""

from ipfs_accelerate.evidence.figures._content import bytes_text
from ipfs_accelerate.evidence.figures._profile import view_of
from ipfs_accelerate.evidence.figures.byte_share import share_figure
from ipfs_accelerate.evidence.figures.latency import latency_figure
from ipfs_accelerate.evidence.figures.memory_timeline import memory_timeline_figure
from ipfs_accelerate.evidence.figures.peak_memory import memory_figure
from ipfs_accelerate.evidence.figures.roofline import roofline_figure
from ipfs_accelerate.evidence.figures.samples import sample_figure
from ipfs_accelerate.evidence.figures.sender_matrix import matrix_figure
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
