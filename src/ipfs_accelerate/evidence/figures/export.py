"""Figures as files. HTML opens offline; PNG, SVG and PDF are drawn by kaleido in a Chromium."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import InputError
from ipfs_accelerate.evidence.figures.theme import WIDTH

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import plotly.graph_objects as go

__all__ = ["FORMATS", "html_page", "write_figure"]

FORMATS = ("html", "png", "svg", "pdf")


def write_figure(figure: go.Figure, path: Path, *, alt: str = "", width: int = WIDTH) -> None:
    """Write a figure in the format that the name of the file ends in.

    Args:
        figure: Any figure of this package.
        path: Ends in one of `FORMATS`.
        alt: What the figure says, for readers who cannot see it (HTML).
        width: Pixels at scale 1; pictures have twice as many.

    Raises:
        InputError: Another ending, or the file cannot be written.
        MissingExtraError: A picture, and kaleido is not installed.
        UnavailableError: A picture, and no Chromium can be started.
    """
    ending = path.suffix.lower().lstrip(".")
    if ending not in FORMATS:
        raise InputError(
            f"cannot write a figure as {path.name!r}",
            hint="the name must end in " + ", ".join(f".{name}" for name in FORMATS),
        )
    if ending == "html":
        content = html_page([(figure, alt)], title=str(figure["layout"]["title"]["text"])).encode()
    else:
        from ipfs_accelerate.evidence.figures._pictures import Pictures

        with Pictures() as pictures:
            content = pictures.draw(figure, ending, width=width)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise InputError(f"cannot write {str(path)!r}: {error.strerror}") from error


def html_page(figures: Sequence[tuple[go.Figure, str]], *, title: str) -> str:
    """One page that asks the network for nothing.

    Args:
        figures: Each with what it says.
        title: Of the page.
    """
    from plotly.offline import get_plotlyjs

    config = {"displaylogo": False, "responsive": True}
    paper = figures[0][0]["layout"]["paper_bgcolor"] if figures else "#ffffff"
    ink = figures[0][0]["layout"]["font"]["color"] if figures else "#000000"
    body = "".join(
        f'<figure role="img" aria-label="{escape(alt)}">'
        + str(figure.to_html(full_html=False, include_plotlyjs=False, config=config))
        + f"<figcaption>{escape(alt)}</figcaption></figure>"
        for figure, alt in figures
    )
    style = (
        f"body{{margin:0 auto;max-width:1100px;padding:16px;background:{paper};color:{ink};"
        "font:15px/1.5 system-ui,sans-serif}figure{margin:0 0 32px}figcaption{margin:8px 10px}"
    )
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}'
        f"</title><style>{style}</style><script>{get_plotlyjs()}</script></head>"
        f"<body>{body}</body></html>\n"
    )
