"""Coverage and what to measure next, as tables for people and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.cli.text import console
from ipfs_accelerate.evidence.coverage import State, shares

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.table import Table

    from ipfs_accelerate.evidence.coverage import Cell, CoveragePlan, Share

__all__ = ["plan_to_json", "print_plan", "sentence"]

_STYLES = {
    State.FRESH: "green",
    State.UNTRUSTED: "yellow",
    State.STALE: "yellow",
    State.FAILED: "red",
    State.MISSING: "bold",
    State.UNAVAILABLE: "dim",
}


def plan_to_json(found: CoveragePlan, *, budget_s: float | None) -> dict[str, object]:
    """The document ``bench-plan/1`` without its schema."""
    return {
        "cells": [cell.to_dict() for cell in found.cells],
        "coverage": {
            by: [s.to_dict() for s in shares(found.cells, by)] for by in ("all", "model", "target")
        },
        "budget_s": budget_s,
        "cost_s": found.choice.cost_s,
        "chosen": [_key(cell) for cell in found.choice.chosen],
        "left_out": [_key(cell) for cell in found.choice.left_out],
        "unavailable_targets": [u.to_dict() for u in found.unavailable],
    }


def print_plan(found: CoveragePlan, *, budget_s: float | None) -> None:
    """One table a workload, coverage by target, and what would be measured."""
    screen = console()
    order = {id(cell): str(i) for i, cell in enumerate(found.choice.chosen, start=1)}
    order |= {id(cell): "–" for cell in found.choice.left_out}
    workloads: dict[tuple[str, str], list[Cell]] = {}
    for cell in found.cells:
        workloads.setdefault(cell.wanted.workload, []).append(cell)
    for workload, own in workloads.items():
        reasons = {c.verdict.reasons for c in own if c.state is State.UNAVAILABLE}
        if len(reasons) == 1 and all(c.state is State.UNAVAILABLE for c in own):
            screen.print(f"{' '.join(workload)}: {reasons.pop()[0]}", style="dim", markup=False)
        else:
            screen.print(_table(workload, own, order))
    if order:
        text = "cost: ~ from neighbours, ? assumed; # is the order by priority per second"
        screen.print(text, style="dim")
    if found.cells:
        for by in ("model", "target"):
            parts = [_share(s) for s in shares(found.cells, by) if s.cells]
            screen.print(f"fresh by {by}: {', '.join(parts) or 'none'}", markup=False)
    if found.unavailable:
        first = found.unavailable[0]
        text = f"{len(found.unavailable)} targets cannot be used here"
        screen.print(f"{text}, e.g. {first.target}: {first.reason}", style="dim", markup=False)
    screen.print(sentence(found, budget_s=budget_s), style="bold", markup=False)


def sentence(found: CoveragePlan, *, budget_s: float | None) -> str:
    """What would be measured, what would not, and why."""
    if not found.cells:
        return "nothing to measure: no model is known; name one, e.g. `accel bench plan ./model`"
    choice = found.choice
    given_up = sum(cell.verdict.is_given_up for cell in found.cells)
    ending = f"; {given_up} left alone after repeated tries" if given_up else ""
    if not choice.chosen and not choice.left_out:
        whole = shares(found.cells, "all")[0]
        if not whole.cells:
            why = found.cells[0].verdict.reasons[0]
            return f"nothing to measure: no cell can be measured here ({why})"
        return f"nothing to measure: {whole.fresh} of {whole.cells} cells are fresh{ending}"
    text = f"to measure: {_count(len(choice.chosen))}, about {_time(choice.cost_s)}"
    if budget_s is not None:
        text += f" of {_time(budget_s)}"
    if choice.left_out:
        seconds = sum(c.estimate.cost.seconds for c in choice.left_out if c.estimate)
        text += f"; {_count(len(choice.left_out))} left out, about {_time(seconds)}"
    return text + ending


def _table(workload: tuple[str, str], cells: Sequence[Cell], order: Mapping[int, str]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=f"{_title(workload[0])}  {workload[1]}",
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    for name, justify in (
        ("#", "right"), ("target", "left"), ("state", "left"), ("why", "left"),
        ("cost", "right"), ("import.", "right"), ("inform.", "right"), ("chance", "right"),
        ("priority", "right"),
    ):  # fmt: skip
        table.add_column(name, justify=justify, no_wrap=name != "why")  # type: ignore[arg-type]
    for cell in cells:
        case, state = cell.wanted.case, cell.state
        table.add_row(
            order.get(id(cell), ""), case.target, Text(state.value, _STYLES[state]),
            Text(_why(cell)), *_numbers(cell),
        )  # fmt: skip
    return table


def _numbers(cell: Cell) -> tuple[str, ...]:
    e = cell.estimate
    if e is None:
        return ("", "", "", "", "")
    mark = {"its own runs": "{}", "prior: nothing like it was run": "{}?"}.get(e.cost.basis, "~{}")
    return (
        mark.format(_time(e.cost.seconds)), f"{e.importance:.2g}", f"{e.information:.2f}",
        f"{e.chance:.2f}", f"{e.priority:.2g}",
    )  # fmt: skip


def _why(cell: Cell) -> str:
    if not cell.verdict.reasons:
        return ""
    first, *others = cell.verdict.reasons
    return f"{first} (+{len(others)})" if others else first


def _title(model: str) -> str:
    """The last two parts of a path; a reference otherwise."""
    parts = model.split("/")
    return "/".join(parts[-2:]) if model.startswith("/") else model


def _share(part: Share) -> str:
    return (
        f"{_title(part.name) if part.name.startswith('/') else part.name} {part.fresh}/{part.cells}"
    )


def _key(cell: Cell) -> dict[str, str]:
    case = cell.wanted.case
    return {"model": case.model, "target": case.target, "test_case": case.name}


def _count(number: int) -> str:
    return f"{number} cell" + ("" if number == 1 else "s")


def _time(seconds: float) -> str:
    """Seconds for people.

    Example:
        >>> _time(0.4), _time(95), _time(4000)
        ('0.4 s', '1 min 35 s', '1 h 6 min')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
