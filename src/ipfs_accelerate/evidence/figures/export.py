"""Figures as files. HTML opens offline; PNG, SVG and PDF are drawn by kaleido in a Chromium."""

from __future__ import annotations

from html import escape
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import InputError, MissingExtraError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import plotly.graph_objects as go

__all__ = ["FORMATS", "html_page", "rendered", "write_figure"]

FORMATS = ("html", "png", "svg", "pdf")
#: Pixels of a figure across a page of a report; pictures have twice as many.
WIDTH = 900
_SCALE = 2
_TIMEOUT_S = 90.0


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
        content = rendered(figure, ending, width=width)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise InputError(f"cannot write {str(path)!r}: {error.strerror}") from error


def rendered(figure: go.Figure, format_: str, *, width: int = WIDTH, scale: int = _SCALE) -> bytes:
    """The figure as a picture; controls that only a page can use are left out.

    Raises:
        MissingExtraError: kaleido is not installed.
        UnavailableError: No Chromium can be started.
    """
    if find_spec("kaleido") is None:
        raise MissingExtraError("figures", needed_for=f"a figure as {format_}", module="kaleido")
    from plotly.graph_objects import Figure

    still = Figure(figure.data, figure.layout)
    still.layout.sliders = still.layout.updatemenus = None
    height = int(still["layout"]["height"] or 450)
    options = {"format": format_, "width": width, "height": height, "scale": scale}
    try:
        content: bytes = import_module("kaleido").calc_fig_sync(
            still, opts=options, kopts={"mathjax": False, "timeout": _TIMEOUT_S}
        )
    except Exception as error:  # kaleido and choreographer share no base class
        raise UnavailableError(
            f"no Chromium drew the figure: {type(error).__name__}: {str(error)[:300]}",
            hint="install chromium, or name it in BROWSER_PATH; HTML needs none",
        ) from error
    return content


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
