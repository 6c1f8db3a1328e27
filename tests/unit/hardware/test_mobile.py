"""Qualcomm, MediaTek, Samsung and TPU devices of fake machines."""

from __future__ import annotations

import pytest

from ipfs_accelerate.hardware import Precision
from ipfs_accelerate.hardware.mediatek import find_mediatek
from ipfs_accelerate.hardware.qualcomm import find_qualcomm, find_simulator
from ipfs_accelerate.hardware.samsung import find_samsung
from ipfs_accelerate.hardware.soc import Soc, read_soc
from ipfs_accelerate.hardware.tpu import find_tpus

ANDROID = {"machine": "aarch64"}


def snapdragon(machine, model="SM8550"):
    machine.files("/sys/devices/soc0", family="Snapdragon", machine=model, soc_id=519)


def test_snapdragon_with_driver_and_library_is_usable(machine):
    snapdragon(machine)
    machine.file("/dev/fastrpc-cdsp").file("/vendor/lib64/libQnnHtp.so")
    device = find_qualcomm(machine.system(**ANDROID))
    assert device.support.usable
    assert device.name == "Qualcomm SM8550 Hexagon"
    assert device.features == {"htp_v73"}
    assert device.precisions == {Precision.INT8, Precision.FP16, Precision.INT4}


def test_snapdragon_says_what_is_missing(machine):
    snapdragon(machine, "SM8350")
    assert "no FastRPC node" in find_qualcomm(machine.system(**ANDROID)).support.reason
    machine.file("/dev/fastrpc-cdsp")
    device = find_qualcomm(machine.system(**ANDROID))
    assert device.support.reason == "libQnnHtp.so is not installed"
    assert device.precisions == {Precision.INT8}
    denied = find_qualcomm(machine.system(may_use=lambda _: False, **ANDROID))
    assert "may not open" in denied.support.reason


def test_unknown_snapdragon_claims_integers_only(machine):
    snapdragon(machine, "SM9999")
    device = find_qualcomm(machine.system(**ANDROID))
    assert (device.precisions, device.features) == ({Precision.INT8}, frozenset())


def test_qnn_sdk_root_is_searched(machine):
    snapdragon(machine)
    machine.file("/dev/fastrpc-cdsp").file("/sdk/lib/aarch64-android/libQnnHtp.so")
    device = find_qualcomm(machine.system(environ={"QNN_SDK_ROOT": "/sdk"}, **ANDROID))
    assert "/sdk/lib/aarch64-android/libQnnHtp.so" in device.support.reason


@pytest.mark.parametrize("value", ["1", "true", ""])
def test_mock_flag_never_makes_hardware_present(machine, value):
    device = find_qualcomm(machine.system(environ={"QUALCOMM_MOCK": value}))
    assert not device.support.usable
    assert "is ignored" in device.support.reason


def test_simulator_is_an_emulator_that_says_so(machine, tmp_path):
    library = tmp_path / "onnxruntime_qnn" / "libQnnHtp.so"
    library.parent.mkdir()
    library.touch()
    device = find_simulator(machine.system(find_package=lambda _: library.parent))
    assert device.support.usable
    assert device.kind.value == "emulator"
    assert "never a latency" in device.support.reason
    assert not find_simulator(machine.system()).support.usable


def test_mediatek_from_android_properties(machine):
    machine.file("/vendor/build.prop", "ro.soc.manufacturer=Mediatek\nro.soc.model=MT6989\n")
    assert "no APU node" in find_mediatek(machine.system(**ANDROID)).support.reason
    machine.file("/dev/apusys")
    assert "no NeuroPilot library" in find_mediatek(machine.system(**ANDROID)).support.reason
    machine.file("/vendor/lib64/libneuron_adapter.mgvi.so")
    device = find_mediatek(machine.system(**ANDROID))
    assert device.support.usable
    assert device.name == "MediaTek MT6989 APU"


def test_exynos_from_the_device_tree(machine):
    machine.file("/proc/device-tree/compatible", b"samsung,s5e9945\0samsung,exynos2400\0")
    assert "no NPU node" in find_samsung(machine.system(**ANDROID)).support.reason
    machine.file("/dev/vertex10").file("/vendor/lib64/libenn_public_api_cpp.so")
    device = find_samsung(machine.system(**ANDROID))
    assert device.support.usable
    assert device.name == "Samsung Exynos2400 NPU"


def test_rockchip_board_is_none_of_them(machine):
    machine.file("/proc/device-tree/compatible", b"radxa,rock-5b\0rockchip,rk3588\0")
    system = machine.system(**ANDROID)
    assert read_soc(system) == Soc("rockchip", "RK3588", "/proc/device-tree/compatible")
    for find in (find_qualcomm, find_mediatek, find_samsung):
        assert not find(system).support.usable


def test_windows_on_snapdragon_is_recognised(machine):
    environ = {"PROCESSOR_IDENTIFIER": "ARMv8 (64-bit) Family 8 Model 1, Qualcomm Technologies Inc"}
    device = find_qualcomm(machine.system(os_name="Windows", machine="ARM64", environ=environ))
    assert device.support.reason == "libQnnHtp.so is not installed"


def test_cloud_tpu_needs_node_and_library(machine):
    machine.pci("0000:00:05.0", "1ae0:0063", "120000", "vfio-pci")
    machine.pci("0000:00:06.0", "1ae0:0042", "020000", "gvnic")
    (device,) = find_tpus(machine.system())
    assert device.name == "Google TPU v5e"
    assert "no node" in device.support.reason
    machine.file("/dev/vfio/0")
    assert "libtpu is not installed" in find_tpus(machine.system())[0].support.reason
    machine.file("/usr/lib/libtpu.so")
    assert find_tpus(machine.system())[0].support.usable


def test_coral_on_usb_needs_its_library(machine):
    machine.files("/sys/bus/usb/devices/1-2", idVendor="18d1", idProduct="9302")
    (device,) = find_tpus(machine.system())
    assert (device.id, device.precisions) == ("edgetpu:0", {Precision.INT8})
    assert "libedgetpu1-std" in device.support.hint
    machine.file("/usr/lib/x86_64-linux-gnu/libedgetpu.so.1")
    assert find_tpus(machine.system())[0].support.usable


def test_coral_on_pcie_needs_its_driver(machine):
    machine.pci("0000:02:00.0", "1ac1:089a", "088000")
    assert "/dev/apex_0 is missing" in find_tpus(machine.system())[0].support.reason
