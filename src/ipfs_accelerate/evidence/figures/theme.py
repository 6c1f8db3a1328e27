"""One look for every figure: two themes, one palette, one way to finish a figure."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ipfs_accelerate.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import plotly.graph_objects as go

__all__ = [
    "FONT",
    "THEMES",
    "WIDTH",
    "Theme",
    "blend",
    "faded",
    "finish",
    "ink_on",
    "log_ticks",
    "runtime_colour",
    "theme_named",
    "themed_html",
    "to_json",
]

#: Pixels of a figure across a page of a report.
WIDTH = 900
FONT = "system-ui, 'DejaVu Sans', sans-serif"
_FEW_DECADES = 3
_DARK_INK = "#101418"


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of one background.

    Attributes:
        name: Its key in `THEMES`.
        ink: Text and outlines.
        soft: Secondary text, axes, rules.
        paper: Background.
        tint: Areas that stand back.
        blue: First of the categories, each readable on `paper` and told apart with colour-vision
            deficiencies too; likewise the following.
        scale: Low, middle and high end of a sequential scale.
        diverging: Low end, nothing, high end of a scale around a middle.
    """

    name: str
    ink: str
    soft: str
    paper: str
    tint: str
    blue: str
    orange: str
    green: str
    vermillion: str
    purple: str
    sky: str
    yellow: str
    grey: str
    scale: tuple[str, str, str]
    diverging: tuple[str, str, str]

    @property
    def categories(self) -> tuple[str, ...]:
        """The eight categorical colours in the order in which they are given out."""
        return (self.blue, self.orange, self.green, self.vermillion, self.purple, self.sky,
                self.yellow, self.grey)  # fmt: skip

    @property
    def faint(self) -> str:
        """Grid lines."""
        return f"{self.soft}40"


#: The light palette is Okabe and Ito's; the dark one has the same hues, lightened. Yellow is faint
#: on white and comes late, for areas.
#: Source: Okabe, Ito (2008), Color Universal Design.
THEMES: Mapping[str, Theme] = {
    "light": Theme(
        name="light", ink="#1b1f24", soft="#5b6470", paper="#ffffff", tint="#f4f7fa",
        blue="#0072B2", orange="#E69F00", green="#009E73", vermillion="#D55E00",
        purple="#CC79A7", sky="#56B4E9", yellow="#F0E442", grey="#7F7F7F",
        scale=("#f4f7fa", "#56B4E9", "#00305c"), diverging=("#0072B2", "#f4f7fa", "#D55E00"),
    ),
    "dark": Theme(
        name="dark", ink="#e6edf3", soft="#9aa6b2", paper="#14181d", tint="#1d232a",
        blue="#3D8FD1", orange="#E69F00", green="#35c79a", vermillion="#E8702A",
        purple="#DD8FBC", sky="#8CCFF5", yellow="#F0E442", grey="#9A9A9A",
        scale=("#1d232a", "#2f7fb5", "#d6efff"), diverging=("#56B4E9", "#1d232a", "#E8702A"),
    ),
}  # fmt: skip

#: Runtime → name of its colour; one that is not listed is grey.
_RUNTIMES = {
    "onnxruntime": "blue",
    "openvino": "green",
    "torch": "vermillion",
    "litert": "purple",
    "browser": "orange",
}


def theme_named(name: str) -> Theme:
    """The theme of that name.

    Raises:
        UnknownNameError: There is none.
    """
    if name not in THEMES:
        raise UnknownNameError(name, THEMES)
    return THEMES[name]


def runtime_colour(target: str, theme: Theme) -> str:
    """The colour of the runtime that a target names first."""
    colour: str = getattr(theme, _RUNTIMES.get(target.partition("/")[0], "grey"))
    return colour


def faded(colour: str, share: float) -> str:
    """A colour ``#rrggbb`` that lets through what lies behind it.

    Args:
        colour: The colour.
        share: 0 (nothing is left of it) to 1.
    """
    red, green, blue = _channels(colour)
    return f"rgba({red},{green},{blue},{share:g})"


def blend(colours: Sequence[str], place: float) -> str:
    """The colour at a place (0..1) of a scale of evenly spaced colours, mixed as in a figure."""
    at = min(max(place, 0.0), 1.0) * (len(colours) - 1)
    first = min(int(at), len(colours) - 2)
    low, high = _channels(colours[first]), _channels(colours[first + 1])
    mixed = (round(a + (b - a) * (at - first)) for a, b in zip(low, high, strict=True))
    return "#" + "".join(f"{value:02x}" for value in mixed)


def ink_on(colour: str) -> str:
    """Black or white, whichever has more contrast on a colour.

    Source: WCAG 2.2, relative luminance and contrast ratio.
    """
    parts = [value / 255 for value in _channels(colour)]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return _DARK_INK if (luminance + 0.05) ** 2 > 1.05 * 0.05 else "#ffffff"


def _channels(colour: str) -> tuple[int, int, int]:
    red, green, blue = (int(colour[n : n + 2], 16) for n in (1, 3, 5))
    return red, green, blue


def finish(figure: go.Figure, title: str, theme: Theme, *, height: int) -> go.Figure:
    """Give a figure its title, size and the look of its theme; axis titles stay the caller's.

    Args:
        figure: Changed in place, and returned.
        title: Plain sentence; origin other than measured belongs into it.
        theme: The look.
        height: Pixels.
    """
    figure.update_layout(
        title={
            "text": title,
            "x": 0,
            "xanchor": "left",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "pad": {"l": 10, "t": 16},
            "font": {"size": 15},
        },
        template="none",
        height=height,
        margin={"l": 10, "r": 20, "t": 56, "b": 40},
        font={"family": FONT, "size": 12, "color": theme.ink},
        colorway=list(theme.categories),
        paper_bgcolor=theme.paper,
        plot_bgcolor=theme.paper,
        hoverlabel={"bgcolor": theme.paper, "font": {"color": theme.ink}},
    )
    axes = {"automargin": True, "zeroline": False, "gridcolor": theme.faint}
    return figure.update_xaxes(axes).update_yaxes(axes)


def log_ticks(low: float, high: float) -> dict[str, object]:
    """Ticks of a logarithmic axis over positive values, all equally readable."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    digits = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9) if high < 6 * low else (1, 2, 5)
    ticks = [digit * 10.0**power for power in range(first, last + 1) for digit in digits]
    shown = ticks if last - first <= _FEW_DECADES else ticks[:: len(digits)]
    return {"type": "log", "tickvals": shown, "ticktext": [f"{tick:g}" for tick in shown]}


def themed_html(make: Callable[..., go.Figure | None], data: object) -> dict[str, str]:
    """Theme → the figure as a ``div`` for a page that embeds the chart library itself.

    Args:
        make: Takes ``data`` and ``theme``; a theme for which it makes nothing is left out.
        data: Given to it.
    """
    config = {"displayModeBar": False, "responsive": True}
    made = {name: make(data, theme=name) for name in THEMES}
    return {
        name: str(figure.to_html(full_html=False, include_plotlyjs=False, config=config))
        for name, figure in made.items()
        if figure is not None
    }


def to_json(figure: go.Figure) -> dict[str, Any]:
    """The figure as the JSON every renderer takes."""
    parsed: dict[str, Any] = json.loads(str(figure.to_json()))
    return parsed
