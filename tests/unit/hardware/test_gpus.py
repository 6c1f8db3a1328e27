"""AMD, Intel and Apple devices of fake machines."""

from __future__ import annotations

import pytest

from ipfs_accelerate.hardware import DeviceKind, Precision
from ipfs_accelerate.hardware.amd import find_amd, gfx_name
from ipfs_accelerate.hardware.apple import find_apple
from ipfs_accelerate.hardware.intel import find_gpus, find_npu

NODES = "/sys/class/kfd/kfd/topology/nodes"


def mi300x(machine, node=1, minor=128):
    machine.file(f"{NODES}/0/properties", "cpu_cores_count 96\nsimd_count 0\n")
    machine.file(
        f"{NODES}/{node}/properties",
        f"simd_count 1216\nsimd_per_cu 4\ngfx_target_version 90402\ndrm_render_minor {minor}\n",
    )
    machine.file(
        f"{NODES}/{node}/mem_banks/0/properties", "heap_type 1\nsize_in_bytes 206141652992\n"
    )
    machine.file(f"{NODES}/{node}/mem_banks/1/properties", "heap_type 4\nsize_in_bytes 99\n")
    address = f"0000:{node:02x}:00.0"
    folder = machine.pci(address, "1002:74a1", "038000", "amdgpu")
    machine.file(f"{folder}/product_name", "AMD Instinct MI300X\n")
    machine.link(f"/sys/class/drm/renderD{minor}/device", f"../../../bus/pci/devices/{address}")
    machine.file("/dev/kfd").file(f"/dev/dri/renderD{minor}")


def test_mi300x_is_read_from_the_compute_topology(machine):
    mi300x(machine)
    (device,) = find_amd(machine.system())
    assert (device.id, device.kind, device.name) == (
        "rocm:0",
        DeviceKind.ROCM,
        "AMD Instinct MI300X",
    )
    assert (device.compute_units, device.memory_bytes) == (304, 206141652992)
    assert device.features == {"gfx942"}
    assert Precision.FP8 in device.precisions
    assert device.support.usable


def test_amd_without_permission_names_the_group(machine):
    mi300x(machine)
    (device,) = find_amd(machine.system(may_use=lambda _: False))
    assert device.support.reason == "this user may not open /dev/kfd"
    assert "usermod -aG render" in device.support.hint


def test_amd_card_without_topology_is_told_apart(machine):
    machine.pci("0000:01:00.0", "1002:7550", "030000", "radeon")
    (device,) = find_amd(machine.system())
    assert "1002:7550 is here (bound to radeon)" in device.support.reason


def test_hip_visible_devices_renumbers(machine):
    mi300x(machine, node=1, minor=128)
    mi300x(machine, node=2, minor=129)
    devices = find_amd(machine.system(environ={"HIP_VISIBLE_DEVICES": "1"}))
    assert [(d.id, d.support.usable) for d in devices] == [
        ("rocm:0", True),
        ("rocm-hidden:1", False),
    ]


@pytest.mark.parametrize(
    ("version", "name"), [(90010, "gfx90a"), (90402, "gfx942"), (110003, "gfx1103")]
)
def test_target_versions_have_their_names(version, name):
    assert gfx_name(version) == name


def arc(machine, driver="xe", libraries=("libze_loader.so.1", "libze_intel_gpu.so.1")):
    folder = machine.pci("0000:03:00.0", "8086:e20b", "030000", driver)
    machine.file(f"{folder}/drm/card1/lmem_total_bytes", "12884901888")
    machine.link("/sys/class/drm/renderD128/device", "../../../0000:03:00.0")
    machine.file("/dev/dri/renderD128")
    for library in libraries:
        machine.file(f"/usr/lib/x86_64-linux-gnu/{library}")


def test_arc_is_usable_through_level_zero(machine):
    arc(machine)
    (device,) = find_gpus(machine.system(release="6.12"))
    assert (device.id, device.kind) == ("xpu:0", DeviceKind.XPU)
    assert device.memory_bytes == 12 * 2**30
    assert device.driver == "xe (Linux 6.12)"
    assert device.support.usable


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"driver": "vfio-pci"}, "bound to vfio-pci"),
        ({"driver": None}, "bound to no driver"),
        ({"libraries": ()}, "libze_loader.so.1 is not installed"),
        ({"libraries": ("libze_loader.so.1",)}, "libze_intel_gpu.so.1 is not installed"),
    ],
)
def test_arc_says_what_is_missing(machine, change, reason):
    arc(machine, **change)
    (device,) = find_gpus(machine.system())
    assert not device.support.usable
    assert reason in device.support.reason
    assert device.support.hint


def npu(machine, driver="intel_vpu"):
    machine.pci("0000:00:0b.0", "8086:643e", "120000", driver)
    machine.link("/sys/class/accel/accel0/device", "../../../0000:00:0b.0")
    machine.file("/dev/accel/accel0")


def test_lunar_lake_npu_is_found_for_openvino(machine):
    npu(machine)
    machine.file("/usr/lib/x86_64-linux-gnu/libze_intel_npu.so.1")
    device = find_npu(machine.system())
    assert (device.id, device.kind) == ("npu", DeviceKind.OPENVINO)
    assert "Lunar Lake" in device.name
    assert device.support.usable


@pytest.mark.parametrize(
    ("driver", "reason"),
    [(None, "intel_vpu is not bound"), ("intel_vpu", "libze_intel_npu.so.1 is not installed")],
)
def test_npu_says_what_is_missing(machine, driver, reason):
    npu(machine, driver)
    assert reason in find_npu(machine.system()).support.reason


def test_intel_bridges_are_no_gpus(machine):
    machine.pci("0000:00:00.0", "8086:0d57", "060000")
    (device,) = find_gpus(machine.system())
    assert device.support.reason == "no Intel GPU on the PCI bus"


def mac(fake, **changes):
    fake.file("/System/Library/Frameworks/Metal.framework/Metal")
    settings = {"os_name": "Darwin", "machine": "arm64", "release": "23.5.0"} | changes
    answer = "machdep.cpu.brand_string: Apple M2\nhw.memsize: 17179869184\n"
    return fake.system(run=lambda _: answer, **settings)


def test_m2_has_a_metal_gpu(machine):
    (device,) = find_apple(mac(machine))
    assert (device.id, device.name, device.memory_bytes) == ("mps", "Apple M2 GPU", 2**34)
    assert device.support.usable


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"machine": "x86_64"}, "Intel processor"),
        ({"release": "20.6.0"}, "too old"),
        ({"release": ""}, "too old"),
        ({"os_name": "Linux"}, "no Mac"),
    ],
)
def test_other_macs_say_why_not(machine, changes, reason):
    (device,) = find_apple(mac(machine, **changes))
    assert not device.support.usable
    assert reason in device.support.reason
