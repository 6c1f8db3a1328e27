"""How text for people looks: marks, sizes, the width of a page."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = ["console", "mark", "size"]

_PAGE_COLUMNS = 132  # where nobody tells, as in a pipe


def console() -> Console:
    """A console on stdout that keeps rows whole when the output goes to a file or pipe."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else _PAGE_COLUMNS
    return Console(file=sys.stdout, width=width, highlight=False, soft_wrap=False)


def mark(*, usable: bool) -> Text:
    """A green tick or a red cross."""
    from rich.text import Text

    return Text("✓", style="green") if usable else Text("✗", style="red")


def size(count_bytes: float | None) -> str:
    """Bytes for people, in binary units; a dash when unknown.

    Example:
        >>> size(25_276_514_304)
        '23.5 GiB'
    """
    if count_bytes is None:
        return "–"
    unit = "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if count_bytes < 1024 or unit == "TiB":
            break
        count_bytes /= 1024
    return f"{count_bytes:.0f} B" if unit == "B" else f"{count_bytes:.1f} {unit}"
