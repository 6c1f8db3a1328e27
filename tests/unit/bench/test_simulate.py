"""A simulated number is the roofline of a named datasheet, and says so."""

from __future__ import annotations

import pytest

from ipfs_accelerate.bench.simulate import DATASHEETS, choose_datasheet, estimate
from ipfs_accelerate.errors import TargetUnsupportedError, UnknownNameError
from ipfs_accelerate.hardware import DeviceKind, Precision
from ipfs_accelerate.runtimes import Target

FP16 = Target.parse("torch/cuda:0/fp16")
A100 = DATASHEETS["nvidia-a100"]


def test_a_computing_workload_takes_operations_over_peak():
    found = estimate(A100, Precision.FP16, operations=312 * 10**9, weight_bytes=1)
    assert found.latency_ns == 1_000_000
    assert found.bound == "compute"


def test_a_moving_workload_takes_bytes_over_bandwidth():
    found = estimate(A100, Precision.FP16, operations=1, weight_bytes=2 * 2_039 * 10**6)
    assert found.latency_ns == 1_000_000
    assert found.bound == "memory"


def test_the_reason_names_formula_device_and_document():
    reason = estimate(A100, Precision.FP32, operations=10**9, weight_bytes=10**6).reason
    assert "max(1e+09 op / 1.95e+13 op/s" in reason
    assert A100.name in reason
    assert A100.source in reason


def test_its_hardware_is_no_machine():
    hardware = A100.hardware
    assert hardware.host == "datasheet"
    assert hardware.platform == "simulated"
    assert "datasheet" in hardware.device_name


def test_the_first_of_a_kind_is_the_default_and_a_name_overrides_it():
    assert choose_datasheet(FP16, DeviceKind.CUDA) is A100
    h100 = choose_datasheet(FP16, DeviceKind.CUDA, ["nvidia-h100"])
    assert h100.name.startswith("NVIDIA H100")


def test_a_precision_the_document_does_not_state_is_refused():
    with pytest.raises(TargetUnsupportedError, match="states no rate for fp16"):
        choose_datasheet(Target.parse("torch/mps/fp16"), DeviceKind.MPS)


@pytest.mark.parametrize("kind", [None, DeviceKind.CPU, DeviceKind.EXYNOS])
def test_a_kind_without_a_document_is_refused(kind):
    with pytest.raises(TargetUnsupportedError, match="no datasheet"):
        choose_datasheet(FP16, kind)


def test_a_misspelt_datasheet_gets_the_nearest():
    with pytest.raises(UnknownNameError, match="nvidia-h100"):
        choose_datasheet(FP16, DeviceKind.CUDA, ["nvidia-h10"])


@pytest.mark.parametrize("name", DATASHEETS)
def test_every_datasheet_has_a_source_and_sane_rates(name):
    sheet = DATASHEETS[name]
    assert sheet.source
    assert all(10**12 < rate < 10**16 for rate in sheet.ops_per_s.values())
    assert 10**10 < sheet.bandwidth_bytes_per_s < 10**13
