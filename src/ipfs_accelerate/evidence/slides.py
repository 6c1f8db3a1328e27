"""A deck: what was measured in a table, then a figure a slide with what it supports."""

from __future__ import annotations

import io
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ipfs_accelerate.errors import InputError, MissingExtraError
from ipfs_accelerate.evidence.figures._pictures import Pictures, height_of
from ipfs_accelerate.evidence.figures._rows import read_groups
from ipfs_accelerate.evidence.figures.registry import chart_named, charts
from ipfs_accelerate.evidence.figures.theme import theme_named
from ipfs_accelerate.evidence.report.present import cells

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from ipfs_accelerate.evidence.figures.chart import Drawn, Finding, Selection
    from ipfs_accelerate.evidence.figures.theme import Theme
    from ipfs_accelerate.evidence.summary import CaseGroup
    from ipfs_accelerate.store import Ledger

__all__ = ["Deck", "Made", "write_slides"]

#: Slides are 13.333 x 7.5 inches (16:9); lengths below are inches.
_WIDTH, _HEIGHT = 13.333, 7.5
_MARGIN, _HEAD, _FOOT = 0.5, 1.35, 0.45
_TABLE_ROWS = 12
_PIXELS = 1000
_COLUMNS = (0, 1, 2, 3, 4, 5, 12)
_TABLE = ("rank", "target", "median", "95 % interval", "speed-up", "parity", "samples")
_SHARES = (0.06, 0.25, 0.11, 0.17, 0.17, 0.16, 0.08)


@dataclass(frozen=True, slots=True)
class Deck:
    """What slides are wanted.

    Attributes:
        title: Of the first one.
        theme: Look of all.
        kinds: Of figures, in order; all that the ledger has data for when empty.
    """

    title: str = "What was measured"
    theme: str = "light"
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Made:
    """What came of it.

    Attributes:
        drawn: Figures, in order.
        left_out: Kind → why there is no figure of it.
    """

    drawn: tuple[Drawn, ...]
    left_out: Mapping[str, str]


def write_slides(
    ledger: Ledger,
    selection: Selection,
    path: Path,
    *,
    deck: Deck | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Made:
    """Write a deck.

    Args:
        ledger: Where the rows are.
        selection: Which rows.
        path: Ends in ``.pptx``.
        deck: What is wanted.
        progress: Told before each figure.

    Raises:
        InputError: No figure has data, the name ends otherwise, or it cannot be written.
        MissingExtraError: python-pptx or kaleido is not installed.
        UnavailableError: No Chromium can be started.
    """
    deck = deck or Deck()
    if path.suffix.lower() != ".pptx":
        raise InputError(f"cannot write slides as {path.name!r}", hint="the name must end in .pptx")
    for module in ("pptx", "kaleido"):
        if find_spec(module) is None:
            raise MissingExtraError("figures", needed_for="slides", module=module)
    made = _draw(ledger, selection, deck)
    groups = read_groups(ledger, selection, 1)
    pages = _Pages(theme_named(deck.theme))
    pages.title(deck.title, f"{groups[0].rows[0].record.hardware.device_name} · ledger"
                f" {ledger.path.name} · {len(made.drawn)} figures")  # fmt: skip
    pages.table(groups[0])
    with Pictures() as pictures:
        for drawn in made.drawn:
            progress(f"drawing {drawn.kind}")
            pages.figure(drawn, pictures)
    pages.save(path)
    return made


def _draw(ledger: Ledger, selection: Selection, deck: Deck) -> Made:
    drawn: list[Drawn] = []
    left_out: dict[str, str] = {}
    for chart in [chart_named(kind) for kind in deck.kinds] or charts().values():
        try:
            drawn.append(chart.of(ledger, selection, theme=deck.theme))
        except InputError as error:
            left_out[chart.kind] = error.message
    if not drawn:
        raise InputError(
            "no figure has data: " + "; ".join(f"{k}: {why}" for k, why in left_out.items()),
            hint="`accel evidence summary` lists results",
        )
    return Made(tuple(drawn), left_out)


class _Pages:
    """Slides of one presentation; the library is loaded when it is made."""

    def __init__(self, theme: Theme) -> None:
        self._theme = theme
        self._inches: Callable[[float], int] = import_module("pptx.util").Inches
        self._points: Callable[[float], int] = import_module("pptx.util").Pt
        self._colours = import_module("pptx.dml.color").RGBColor
        self._deck: Any = import_module("pptx").Presentation()
        self._deck.slide_width = self._inches(_WIDTH)
        self._deck.slide_height = self._inches(_HEIGHT)

    def title(self, text: str, below: str) -> None:
        """The first slide."""
        slide = self._slide(text)
        slide.shapes.title.top = self._inches(2.6)
        self._write(slide, below, (_MARGIN, 3.8, 0.6), size=18, is_soft=True)

    def table(self, group: CaseGroup) -> None:
        """Ranks of one model and case."""
        slide = self._slide(f"{group.title} · {group.test_case}")
        self._write(slide, group.sentence, (_MARGIN, _HEAD - 0.2, 0.7), size=16)
        rows = group.rows[:_TABLE_ROWS]
        left_out = len(group.rows) - len(rows)
        place = [self._inches(v) for v in (_MARGIN, 2.0, _WIDTH - 2 * _MARGIN, 0.36)]
        grid = slide.shapes.add_table(len(rows) + 1, len(_TABLE), *place).table
        for column, share in zip(grid.columns, _SHARES, strict=True):
            column.width = self._inches(share * (_WIDTH - 2 * _MARGIN))
        for j, name in enumerate(_TABLE):
            self._cell(grid.cell(0, j), name, is_head=True)
        for i, row in enumerate(rows, start=1):
            texts = cells(row)
            for j, column in enumerate(_COLUMNS):
                self._cell(grid.cell(i, j), texts[column])
        note = f"{left_out} further targets are in the ledger. " if left_out else ""
        cited = tuple(row.record.result_id for row in rows)
        self._foot(slide, note + _cited(cited))

    def figure(self, drawn: Drawn, pictures: Pictures) -> None:
        """A figure with its sentence, alternative text and rows."""
        slide = self._slide(_plain(str(drawn.figure["layout"]["title"]["text"])))
        self._write(slide, _short(drawn.finding.sentence), (_MARGIN, _HEAD - 0.25, 0.75), size=14)
        picture = pictures.draw(drawn.figure, "png", width=_PIXELS, has_title=False)
        room = (_WIDTH - 2 * _MARGIN, _HEIGHT - _HEAD - 0.55 - _FOOT)
        width, height = _PIXELS, height_of(drawn.figure)
        scale = min(room[0] / width, room[1] / height)
        across, down = width * scale, height * scale
        place = ((_WIDTH - across) / 2, _HEAD + 0.5, across, down)
        shape = slide.shapes.add_picture(io.BytesIO(picture), *map(self._inches, place))
        described = shape._element._nvXxPr.cNvPr  # noqa: SLF001 (the library has no other way)
        described.set("descr", f"{drawn.kind}: {drawn.finding.sentence}")
        self._foot(slide, _cited(drawn.finding.rows))
        self._notes(slide, drawn.finding)

    def save(self, path: Path) -> None:
        """Write the file."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._deck.save(str(path))
        except OSError as error:
            raise InputError(f"cannot write {str(path)!r}: {error.strerror}") from error

    def _slide(self, title: str) -> Any:  # noqa: ANN401 (the library is untyped here)
        slide = self._deck.slides.add_slide(self._deck.slide_layouts[5])  # title only
        fill = slide.background.fill
        fill.solid()
        fill.fore_color.rgb = self._colour(self._theme.paper)
        box = slide.shapes.title
        box.left, box.top = self._inches(_MARGIN), self._inches(0.3)
        box.width, box.height = self._inches(_WIDTH - 2 * _MARGIN), self._inches(0.8)
        box.text_frame.text = title
        box.text_frame.word_wrap = True
        self._style(box.text_frame.paragraphs[0], size=26 if len(title) < 70 else 20)
        return slide

    def _write(
        self,
        slide: Any,  # noqa: ANN401
        text: str,
        place: tuple[float, float, float],
        *,
        size: int,
        is_soft: bool = False,
    ) -> None:
        left, top, height = place
        box = slide.shapes.add_textbox(*map(self._inches, (left, top, _WIDTH - 2 * left, height)))
        box.text_frame.word_wrap = True
        box.text_frame.text = text
        self._style(box.text_frame.paragraphs[0], size=size, is_soft=is_soft)

    def _style(self, paragraph: Any, *, size: int, is_soft: bool = False) -> None:  # noqa: ANN401
        paragraph.alignment = import_module("pptx.enum.text").PP_ALIGN.LEFT
        paragraph.font.size = self._points(size)
        paragraph.font.color.rgb = self._colour(self._theme.soft if is_soft else self._theme.ink)

    def _cell(self, cell: Any, text: str, *, is_head: bool = False) -> None:  # noqa: ANN401
        cell.text = text
        cell.fill.solid()
        cell.fill.fore_color.rgb = self._colour(self._theme.tint if is_head else self._theme.paper)
        self._style(cell.text_frame.paragraphs[0], size=12, is_soft=is_head)

    def _foot(self, slide: Any, text: str) -> None:  # noqa: ANN401
        self._write(slide, text, (_MARGIN, _HEIGHT - _FOOT - 0.05, _FOOT), size=10, is_soft=True)

    def _notes(self, slide: Any, finding: Finding) -> None:  # noqa: ANN401
        rows = "\n".join(finding.rows)
        slide.notes_slide.notes_text_frame.text = f"{finding.sentence}\n\nRests on:\n{rows}"

    def _colour(self, colour: str) -> Any:  # noqa: ANN401
        return self._colours.from_string(colour.removeprefix("#").upper())


def _cited(rows: Sequence[str]) -> str:
    shown = ", ".join(row[:8] for row in rows[:12])
    more = f" and {len(rows) - 12} more (in the notes)" if len(rows) > 12 else ""
    return f"Rests on {shown}{more}; the beginnings name the rows in the ledger."


def _short(sentence: str) -> str:
    return sentence if len(sentence) <= 230 else sentence[:228].rsplit(" ", 1)[0] + " …"


def _plain(text: str) -> str:
    import re

    return re.sub(r"<[^>]+>", "", text)
