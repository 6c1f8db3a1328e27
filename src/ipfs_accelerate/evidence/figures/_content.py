"""What the figures of moved content share: names, kinds of senders and their colours."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ipfs_accelerate.content.insight import Edge
    from ipfs_accelerate.evidence.figures.theme import Theme

__all__ = [
    "BANNED",
    "LOCAL",
    "ORIGIN",
    "TEAM",
    "bytes_text",
    "kind_of",
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
