"""What the figures of moved content share: names, kinds of senders and their colours."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import InputError
from ipfs_accelerate.evidence.figures.chart import Chart, Finding
from ipfs_accelerate.telemetry import Origin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import plotly.graph_objects as go

    from ipfs_accelerate.content.insight import ContentSummary, Edge
    from ipfs_accelerate.evidence.figures.chart import Selection
    from ipfs_accelerate.evidence.figures.theme import Theme
    from ipfs_accelerate.store import Ledger

__all__ = [
    "BANNED",
    "LOCAL",
    "ORIGIN",
    "TEAM",
    "Moved",
    "bytes_text",
    "kind_of",
    "moved_chart",
    "name_of",
    "natural",
    "roles",
]

ORIGIN, TEAM, LOCAL, BANNED = "from origins", "from peers", "already here", "banned"


def roles(theme: Theme) -> Mapping[str, str]:
    """Kind of sender → colour."""
    return {ORIGIN: theme.vermillion, TEAM: theme.blue, LOCAL: theme.green, BANNED: theme.ink}


def bytes_text(value_bytes: float) -> str:
    """Bytes in the decimal unit that leaves three significant digits."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value_bytes >= size:
            return f"{value_bytes / size:.3g} {unit}"
    return f"{value_bytes:.0f} B"


def kind_of(edge: Edge) -> str:
    if edge.is_banned:
        return BANNED
    return ORIGIN if edge.is_origin else TEAM


def name_of(text: str) -> str:
    """A node's name without how it is reached."""
    for kind in ("peer:", "gateway:", "kubo:", "bitswap:", "http://", "https://"):
        text = text.removeprefix(kind)
    text = text.rstrip("/")
    return text if len(text) <= 28 else f"{text[:12]}…{text[-14:]}"


def natural(name: str) -> tuple[tuple[int, str], ...]:
    """Sorts numbers inside names as numbers."""
    return tuple((int(p), "") if p.isdigit() else (-1, p) for p in re.split(r"(\d+)", name))


@dataclass(frozen=True, slots=True)
class Moved:
    """What moved content.

    Attributes:
        summary: Summed up.
        transfers: Ids of the fetches it sums up, the newest first.
    """

    summary: ContentSummary
    transfers: tuple[str, ...]


_TRANSFERS = "SELECT transfer_id FROM content_transfers WHERE origin = ? ORDER BY created_at DESC"


def moved_chart(kind: str, about: str, draw: Callable[..., go.Figure]) -> Chart[Moved]:
    """A chart of moved content.

    Args:
        kind: Its name.
        about: What it shows.
        draw: Takes a `ContentSummary` and ``theme``.
    """
    return Chart(
        kind, about, _read, lambda moved, *, theme: draw(moved.summary, theme=theme), _find
    )


def _read(ledger: Ledger, selection: Selection) -> Moved:
    from ipfs_accelerate.content.insight import summary

    with ledger.snapshot():
        found = summary(ledger, origin=selection.origin)
        rows = ledger.query(_TRANSFERS, [selection.origin.value]).rows
    if not found.edges:
        raise InputError(
            f"no {selection.origin.value} fetch is in {ledger.path.name}",
            hint="`accel content fetch` records one",
        )
    return Moved(found, tuple(str(row[0]) for row in rows))


def _find(moved: Moved) -> Finding:
    summary = moved.summary
    sentence = f"{summary.transfers} fetches needed {bytes_text(summary.needed_bytes)}"
    if summary.hit_rate is not None:
        sentence += f", of which origins did not have to send {summary.hit_rate:.1%}"
    if summary.origin is not Origin.MEASURED:
        sentence += f"; all of it is {summary.origin.value}"
    return Finding(sentence + ".", moved.transfers)
