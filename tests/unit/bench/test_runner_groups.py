"""Cases of one workload stay together, in as many as fit, and progress tells each once."""

from __future__ import annotations

import pytest

from ipfs_accelerate.bench.case import BenchCase
from ipfs_accelerate.bench.runner import groups
from ipfs_accelerate.bench.surroundings import EnergyMeter
from ipfs_accelerate.hardware import EnergySensor, Support


def case(target, batch=1, model="m"):
    return BenchCase(model, "fill-mask", target, batch, {"sequence": 8})


CASES = [case(t, b) for b in (1, 8) for t in ("a/cpu/fp32", "b/cpu/fp32", "c/cpu/fp32")]


def test_a_group_is_one_workload():
    assert [len(g) for g in groups(CASES, 10)] == [3, 3]
    assert {c.batch_size for c in next(groups(CASES, 10))} == {1}


def test_a_group_is_split_where_memory_ends():
    assert [len(g) for g in groups(CASES, 2)] == [2, 1, 2, 1]


def test_models_are_never_mixed():
    mixed = [case("a/cpu/fp32", model="m"), case("a/cpu/fp32", model="n")]
    assert [len(g) for g in groups(mixed, 10)] == [1, 1]


class Counter:
    """An energy counter that is read as told."""

    def __init__(self, *values):
        self.values = list(values)

    def __call__(self):
        return self.values.pop(0)


def sensor(counter, *, device="cpu", part_of=None):
    return EnergySensor("package", device, Support.yes("a test"), part_of, counter)


def test_energy_adds_up_over_blocks_and_leaves_out_what_is_between():
    meter = EnergyMeter([sensor(Counter(10.0, 12.0, 50.0, 53.0))], "cpu")
    for _ in range(2):
        meter.start()
        meter.stop()
    assert meter.total_j == 5.0
    assert meter.reason is None


def test_a_sensor_inside_another_is_not_counted_twice():
    inner = sensor(Counter(), part_of="package")
    meter = EnergyMeter([sensor(Counter(1.0, 2.0)), inner], "cpu")
    meter.start()
    meter.stop()
    assert meter.total_j == 1.0


@pytest.mark.parametrize(
    "sensors",
    [
        [],
        [sensor(Counter(1.0, None))],
        [sensor(Counter(1.0, 2.0), device="cuda:0")],
        [EnergySensor("rapl", "cpu", Support.no("a virtual machine"))],
    ],
)
def test_energy_that_cannot_be_read_is_none_with_a_reason(sensors):
    meter = EnergyMeter(sensors, "cpu")
    meter.start()
    meter.stop()
    assert meter.total_j is None
    assert meter.reason
