"""Cost, importance and information of cells, and the grid they make."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from ipfs_accelerate.bench.case import BenchCase
from ipfs_accelerate.errors import InputError
from ipfs_accelerate.evidence.coverage import (
    Cell,
    State,
    Verdict,
    Wanted,
    choose,
    coverage_grid,
    shares,
)
from ipfs_accelerate.evidence.coverage.beliefs import Belief, beliefs, information, own_belief
from ipfs_accelerate.evidence.coverage.priority import Costs, chance, importance
from ipfs_accelerate.store import CaseStatus
from ipfs_accelerate.store.coverage import AttemptRecord
from ipfs_accelerate.telemetry import Origin

from datetime import UTC, datetime  # isort: skip

ATTEMPT = AttemptRecord(
    model_name="org/m", version="v1", host="here", device_id="cpu", target="a/cpu/fp32",
    task="t", batch_size=1, shapes={"sequence": 8}, test_case="t/b1/s8", run_id="r",
    origin=Origin.MEASURED, status=CaseStatus.OK, created_at=datetime(2026, 1, 2, tzinfo=UTC),
    latency_ns=(1000, 990, 1010), confidence=0.95, fixed_ns=5e9, counted_ns=4e9,
)  # fmt: skip


def wanted(target="a/cpu/fp32", sequence=8, version="v1"):
    return Wanted(BenchCase("org/m", "t", target, 1, {"sequence": sequence}), version, {})


def cell(state, target="a/cpu/fp32", sequence=8):
    return Cell(wanted(target, sequence), Verdict(state))


@pytest.mark.parametrize(
    ("asked", "seconds", "basis"),
    [
        (wanted(), 9, "its own runs"),
        (wanted(sequence=16), 9, "its model and target"),
        (wanted(version="v2"), 9, "its target"),
        (wanted(target="b/cpu/fp32"), 9, "its model"),
        (wanted(target="b/cpu/fp32", version="v2"), 20, "prior: nothing like it was run"),
    ],
)
def test_cost_comes_from_the_nearest_runs_and_says_which(asked, seconds, basis):
    found = Costs([ATTEMPT], counted_s=10).of(asked)
    assert (found.seconds, found.basis) == (seconds, basis)


def test_counted_time_is_capped_by_the_present_budget_and_failures_cost_nothing_known():
    assert Costs([ATTEMPT], counted_s=1).of(wanted()).seconds == 6
    failed = replace(ATTEMPT, status=CaseStatus.TIMEOUT)
    assert Costs([failed], counted_s=1).of(wanted()).basis.startswith("prior")


def test_importance_grows_with_use_and_all_weights_that_match():
    weights = {"org/*": 2.0, "a/cpu/*": 3.0, "other": 100.0}
    assert importance("org/m", "a/cpu/fp32", runs=0, weights={}) == 1
    assert importance("org/m", "a/cpu/fp32", runs=3, weights=weights) == 18
    assert importance("/some/folder/m", "x/y/z", runs=0, weights={"m": 5.0}) == 5


@pytest.mark.parametrize("factor", [0.0, -1.0, math.nan, math.inf])
def test_a_weight_that_is_not_positive_is_refused(factor):
    with pytest.raises(InputError, match="not positive"):
        importance("m", "t", runs=0, weights={"m": factor})


@pytest.mark.parametrize("budget", [0.0, -1.0, math.nan, math.inf])
def test_a_budget_that_is_no_time_is_refused(budget):
    with pytest.raises(InputError, match="no time"):
        choose([], budget_s=budget)


def test_every_try_makes_the_next_less_likely_to_help():
    assert [chance(n) for n in range(3)] == [1 / 2, 1 / 3, 1 / 4]


def test_a_close_rival_tells_more_than_a_slow_one():
    found = information({"best": Belief(0, 0.1), "near": Belief(0.1, 0.1), "far": Belief(3, 0.1)})
    assert found["near"] == pytest.approx(0.2398, abs=1e-4)
    assert found["far"] < 1e-6
    assert found["best"] == found["near"]
    assert information({"alone": Belief(0, 1)}) == {"alone": 0.0}


def test_missing_cells_are_predicted_by_the_effects_of_workload_and_target():
    """The second target takes twice as long, the second workload ten times as long."""
    known = {("w1", "a"): 0.0, ("w1", "b"): math.log(2), ("w2", "a"): math.log(10)}
    found = beliefs({k: Belief(v, 0.01) for k, v in known.items()}, [("w2", "b"), ("w1", "a")])
    assert found["w2", "b"].mean == pytest.approx(math.log(20))
    assert found["w2", "b"].deviation == pytest.approx(math.log(2))  # too few to know the spread
    assert found["w1", "a"].deviation == 0.01


def test_old_and_doubted_results_are_believed_less():
    by_state = {
        s: own_belief(Verdict(s, best=ATTEMPT)) for s in (State.FRESH, State.STALE, State.UNTRUSTED)
    }
    deviations = [by_state[s].deviation for s in by_state]
    assert deviations == sorted(deviations)
    assert deviations[0] == pytest.approx(math.log(1010 / 990) / 3.92, rel=1e-3)
    assert own_belief(Verdict(State.MISSING)) is None
    zero = replace(ATTEMPT, latency_ns=(0, 0, 0))
    assert own_belief(Verdict(State.STALE, best=zero)) is None


def test_the_grid_has_a_state_per_cell_and_none_where_there_is_no_cell():
    cells = [cell(State.FRESH), cell(State.STALE, "b/cpu/fp32"), cell(State.MISSING, sequence=16)]
    grid = coverage_grid(cells)
    assert grid.rows == (("org/m", "t/b1/s16"), ("org/m", "t/b1/s8"))
    assert grid.columns == ("a/cpu/fp32", "b/cpu/fp32")
    assert grid.states == ((State.MISSING, None), (State.FRESH, State.STALE))
    assert coverage_grid([]).rows == ()


def test_shares_leave_out_what_cannot_be_measured():
    cells = [cell(State.FRESH), cell(State.STALE, sequence=16), cell(State.UNAVAILABLE, "b/c/fp32")]
    by_target = {s.name: (s.fresh, s.cells, s.value) for s in shares(cells, "target")}
    assert by_target == {"a/cpu/fp32": (1, 2, 0.5), "b/c/fp32": (0, 0, None)}
    assert [s.to_dict()["share"] for s in shares(cells, "all")] == [0.5]
