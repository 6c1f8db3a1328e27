"""Targets are found, refused with the device's reason, or unknown with the nearest name."""

import pytest

from ipfs_accelerate.errors import TargetUnsupportedError, UnknownTargetError
from ipfs_accelerate.hardware import Device, DeviceKind, Support, detect
from ipfs_accelerate.runtimes import Target, load, runtimes, support, targets

ABSENT = Device("cuda", DeviceKind.CUDA, "GPU", Support.no("no GPU here", "get one"))


def test_the_three_server_runtimes_are_plugins():
    assert {"onnxruntime", "openvino", "torch"} <= set(runtimes())


def test_every_target_of_this_machine_has_a_reason():
    listed = targets(detect())
    assert len(dict(listed)) == len(listed)
    assert all(verdict.reason for _, verdict in listed)
    usable = {str(target) for target, verdict in listed if verdict.usable}
    assert {"onnxruntime/cpu/fp32", "openvino/cpu/int8", "torch/cpu/fp32"} <= usable


def test_options_that_tune_leave_the_answer():
    assert support(Target.parse("onnxruntime/cpu/fp32+threads=2"), detect()).usable
    assert support(Target.parse("torch/cpu/fp32+compile+threads=2"), detect())


def test_an_unknown_option_is_an_unknown_target():
    with pytest.raises(UnknownTargetError):
        support(Target.parse("onnxruntime/cpu/fp32+turbo"), detect())


@pytest.mark.parametrize("runtime", ["onnxruntime", "torch"])
def test_an_absent_gpu_says_why_under_any_number(runtime):
    verdict = support(Target.parse(f"{runtime}/cuda:1/fp32"), [ABSENT])
    assert not verdict.usable
    assert verdict.reason == "no GPU here"


def test_loading_on_an_absent_gpu_is_refused(projection):
    with pytest.raises(TargetUnsupportedError, match="no GPU here"):
        load(projection, "onnxruntime/cuda:0/fp32", devices=[ABSENT])


def test_a_misspelt_runtime_names_the_nearest():
    with pytest.raises(UnknownTargetError, match="onnxruntime/cpu/fp32"):
        support(Target.parse("onxruntime/cpu/fp32"), detect())
