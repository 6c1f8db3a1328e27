"""A clock that was set is noticed; one that is merely slewed or read late is not accused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from ipfs_accelerate.errors import InputError
from ipfs_accelerate.evidence.statistics.clock import (
    clock_resolution_ns,
    impossible_readings,
    wall_steps,
)

if TYPE_CHECKING:
    from collections.abc import Callable

SECOND = 10**9
EPOCH = 1_800_000_000 * SECOND


@pytest.fixture
def monotonic() -> np.ndarray:
    return np.arange(60, dtype=np.int64) * SECOND


@pytest.mark.parametrize("size_ns", [-3600 * SECOND, -20_000_000, 20_000_000, 86_400 * SECOND])
def test_a_step_of_the_wall_clock_is_found_where_it_happened(
    monotonic: np.ndarray, size_ns: int
) -> None:
    wall = EPOCH + monotonic + np.where(np.arange(60) >= 17, size_ns, 0)
    assert [(s.index, s.step_ns, s.kind) for s in wall_steps(monotonic, wall)] == [
        (17, size_ns, "stepped")
    ]


def test_slewing_and_late_reading_are_no_step(monotonic: np.ndarray) -> None:
    late = np.random.default_rng(1).integers(0, 500_000, 60)
    assert wall_steps(monotonic, EPOCH + monotonic + monotonic // 2500 + late) == []


def test_durations_alone_show_only_what_cannot_be() -> None:
    assert impossible_readings([5, 5, 5_000_000_000, 5]) == []
    found = impossible_readings([5, -7, 5])
    assert [(s.index, s.step_ns, s.kind) for s in found] == [(1, -7, "negative duration")]


def test_a_call_that_began_before_the_last_ended_shows_a_step() -> None:
    found = impossible_readings([100, 100, 100], [0, 100, 150])
    assert [(s.index, s.step_ns, s.kind) for s in found] == [(2, -50, "overlapping calls")]


def test_the_resolution_is_what_all_durations_share() -> None:
    assert clock_resolution_ns([100, 250, 400]) == 150
    assert clock_resolution_ns([100, 100]) is None
    assert clock_resolution_ns(np.array([], dtype=np.int64)) is None


@pytest.mark.parametrize(
    "bad",
    [
        lambda: wall_steps([1, 2], [1]),
        lambda: wall_steps([2, 1], [1, 2]),
        lambda: impossible_readings([1.5]),
        lambda: impossible_readings([1], [1, 2]),
    ],
)
def test_what_are_no_readings_is_refused(bad: Callable[[], object]) -> None:
    with pytest.raises(InputError):
        bad()
