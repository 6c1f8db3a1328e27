"""Each doubt is raised by what it is about, with numbers, and by nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from ipfs_accelerate.bench.interference import (
    Flag,
    Surroundings,
    inspect_samples,
    inspect_surroundings,
)
from ipfs_accelerate.errors import InputError
from ipfs_accelerate.telemetry import MachineLoad, ProcessUsage

SECOND = 10**9
LOAD = MachineLoad(1.0, 0, 0, 2**30, 3 * 10**9)
USAGE = ProcessUsage(0, 2**20, None, None)


def seen(*, busy_ns: int, own_ns: int, **after: object) -> Surroundings:
    later = replace(LOAD, cpu_busy_ns=busy_ns, **after)
    return Surroundings(
        machine=(LOAD, later),
        process=(USAGE, replace(USAGE, cpu_ns=own_ns)),
        elapsed_ns=10 * SECOND,
        cores=2,
    )


def names(flags: tuple[Flag, ...]) -> set[str]:
    return {flag.name for flag in flags}


def noise(n: int = 300, scale: float = 0.03) -> np.ndarray:
    return 1e6 * np.exp(scale * np.random.default_rng(5).standard_normal(n))


def test_a_quiet_machine_raises_nothing():
    assert inspect_surroundings(seen(busy_ns=20 * SECOND, own_ns=20 * SECOND)) == ()


def test_other_processes_are_interference_with_their_share():
    (flag,) = inspect_surroundings(seen(busy_ns=20 * SECOND, own_ns=16 * SECOND))
    assert flag.name == "interference"
    assert "20.0% of 2 cores" in flag.reason


def test_stolen_time_is_interference_and_not_counted_twice():
    flags = inspect_surroundings(
        seen(busy_ns=12 * SECOND, own_ns=10 * SECOND, cpu_stolen_ns=2 * SECOND)
    )
    assert [flag.name for flag in flags] == ["interference"]
    assert "hypervisor took 10.0%" in flags[0].reason


def test_a_falling_clock_is_throttling():
    (flag,) = inspect_surroundings(seen(busy_ns=SECOND, own_ns=SECOND, frequency_hz=2_400_000_000))
    assert flag == Flag("throttled", "clock fell from 3.00 to 2.40 GHz")


def test_what_the_system_does_not_report_raises_nothing():
    unknown = seen(busy_ns=SECOND, own_ns=SECOND, frequency_hz=None, cpu_stolen_ns=None)
    assert (unknown.frequency_drop, unknown.stolen_share) == (None, None)
    assert inspect_surroundings(unknown) == ()


def test_no_time_is_no_measurement():
    with pytest.raises(InputError):
        Surroundings(machine=(LOAD, LOAD), process=(USAGE, USAGE), elapsed_ns=0, cores=2)


def test_plain_noise_raises_nothing():
    assert inspect_samples(noise()) == ()


def test_heavy_tails_are_not_two_modes():
    tail = 1e6 / np.random.default_rng(1).random(400) ** 0.5
    assert "bimodal" not in names(inspect_samples(tail))


def test_two_modes_are_named_with_their_places():
    mixed = np.where(np.random.default_rng(2).random(300) < 0.3, 2.0, 1.0) * noise()
    (flag,) = (f for f in inspect_samples(mixed) if f.name == "bimodal")
    assert "1e+06 ns" in flag.reason


def test_a_rise_is_drift_and_throttling():
    assert {"drift", "throttled"} <= names(inspect_samples(noise() * np.linspace(1, 1.2, 300)))


def test_a_fall_is_drift_only():
    flagged = names(inspect_samples(noise() * np.linspace(1.2, 1, 300)))
    assert "drift" in flagged
    assert "throttled" not in flagged


def test_few_samples_are_a_wide_interval():
    flags = inspect_samples(noise(8, 0.3))
    assert names(flags) == {"wide_interval"}


def test_constant_samples_raise_nothing():
    assert inspect_samples(np.full(60, 5.0)) == ()
