"""A profile as one self-contained HTML file and as Markdown."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import InputError
from ipfs_accelerate.evidence import figures
from ipfs_accelerate.evidence.report.present import duration, number

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ipfs_accelerate.bench.profiling import ModelProfile, OpProfile, Suggestion

__all__ = ["render_html", "render_markdown", "write_report"]

_TOP = 25
_OPERATORS = ("operator", "kind", "layer", "share", "time", "quartiles", "calls", "MFLOP",
              "GFLOP/s", "GB/s", "roofline")  # fmt: skip
_GROUPED = ("share", "time", "operators", "MFLOP", "GFLOP/s")
_TRIED = ("change", "target", "verdict", "answer", "speed-up", "95 % interval")

Table = tuple[str, tuple[str, ...], list[tuple[str, ...]]]


def write_report(
    profile: ModelProfile, suggestions: Sequence[Suggestion], folder: Path
) -> list[Path]:
    """Write ``profile.html`` and ``profile.md``.

    Raises:
        InputError: The folder cannot be written.
    """
    made = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, render in (("profile.html", render_html), ("profile.md", render_markdown)):
            path = folder / name
            path.write_text(render(profile, suggestions), encoding="utf-8")
            made.append(path)
    except OSError as error:
        raise InputError(f"cannot write into {str(folder)!r}: {error.strerror}") from error
    return made


def render_html(profile: ModelProfile, suggestions: Sequence[Suggestion]) -> str:
    """The whole page; the chart library is embedded once."""
    import jinja2
    from plotly.offline import get_plotlyjs

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("ipfs_accelerate.evidence", "report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    view = figures.view_of(profile)
    return environment.get_template("profile.html.j2").render(
        made_at=datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
        profile=profile,
        sentences=_sentences(profile, suggestions),
        tables=_tables(profile, suggestions),
        treemap=figures.themed_html(figures.treemap_figure, view),
        pairs=[
            figures.themed_html(figures.roofline_figure, view),
            figures.themed_html(figures.memory_timeline_figure, profile.memory),
        ],
        plotlyjs=get_plotlyjs(),
    )


def render_markdown(profile: ModelProfile, suggestions: Sequence[Suggestion]) -> str:
    """Everything but the figures."""
    parts = [f"# Profile of {_escape(profile.model)} on {profile.target}, {profile.test_case}"]
    parts += [_escape(sentence) for sentence in _sentences(profile, suggestions)]
    for title, columns, rows in _tables(profile, suggestions):
        lines = [f"## {title}", ""]
        lines.append("| " + " | ".join(columns) + " |")
        lines.append("|" + " --- |" * len(columns))
        lines += ["| " + " | ".join(_escape(cell) for cell in row) + " |" for row in rows]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _sentences(profile: ModelProfile, suggestions: Sequence[Suggestion]) -> list[str]:
    verdict = profile.bottleneck.verdict or "No verdict"
    found = [
        f"{verdict[0].upper()}{verdict[1:]}: {profile.bottleneck.reason}.",
        f"A run takes {duration(round(profile.plain.p50_ns))}; under the profiler"
        f" {duration(round(profile.whole.p50_ns))} ({profile.overhead_ratio:.2f}×, medians of"
        f" {profile.repetitions}). Operators account for {1 - profile.unattributed_share:.1%} of"
        f" it, {profile.unattributed_share:.1%} is unattributed.",
    ]
    if profile.peaks is None:
        found.append(f"No roofline: {profile.why_no_peaks}.")
    elif not profile.peaks.is_trustworthy:
        found.append(
            f"The peaks were measured while others used {profile.peaks.foreign_share:.0%} of the"
            " cores: fractions of them are too high."
        )
    faster = [s for s in suggestions if s.verdict == "faster" and s.is_same_answer is not False]
    if faster:
        best = faster[0]
        found.append(
            f"Tried and faster: {best.change} ({best.target}), {best.speedup:.2f}× per item"
            f" ({best.low:.2f}–{best.high:.2f})."
        )
    elif suggestions:
        found.append("Nothing that was tried was shown to be faster with the same answer.")
    return found


def _tables(profile: ModelProfile, suggestions: Sequence[Suggestion]) -> list[Table]:
    slowest = sorted(profile.operators, key=lambda op: -op.timing.time_ns)
    rows = [_operator(op) for op in slowest[:_TOP]]
    if slowest[_TOP:]:
        rest = slowest[_TOP:]
        rows.append(_sum(f"{len(rest)} more", rest))
    left = profile.unattributed
    rows.append(_padded("unattributed", profile.unattributed_share, left.time_ns))
    by_kind = _grouped(profile, lambda op: op.kind.value)
    by_layer = _grouped(profile, lambda op: _block(op.operator.layer))
    found: list[Table] = [
        ("What was tried", _TRIED, [_tried(s) for s in suggestions]),
        (f"Slowest operators of {len(slowest)}", _OPERATORS, rows),
        ("By kind", ("kind", *_GROUPED), by_kind),
        ("By layer", ("layer", *_GROUPED), by_layer),
    ]
    return [table for table in found if table[2]]


def _operator(found: OpProfile) -> tuple[str, ...]:
    timing, roof = found.timing, found.roof
    flops, rate, moved = found.work.flops, found.flops_per_s, found.bytes_per_s
    return (
        found.operator.op_type,
        found.kind.value,
        ".".join(found.operator.layer.split(".")[-4:]) if found.operator.layer else "–",
        f"{found.share:.1%}",
        duration(round(timing.time_ns)),
        f"{duration(round(timing.low_ns))}–{duration(round(timing.high_ns))}",
        str(found.operator.calls),
        number(None if flops is None else flops / 1e6),
        number(None if rate is None else rate / 1e9),
        number(None if moved is None else moved / 1e9),
        f"{roof.bound}, {roof.fraction:.0%}" if roof else found.why_no_roof or "–",
    )


def _sum(name: str, members: Sequence[OpProfile]) -> tuple[str, ...]:
    share, time_ns = (sum(v) for v in zip(*((m.share, m.timing.time_ns) for m in members),
                                          strict=True))  # fmt: skip
    return _padded(name, share, time_ns)


def _padded(name: str, share: float, time_ns: float) -> tuple[str, ...]:
    return (name, "", "", f"{share:.1%}", _signed(time_ns), *([""] * (len(_OPERATORS) - 5)))


def _signed(time_ns: float) -> str:
    return duration(round(time_ns)) if time_ns >= 0 else f"-{duration(round(-time_ns))}"


def _grouped(profile: ModelProfile, key: Callable[[OpProfile], str]) -> list[tuple[str, ...]]:
    groups: dict[str, list[OpProfile]] = defaultdict(list)
    for operator in profile.operators:
        groups[key(operator)].append(operator)
    ordered = sorted(groups.items(), key=lambda pair: -sum(op.share for op in pair[1]))
    rows: list[tuple[str, ...]] = []
    for name, members in ordered:
        time_ns = sum(op.timing.time_ns for op in members)
        known = [op.work.flops for op in members if op.work.flops is not None]
        flops = sum(known) if len(known) == len(members) else None
        rate = None if flops is None or not time_ns else flops / time_ns
        rows.append(
            (
                name,
                f"{sum(op.share for op in members):.1%}",
                duration(round(time_ns)),
                str(len(members)),
                number(None if flops is None else flops / 1e6),
                number(rate),
            )
        )
    return rows


def _block(layer: str | None) -> str:
    """A layer up to its last number, the block that models repeat; else its first parts."""
    if layer is None:
        return "no layer told"
    parts = layer.split(".")
    numbered = [n for n, part in enumerate(parts) if part.isdigit()]
    return ".".join(parts[: numbered[-1] + 1] if numbered else parts[:3])


def _tried(s: Suggestion) -> tuple[str, ...]:
    if s.speedup is None:
        return (s.change, s.target, f"not measured: {s.reason}", "–", "–", "–")
    answer = {True: "same", False: "wrong", None: "not checked"}[s.is_same_answer]
    return (s.change, s.target, s.verdict, answer, f"{s.speedup:.2f}×", f"{s.low:.2f}–{s.high:.2f}")


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
