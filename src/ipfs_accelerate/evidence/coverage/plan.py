"""The whole table: read the ledger and the machine, judge every cell, say what to do next."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ipfs_accelerate.evidence.coverage.beliefs import beliefs, information, own_belief
from ipfs_accelerate.evidence.coverage.cells import Cell, Estimate, Rules
from ipfs_accelerate.evidence.coverage.judge import judge
from ipfs_accelerate.evidence.coverage.machine import commits_since, require_facts
from ipfs_accelerate.evidence.coverage.priority import (
    LEAST_INFORMATION,
    Costs,
    chance,
    choose,
    importance,
    is_measurable,
)
from ipfs_accelerate.evidence.coverage.wanted import (
    known_models,
    wanted_cells,
    wanted_targets,
)
from ipfs_accelerate.hardware import detect
from ipfs_accelerate.store.coverage import read_attempts, read_usage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ipfs_accelerate.bench.plan import Sizes, Unavailable
    from ipfs_accelerate.config import Settings
    from ipfs_accelerate.evidence.coverage.beliefs import Belief
    from ipfs_accelerate.evidence.coverage.cells import Verdict, Wanted
    from ipfs_accelerate.evidence.coverage.priority import Choice
    from ipfs_accelerate.store import Ledger
    from ipfs_accelerate.store.coverage import AttemptRecord

__all__ = ["CoveragePlan", "PlanRequest", "plan_coverage"]


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """What to plan for.

    Attributes:
        settings: For resolving models.
        models: References beside those of the ledger.
        is_exclusive: Only these references.
        targets: ``all``, globs or names.
        sizes: Shapes; ``None`` for those in use.
        rules: When a result still counts.
        weights: Pattern on model or target → factor of importance.
        counted_s: Most that the counted calls of a case may take.
        threads: Intra-op threads of the cases; ``None`` for the default.
        budget_s: Time for all chosen cells; ``None`` for no limit.
    """

    settings: Settings
    models: tuple[str, ...] = ()
    is_exclusive: bool = False
    targets: tuple[str, ...] = ("all",)
    sizes: Sizes | None = None
    rules: Rules = field(default_factory=Rules)
    weights: Mapping[str, float] = field(default_factory=dict)
    counted_s: float = 10.0
    threads: int | None = None
    budget_s: float | None = None


@dataclass(frozen=True, slots=True)
class CoveragePlan:
    """Every cell with its state, and what to measure.

    Attributes:
        cells: By model, workload and target.
        unavailable: Targets of other machines.
        choice: What fits into the budget.
    """

    cells: tuple[Cell, ...]
    unavailable: tuple[Unavailable, ...]
    choice: Choice


def plan_coverage(ledger: Ledger | None, request: PlanRequest) -> CoveragePlan:
    """Judge every cell and choose what to measure; changes nothing.

    Args:
        ledger: ``None`` for one that does not exist yet.
        request: What to plan for.

    Raises:
        UsageError: A reference, target, weight or budget cannot be what it is.
    """
    attempts, usage = _read(ledger, request.rules)
    require_facts(request.rules.ignored, attempts)
    devices = detect()
    columns, others = wanted_targets(request.targets, devices, attempts)
    models = known_models(
        request.models, attempts, settings=request.settings, is_exclusive=request.is_exclusive
    )
    wanted = wanted_cells(
        models, columns, sizes=request.sizes, devices=devices, threads=request.threads
    )
    tried = _by_cell([a for model in models for a in model.attempts])
    host = platform.node()
    judged = [
        (w, judge(w, _attempts_of(w, tried), host=host, rules=request.rules,
                  commits_since=commits_since))
        for w in wanted
    ]  # fmt: skip
    costs = Costs([a for a in attempts if a.host == host], counted_s=request.counted_s)
    cells = _estimated(judged, costs, usage, request.weights)
    return CoveragePlan(cells, others, choose(cells, budget_s=request.budget_s))


def _read(ledger: Ledger | None, rules: Rules) -> tuple[list[AttemptRecord], dict[str, int]]:
    if ledger is None:
        return [], {}
    with ledger.snapshot():
        found = read_attempts(ledger, per_series=max(3, rules.attempts))
        return found, read_usage(ledger)


def _by_cell(attempts: Sequence[AttemptRecord]) -> dict[tuple[str, str, str], list[AttemptRecord]]:
    """Under the version and under the name; a result may be listed under both."""
    found: dict[tuple[str, str, str], list[AttemptRecord]] = {}
    for a in attempts:
        for model in {a.version, a.model_name}:
            rows = found.setdefault((model, a.target, a.test_case), [])
            if a not in rows:
                rows.append(a)
    return found


def _attempts_of(
    wanted: Wanted, tried: Mapping[tuple[str, str, str], Sequence[AttemptRecord]]
) -> list[AttemptRecord]:
    keys = [name for name in (wanted.version, wanted.case.model) if name is not None]
    found = [a for k in keys for a in tried.get((k, wanted.case.target, wanted.case.name), ())]
    unique = {(a.run_id, a.model_name, a.version, a.status): a for a in found}
    return sorted(unique.values(), key=lambda a: a.created_at, reverse=True)


def _estimated(
    judged: Sequence[tuple[Wanted, Verdict]],
    costs: Costs,
    usage: Mapping[str, int],
    weights: Mapping[str, float],
) -> tuple[Cell, ...]:
    told = _information(judged)
    cells: list[Cell] = []
    for wanted, verdict in judged:
        cell = Cell(wanted, verdict)
        if is_measurable(cell):
            case = wanted.case
            weight = importance(
                case.model, case.target, runs=usage.get(wanted.version or "", 0), weights=weights
            )
            about, odds = told[wanted.workload, case.target], chance(verdict.tries)
            cost = costs.of(wanted)
            estimate = Estimate(cost, weight, about, odds, weight * about * odds)
            cell = Cell(wanted, verdict, estimate)
        cells.append(cell)
    order = [(c.wanted.case.model, c.wanted.case.name, c.wanted.case.target) for c in cells]
    return tuple(cell for _, cell in sorted(zip(order, cells, strict=True), key=lambda p: p[0]))


def _information(
    judged: Sequence[tuple[Wanted, Verdict]],
) -> dict[tuple[tuple[str, str], str], float]:
    """What measuring a cell can change, for every cell that can be had here."""
    possible = [(w, v) for w, v in judged if v.state != "unavailable"]
    own: dict[tuple[str, str], Belief] = {}
    for wanted, verdict in possible:
        belief = own_belief(verdict)
        if belief is not None:
            own[_row(wanted), wanted.case.target] = belief
    believed = beliefs(own, [(_row(w), w.case.target) for w, _ in possible])
    competing: dict[tuple[str, str], dict[str, Belief]] = {}
    for wanted, _ in possible:
        target = wanted.case.target
        competing.setdefault(wanted.workload, {})[target] = believed[_row(wanted), target]
    measured = {row for row, _ in own}
    found: dict[tuple[tuple[str, str], str], float] = {}
    for workload, candidates in competing.items():
        is_open = "\x1f".join(workload) not in measured
        for target, value in information(candidates).items():
            found[workload, target] = 1.0 if is_open else max(value, LEAST_INFORMATION)
    return found


def _row(wanted: Wanted) -> str:
    return "\x1f".join(wanted.workload)
