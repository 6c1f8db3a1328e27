"""Rows that alternated are compared by what they share; others are not."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import numpy as np
import pytest

from ipfs_accelerate.bench.history import compare_runs
from ipfs_accelerate.bench.pairing import neighbours, speed_ratio
from ipfs_accelerate.errors import InputError
from ipfs_accelerate.store import CaseStatus, HardwareRecord, MeasurementRecord, ModelRecord
from ipfs_accelerate.telemetry import Origin

HARDWARE = HardwareRecord("cpu", "cpu", "a processor", "Linux", "6", "here")


def row(samples, *, blocks=None, group=None, run_id="run", target="torch/cpu/fp32", **fields):
    return MeasurementRecord(
        run_id=run_id,
        model=ModelRecord("m", "v", "embedding", "text", "directory"),
        hardware=HARDWARE,
        target=target,
        test_case="feature-extraction/b1/s128",
        task="feature-extraction",
        batch_size=1,
        shapes={"sequence": 128},
        precision="fp32",
        origin=Origin.MEASURED,
        status=CaseStatus.OK,
        created_at=datetime.now(UTC),
        samples_ns=tuple(int(s) for s in samples),
        environment={"interleaved": group is not None, "group": group, "blocks": blocks},
        **fields,
    )


def test_neighbours_pair_calls_of_the_same_round():
    left, right = neighbours([3, 2, 4], [2, 5])
    assert left.tolist() == [0, 1, 3, 4]
    assert right.tolist() == [0, 1, 2, 3]


def test_no_common_round_gives_no_pairs():
    left, right = neighbours([], [4])
    assert left.size == right.size == 0


def slow_spell(rng, *, factor):
    """Two alternating series that share a slow spell covering a part of the rounds."""
    machine = np.repeat(np.where(np.arange(20) % 7 < 3, 1.8, 1.0), 10)
    noise = rng.lognormal(0, 0.01, (2, machine.size))
    return 1e6 * machine * noise[0], 1e6 * factor * machine * noise[1]


def test_a_difference_under_a_shared_slow_spell_is_found_by_pairing_only():
    before, now = slow_spell(np.random.default_rng(0), factor=0.85)
    blocks = [10] * 20
    paired = speed_ratio(row(before, blocks=blocks, group=1), row(now, blocks=blocks, group=1))
    assert paired.verdict == "faster"
    assert paired.low <= 1 / 0.85 <= paired.high
    alone = speed_ratio(row(before), row(now))
    assert alone.high - alone.low > 5 * (paired.high - paired.low)


@pytest.mark.parametrize("other", [{"group": 2}, {"group": None}, {"run_id": "later", "group": 1}])
def test_rows_of_different_groups_are_never_paired(other):
    rng = np.random.default_rng(0)
    before, now = slow_spell(rng, factor=1.0)
    blocks = [10] * 20
    found = speed_ratio(row(before, blocks=blocks, group=1), row(now, blocks=blocks, **other))
    assert found.method == speed_ratio(row(before), row(now)).method


def test_twice_as_fast_is_a_ratio_of_two():
    rng = np.random.default_rng(1)
    found = speed_ratio(row(rng.normal(2e6, 1e4, 200)), row(rng.normal(1e6, 1e4, 200)))
    assert found.low < 2.0 < found.high
    assert found.ratio == pytest.approx(2.0, rel=0.01)
    assert found.verdict == "faster"


def test_runs_are_compared_case_by_case():
    rng = np.random.default_rng(2)
    before = [row(rng.normal(1e6, 1e4, 100)), row(rng.normal(1e6, 1e4, 100), target="a/cpu/fp32")]
    now = [row(rng.normal(2e6, 1e4, 100), run_id="later")]
    (found,) = compare_runs(before, now)
    assert found.verdict == "slower"
    assert found.previous_run == "run"


@pytest.mark.parametrize(
    ("factor", "verdict"), [(1.01, "no difference"), (1.2, "slower"), (0.8, "faster")]
)
def test_between_runs_only_what_exceeds_the_threshold_counts(factor, verdict):
    rng = np.random.default_rng(3)
    before = [row(rng.normal(1e6, 3e3, 400))]
    now = [row(rng.normal(1e6 * factor, 3e3, 400), run_id="later")]
    assert compare_runs(before, now)[0].verdict == verdict


def test_a_wide_interval_between_runs_is_inconclusive():
    rng = np.random.default_rng(4)
    before = [row(rng.lognormal(13, 0.5, 12))]
    now = [row(rng.lognormal(13, 0.5, 12), run_id="later")]
    assert compare_runs(before, now)[0].verdict == "inconclusive"


def test_the_threshold_can_be_chosen():
    rng = np.random.default_rng(5)
    before = [row(rng.normal(1e6, 1e3, 400))]
    now = [row(rng.normal(1.02e6, 1e3, 400), run_id="later")]
    assert compare_runs(before, now, threshold=0.01)[0].verdict == "slower"


@pytest.mark.parametrize(
    "change",
    [
        {"status": CaseStatus.TIMEOUT},
        {"origin": Origin.SIMULATED, "origin_reason": "a datasheet"},
        {"samples_ns": ()},
        {"hardware": dataclasses.replace(HARDWARE, host="elsewhere")},
        {"test_case": "feature-extraction/b8/s128"},
    ],
)
def test_what_is_not_the_same_measured_case_is_not_compared(change):
    samples = np.full(50, 1e6)
    with pytest.raises(InputError, match="share no measured case"):
        compare_runs([row(samples)], [dataclasses.replace(row(samples), **change)])
