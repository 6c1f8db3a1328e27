"""Markdown, HTML, CSV and notebooks: tables and sentences with numbers about hardware."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING

from ipfs_accelerate.evidence.scanner.claims import (
    Claim,
    Document,
    hardware_in,
    mark_of_field,
    mark_of_text,
    metric_of,
)
from ipfs_accelerate.evidence.scanner.json_reader import add_fields

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["read_csv", "read_html", "read_notebook", "read_text"]

_SENTENCE = re.compile(
    r"(?<![\w.])(\d[\d,]*\.?\d*)\s*(ms|µs|us|ns|items/s|tokens/s|tok/s|samples/s|images/s|img/s|fps|"
    r"[TG](?:FL)?OPS)\b"
)
_DIVIDER = re.compile(r"\s*\|?[\s:|-]*-[\s:|-]*\|?\s*")
_HEADING = re.compile(r"(#{1,6})\s+(.*)")
_NUMBER = re.compile(r"[*`~]*\s*(\d[\d,]*\.?\d*(?:[eE][+-]?\d+)?)(?![\w/])")
_SAMPLES = re.compile(
    r"\b(\d[\d,]* (repetitions|calls)|samples|iterations|95 ?% interval)\b", re.IGNORECASE
)
_ENVIRONMENT = re.compile(
    r"\b(driver|kernel|commit|host|python \d|onnxruntime \d|torch \d|cuda \d+\.\d|vcpu|cores|"
    r"threads|versions?)\b",
    re.IGNORECASE,
)
_DRAWN = re.compile(
    r"(latenc|throughput|elapsed|time_ms|fps)\w*['\"\]]*\s*[=:][^\n]*\brandom\b", re.IGNORECASE
)
#: Lines of a report that speak for all of it.
_BANNER_LINES = 10


def read_text(text: str) -> Document:
    """Claims of Markdown or plain text."""
    return _read_lines(list(enumerate(text.splitlines(), start=1)))


def read_csv(text: str) -> Document:
    """Claims of a table with a header.

    Raises:
        ValueError: It is no table.
    """
    found = Document()
    try:
        rows = csv.reader(io.StringIO(text), strict=True)
        header = next(rows, [])
        for row in rows:
            fields = dict(zip(header, row, strict=False))
            add_fields(found, _typed(fields), rows.line_num)
    except csv.Error as error:
        raise ValueError(f"not a table: {error}") from error
    return found


def read_html(text: str) -> Document:
    """Claims of the visible text and tables of a page."""
    page = _Page()
    page.feed(text)
    page.close()
    return _read_lines(page.lines())


def read_notebook(text: str) -> Document:
    """Claims of text and outputs; lines are numbers of cells.

    Raises:
        ValueError: It is no notebook.
    """
    document = json.loads(text)
    cells = document.get("cells") if isinstance(document, dict) else None
    if not isinstance(cells, list):
        raise ValueError("a notebook has cells")  # noqa: TRY004 (of the file, not of a caller)
    lines: list[tuple[int, str]] = []
    generators: list[int] = []
    for number, cell in enumerate(cells, start=1):
        if not isinstance(cell, dict):
            continue
        source = _joined(cell.get("source"))
        if cell.get("cell_type") == "code":
            if _DRAWN.search(source):
                generators.append(number)
            outputs = cell.get("outputs")
            source = "\n".join(_output(o) for o in outputs) if isinstance(outputs, list) else ""
        lines += [(number, line) for line in source.splitlines()]
    found = _read_lines(lines)
    found.generators = generators
    return found


def _read_lines(lines: Sequence[tuple[int, str]]) -> Document:
    """Tables and sentences, each under its heading, with the marks that cover them."""
    found = Document()
    whole = "\n".join(line for _, line in lines)
    has_samples, has_environment = bool(_SAMPLES.search(whole)), bool(_ENVIRONMENT.search(whole))
    told = [line for _, line in lines if line.strip()]
    banner = mark_of_text("\n".join(_spoken(line) for line in told[:_BANNER_LINES]))
    headings: list[tuple[int, str]] = []
    before, table = "", None
    for number, line in lines:
        heading = _HEADING.match(line)
        if heading:
            depth = len(heading[1])
            headings = [h for h in headings if h[0] < depth] + [(depth, heading[2])]
        cells = _cells(line)
        if cells is None:
            table = None
            before = line if line.strip() else before
        if not cells or _DIVIDER.fullmatch(line):
            title = " ".join(text for _, text in headings)
            found.claims += [] if cells else _sentence(number, line, title)
        elif table is None:
            table = (cells, " ".join([*(text for _, text in headings), before]))
        else:
            _row(found, table, cells, number)
    found.claims = [
        replace(
            claim,
            mark=claim.mark or (f"{banner!r} at the top" if banner else None),
            has_samples=claim.has_samples or has_samples,
            has_environment=claim.has_environment or has_environment,
        )
        for claim in found.claims
    ]
    return found


def _spoken(line: str) -> str:
    """A line that speaks about the report; a row of a table speaks for itself alone."""
    return "" if line.lstrip().startswith("|") else line


def _cells(line: str) -> list[str] | None:
    stripped = line.strip()
    if not stripped.startswith("|") or stripped.count("|") < 2:
        return None
    return [cell.strip() for cell in stripped.strip("|").split("|")]


def _row(found: Document, table: tuple[list[str], str], cells: list[str], line: int) -> None:
    """Claims of one row: hardware in a cell, in the head of the column, or in the caption."""
    header, caption = table
    row = " ".join(cells)
    fields = dict(zip((h.lower().replace(" ", "_") for h in header), cells, strict=False))
    mark = mark_of_field(_typed(fields)) or _quoted(mark_of_text(row)) or _quoted(
        mark_of_text(f"{' '.join(header)} {caption}")
    )  # fmt: skip
    named = next((hardware_in(c) for c in cells if hardware_in(c)), None)
    label = cells[0] if cells else ""
    metric_outside = metric_of(caption) or metric_of(row)
    for head, cell in zip(header, cells, strict=False):
        hardware = named or hardware_in(head) or hardware_in(caption)
        metric = metric_of(head) or (metric_outside if hardware_in(head) else metric_of(cell))
        number = _NUMBER.match(cell)
        if hardware and metric and number:
            value = float(number[1].replace(",", ""))
            name = hardware if named is None else _place(named, cells)
            found.claims.append(
                Claim(line, metric, head if named else "value", value, name, label, mark)
            )


def _place(named: str, cells: list[str]) -> str:
    """The whole cell that names the hardware, so that two targets stay two."""
    return next((c.lower()[:60] for c in cells if hardware_in(c) == named), named)


def _sentence(line: int, text: str, title: str) -> list[Claim]:
    hardware = hardware_in(text) or hardware_in(title)
    if hardware is None:
        return []
    mark = _quoted(mark_of_text(text)) or _quoted(mark_of_text(title))
    return [
        Claim(line, metric, found[2], float(found[1].replace(",", "")), hardware, text[:60], mark)
        for found in _SENTENCE.finditer(text)
        if (metric := metric_of(f"latency {found[2]}" if found[2].endswith("s") and "/" not in
                                found[2] and found[2] != "fps" else found[2]))
    ]  # fmt: skip


def _quoted(word: str | None) -> str | None:
    return None if word is None else f"it says {word!r}"


def _typed(fields: dict[str, str]) -> dict[str, object]:
    """Text of cells, with true and false as such."""
    known: dict[str, object] = {"true": True, "false": False, "yes": True, "no": False}
    return {name: known.get(str(value).lower(), value) for name, value in fields.items()}


def _joined(source: object) -> str:
    return "".join(map(str, source)) if isinstance(source, list) else str(source or "")


def _output(output: object) -> str:
    if not isinstance(output, dict):
        return ""
    data = output.get("data")
    shown = data.get("text/plain") if isinstance(data, dict) else output.get("text")
    return _joined(shown)


class _Page(HTMLParser):
    """Visible text by line; table rows as rows of Markdown; headings as headings."""

    _BLOCKS = frozenset({"p", "div", "li", "br", "caption", "figcaption", "section", "table"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._lines: list[tuple[int, str]] = []
        self._text: list[str] = []
        self._row: list[str] | None = None
        self._hidden = 0
        self._depth = 0

    def lines(self) -> list[tuple[int, str]]:
        """What was read so far."""
        self._flush()
        return self._lines

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        if tag in {"script", "style"}:
            self._hidden += 1
        elif tag == "tr":
            self._flush()
            self._row = []
        elif tag in {"td", "th"} or tag in self._BLOCKS:
            if self._row is None:
                self._flush()
        elif len(tag) == 2 and tag[0] == "h" and tag[1].isdigit():
            self._flush()
            self._depth = int(tag[1])

    def handle_endtag(self, tag: str) -> None:
        if tag in {"script", "style"}:
            self._hidden = max(0, self._hidden - 1)
        elif tag in {"td", "th"} and self._row is not None:
            self._row.append(" ".join(self._text).replace("|", "/"))
            self._text = []
        elif tag == "tr" and self._row is not None:
            self._lines.append((self.getpos()[0], f"| {' | '.join(self._row)} |"))
            self._row, self._text = None, []
        elif tag in self._BLOCKS or self._depth:
            self._flush()

    def handle_data(self, data: str) -> None:
        if not self._hidden and data.strip():
            self._text.append(" ".join(data.split()))

    def _flush(self) -> None:
        if self._text and self._row is None:
            prefix = "#" * self._depth + " " if self._depth else ""
            self._lines.append((self.getpos()[0], prefix + " ".join(self._text)))
            self._text = []
        self._depth = 0
