"""A profile as tables for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.cli.text import console

if TYPE_CHECKING:
    from rich.table import Table

    from ipfs_accelerate.bench.profiling import ModelProfile, OpProfile, Suggestion

__all__ = ["print_profile"]


def print_profile(profile: ModelProfile, suggestions: tuple[Suggestion, ...], *, top: int) -> None:
    """Print the slowest operators, what is left, the verdict, and what was tried."""
    screen = console()
    screen.print(_operators(profile, top))
    screen.print(
        f"unattributed: {profile.unattributed.time_ns / 1e6:.3f} ms"
        f" ({profile.unattributed_share:.1%}) of {profile.whole.time_ns / 1e6:.3f} ms;"
        f" a run without the profiler takes {profile.plain.p50_ns / 1e6:.3f} ms"
        f" (profiled {profile.overhead_ratio:.2f}×, medians of {profile.repetitions})",
        markup=False,
    )
    verdict = profile.bottleneck.verdict or "no verdict"
    screen.print(f"{verdict}: {profile.bottleneck.reason}", style="bold", markup=False)
    if profile.peaks is None:
        screen.print(f"no roofline: {profile.why_no_peaks}", style="dim", markup=False)
    if suggestions:
        screen.print(_suggestions(suggestions))


def _operators(profile: ModelProfile, top: int) -> Table:
    title = f"{profile.target}  {profile.test_case}  ({profile.source})"
    table = _table(title, ("operator", "kind", "layer"), _NUMBERS)
    slowest = sorted(profile.operators, key=lambda op: -op.timing.time_ns)
    for operator in slowest[:top]:
        table.add_row(*_cells(operator))
    rest = slowest[top:]
    if rest:
        share = sum(op.share for op in rest)
        time_ns = sum(op.timing.time_ns for op in rest)
        blank = [""] * (len(_NUMBERS) - 2)
        table.add_row(f"{len(rest)} more", "", "", f"{share:.1%}", f"{time_ns / 1e6:.3f}", *blank)
    blank = [""] * (len(_NUMBERS) - 2)
    left, left_ns = profile.unattributed_share, profile.unattributed.time_ns
    table.add_row("unattributed", "", "", f"{left:.1%}", f"{left_ns / 1e6:.3f}", *blank)
    return table


_NUMBERS = ("share", "ms", "quartiles", "calls", "MFLOP", "GFLOP/s", "GB/s", "bound")


def _cells(found: OpProfile) -> tuple[str, ...]:
    timing, work = found.timing, found.work
    return (
        found.operator.op_type,
        found.kind.value,
        _tail(found.operator.layer),
        f"{found.share:.1%}",
        f"{timing.time_ns / 1e6:.3f}",
        f"{timing.low_ns / 1e6:.3f}–{timing.high_ns / 1e6:.3f}",
        str(found.operator.calls),
        _number(work.flops, 1e6),
        _number(found.flops_per_s, 1e9),
        _number(found.bytes_per_s, 1e9),
        f"{found.roof.bound} {found.roof.fraction:.0%}" if found.roof else "–",
    )


def _suggestions(suggestions: tuple[Suggestion, ...]) -> Table:
    table = _table("Tried", ("change", "target", "verdict", "answer"), ("speed-up (95 %)",))
    for s in suggestions:
        if s.speedup is None:
            table.add_row(s.change, s.target, f"not measured: {s.reason}", "–", "–")
            continue
        answer = {True: "same", False: "WRONG", None: "not checked"}[s.is_same_answer]
        speed = f"{s.speedup:.2f}× ({s.low:.2f}–{s.high:.2f})"
        table.add_row(s.change, s.target, s.verdict, answer, speed)
    return table


def _number(value: float | None, unit: float) -> str:
    return "–" if value is None else f"{value / unit:.1f}"


def _tail(layer: str | None) -> str:
    """The last parts of a module's name, which tell it apart."""
    return "–" if layer is None else ".".join(layer.split(".")[-4:])


def _table(title: str, texts: tuple[str, ...], numbers: tuple[str, ...]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for name in texts:
        table.add_column(name, no_wrap=name not in {"verdict", "layer"})
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table
