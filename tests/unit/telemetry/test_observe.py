"""Load of the machine and usage of a process are real and in the units they claim."""

from __future__ import annotations

import json
import os

import psutil
import pytest

from ipfs_accelerate.telemetry import Origin, observe_machine, observe_process


def burn(rounds=300_000):
    return sum(n * n for n in range(rounds))


def test_busy_time_grows_and_leaves_out_what_the_hypervisor_took():
    before = observe_machine()
    burn()
    after = observe_machine()
    assert after.cpu_busy_ns >= before.cpu_busy_ns
    times = psutil.cpu_times()
    total_ns = (sum(times) - getattr(times, "steal", 0.0)) * 1e9
    assert 0 < after.cpu_busy_ns <= total_ns


def test_memory_is_in_bytes_of_this_machine():
    load = observe_machine()
    assert 2**20 < load.available_bytes <= psutil.virtual_memory().total
    assert load.frequency_hz is None or load.frequency_hz > 10**8


def test_own_cpu_time_is_finer_than_the_schedulers_tick():
    readings = set()
    for _ in range(20):
        burn(20_000)
        readings.add(observe_process().cpu_ns % 10_000_000)
    assert len(readings) > 2


def test_own_usage_counts_this_process():
    usage = observe_process()
    assert usage.rss_bytes > 2**20
    assert usage.peak_rss_bytes is None or usage.peak_rss_bytes >= usage.rss_bytes // 2


def test_a_process_can_be_observed_by_its_id():
    usage = observe_process(os.getpid())
    assert usage.rss_bytes > 2**20
    assert usage.cpu_ns % 10_000_000 == 0


def test_a_process_that_ended_is_an_error():
    with pytest.raises(psutil.NoSuchProcess):
        observe_process(2**22 + 1)


def test_observations_are_json_serialisable():
    json.dumps([observe_machine().to_dict(), observe_process().to_dict()])


def test_only_measured_values_are_real():
    assert [origin for origin in Origin if origin.is_real] == [Origin.MEASURED]
