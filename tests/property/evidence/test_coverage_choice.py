"""The choice of cells, whatever the cells are."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from ipfs_accelerate.bench.case import BenchCase
from ipfs_accelerate.evidence.coverage import Cell, Cost, Estimate, State, Verdict, Wanted, choose
from ipfs_accelerate.evidence.coverage.beliefs import Belief, beliefs, information
from ipfs_accelerate.evidence.coverage.priority import is_measurable

REAL = st.floats(-20, 20)
BELIEFS = st.builds(Belief, REAL, st.floats(1e-6, 3))


@st.composite
def cells(draw):
    found = []
    for number in range(draw(st.integers(0, 25))):
        state = draw(st.sampled_from(list(State)))
        verdict = Verdict(state, is_given_up=draw(st.booleans()))
        cost = Cost(draw(st.floats(0.001, 1000)), "drawn")
        value = draw(st.floats(1e-6, 100))
        wanted = Wanted(BenchCase("m", "t", f"r/cpu/fp32+{number}", 1), "v", {})
        cell = Cell(wanted, verdict)
        if is_measurable(cell):
            cell = Cell(wanted, verdict, Estimate(cost, value, 1.0, 1.0, value))
        found.append(cell)
    return found


def seconds(chosen):
    return sum(c.estimate.cost.seconds for c in chosen)


@given(cells(), st.none() | st.floats(0.001, 5000))
def test_the_choice_keeps_the_budget_and_loses_no_cell(table, budget_s):
    found = choose(table, budget_s=budget_s)
    measurable = [c for c in table if is_measurable(c)]
    assert sorted(map(id, (*found.chosen, *found.left_out))) == sorted(map(id, measurable))
    assert math.isclose(found.cost_s, seconds(found.chosen), abs_tol=1e-9)
    if budget_s is None:
        assert not found.left_out
    else:
        assert found.cost_s <= budget_s


@given(cells(), st.floats(0.001, 5000))
def test_a_cell_is_left_out_only_when_better_ones_took_its_room(table, budget_s):
    found = choose(table, budget_s=budget_s)
    for part in (found.chosen, found.left_out):
        rates = [c.estimate.per_second for c in part]
        assert rates == sorted(rates, reverse=True)
    for cell in found.left_out:
        better = [c for c in found.chosen if c.estimate.per_second >= cell.estimate.per_second]
        assert seconds(better) + cell.estimate.cost.seconds > budget_s * (1 - 1e-12)


@given(cells(), st.floats(0.001, 5000), st.randoms(use_true_random=False))
def test_the_order_of_the_table_does_not_matter(table, budget_s, rng):
    shuffled = list(table)
    rng.shuffle(shuffled)
    keys = [
        [c.wanted.case.target for c in choose(t, budget_s=budget_s).chosen]
        for t in (table, shuffled)
    ]
    assert keys[0] == keys[1]


@given(st.dictionaries(st.text("abcdef", min_size=1, max_size=3), BELIEFS, max_size=8))
def test_information_is_a_probability_below_one_half(competing):
    found = information(competing)
    assert found.keys() == competing.keys()
    assert all(0 <= value <= 0.5 for value in found.values())


@given(st.lists(st.tuples(REAL, REAL), min_size=1, max_size=6), REAL)
def test_the_unit_of_time_does_not_matter(levels, shift):
    """A workload that takes a constant factor longer moves its predictions by that factor."""
    known = {
        (f"w{i}", t): Belief(level, 0.1)
        for i, pair in enumerate(levels)
        for t, level in zip("ab", pair, strict=True)
    }
    wanted = [(f"w{i}", t) for i in range(len(levels)) for t in "abc"]
    moved = {k: Belief(b.mean + shift, b.deviation) for k, b in known.items()}
    before, after = beliefs(known, wanted), beliefs(moved, wanted)
    for cell in wanted:
        assert math.isclose(after[cell].mean - before[cell].mean, shift, abs_tol=1e-6)
        assert math.isclose(after[cell].deviation, before[cell].deviation, abs_tol=1e-6)
