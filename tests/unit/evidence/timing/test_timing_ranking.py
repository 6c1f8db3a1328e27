from dataclasses import replace

import numpy as np
import pytest

from ipfs_accelerate.bench.intervals import median_interval
from ipfs_accelerate.evidence.timing import compare_pair, rank_rows
from ipfs_accelerate.evidence.timing.ranking import _p_value


def noisy(row, count, seed):
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        samples = (5e6 * rng.lognormal(0, 0.05, 60)).astype(np.int64)
        found.append(
            row(f"torch/cpu/t{number}", 5.0, samples_ns=tuple(map(int, samples)),
                latency_p50_ns=int(np.median(samples)), latency_low_ns=None)
        )  # fmt: skip
    return found


def test_equal_targets_share_the_first_place_and_slower_ones_do_not(row):
    rows = [
        row("torch/cpu/fp32", 9.0),
        row("a/cpu/fp32", 5.0, seed=1),
        row("b/cpu/fp32", 5.0, seed=2),
    ]
    places = rank_rows(rows)
    assert places.ranks == (1, 1, 3)
    assert [r.target for r in places.first] == [r.target for r in places.rows[:2]]
    assert places.pairs[-1].ratio == pytest.approx(9 / 5, rel=0.05)
    assert places.pairs[-1].low <= places.pairs[-1].ratio <= places.pairs[-1].high


def test_many_equal_targets_are_seldom_told_apart(row):
    """At 5 % for a whole ranking; without correction most rankings of eight would be wrong."""
    wrong = sum(max(rank_rows(noisy(row, 8, seed)).ranks) > 1 for seed in range(16))
    assert wrong <= 3


def test_a_chain_of_small_steps_does_not_tie_the_first_with_the_last(row):
    levels = [5.0, 5.01, 5.4, 5.42, 6.0]
    rows = [row(f"torch/cpu/t{i}", level, seed=i) for i, level in enumerate(levels)]
    assert rank_rows(rows).ranks[-1] == 5


def test_disturbed_results_of_different_runs_are_not_told_apart_whatever_the_numbers(row):
    fast = row("a/cpu/fp32", 5.0, flags=("interference",), day=1)
    slow = row("b/cpu/fp32", 9.0, day=2)
    (pair,) = rank_rows([fast, slow]).pairs
    assert not pair.is_told_apart
    assert "not measured in alternation" in pair.reason


def test_the_p_value_agrees_with_the_interval_it_is_made_from():
    assert _p_value(1.1, 1.0, 1.21, 0.95) == pytest.approx(0.05, abs=1e-6)
    assert _p_value(0.9, 0.81, 1.0, 0.95) == pytest.approx(0.05, abs=1e-6)
    assert _p_value(1.0, 1.0, 1.0, 0.95) == 1.0
    assert _p_value(2.0, 2.0, 2.0, 0.95) == 0.0


def test_nothing_and_a_single_row_are_rankings_too(row):
    assert rank_rows([]).rows == ()
    assert rank_rows([row("a/cpu/fp32", 5.0)]).ranks == (1,)


def test_stored_intervals_compare_as_the_samples_would(row):
    rows = noisy(row, 2, seed=3)
    for number, record in enumerate(rows):
        found = median_interval(record.samples_ns)
        rows[number] = replace(
            record, latency_low_ns=round(found.low), latency_high_ns=round(found.high),
            run_id=f"run{number}",
        )  # fmt: skip
    stored = compare_pair(rows[0], rows[1])
    sampled = compare_pair(*(replace(r, latency_low_ns=None) for r in rows))
    for name in ("ratio", "low", "high", "p_value"):
        assert getattr(stored, name) == pytest.approx(getattr(sampled, name), rel=1e-4)
