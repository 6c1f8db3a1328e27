"""No content of any file makes a probe raise."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ipfs_accelerate.hardware import energy_sensors, temperature_sensors
from ipfs_accelerate.hardware.amd import find_amd
from ipfs_accelerate.hardware.apple import find_apple
from ipfs_accelerate.hardware.browsers import find_browsers
from ipfs_accelerate.hardware.cpu import find_cpu
from ipfs_accelerate.hardware.intel import find_gpus, find_npu
from ipfs_accelerate.hardware.mediatek import find_mediatek
from ipfs_accelerate.hardware.nvidia import find_nvidia
from ipfs_accelerate.hardware.qualcomm import find_qualcomm, find_simulator
from ipfs_accelerate.hardware.samsung import find_samsung
from ipfs_accelerate.hardware.tpu import find_tpus
from ipfs_accelerate.hardware.vulkan import find_software_adapters

FILES = (
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/self/cgroup",
    "/proc/self/mountinfo",
    "/proc/device-tree/compatible",
    "/sys/fs/cgroup/cpu.max",
    "/sys/fs/cgroup/memory.max",
    "/sys/devices/soc0/machine",
    "/sys/devices/system/cpu/cpu0/topology/core_cpus_list",
    "/sys/devices/system/cpu/cpu0/cache/index0/size",
    "/sys/devices/system/node/node0/meminfo",
    "/sys/bus/pci/devices/0000:01:00.0/vendor",
    "/sys/bus/pci/devices/0000:01:00.0/device",
    "/sys/bus/pci/devices/0000:01:00.0/class",
    "/sys/bus/usb/devices/1-1/idVendor",
    "/sys/class/kfd/kfd/topology/nodes/1/properties",
    "/sys/class/powercap/intel-rapl:0/energy_uj",
    "/sys/class/hwmon/hwmon0/temp1_input",
    "/sys/class/thermal/thermal_zone0/temp",
    "/usr/share/vulkan/icd.d/lvp.json",
    "/usr/share/misc/pci.ids",
    "/var/lib/dpkg/status",
    "/vendor/build.prop",
    "/usr/bin/firefox",
)
# Pieces of real files, so that the parsers get past their first line.
PIECES = st.sampled_from(
    [
        b"processor : 0\n",
        b"flags : avx2\n",
        b"CPU part : 0xzz\n",
        b"MemTotal: 99999999999999999999 kB\n",
        b"0x10de",
        b"0x8086",
        b"0x030000",
        b"simd_count 4\nsimd_per_cu 0\ngfx_target_version 999999999\n",
        b"1 1 0:1 / /sys/fs/cgroup rw - cgroup2 x rw\n",
        b"0::/../../etc\n",
        b"-1",
        b"18446744073709551615",
        b'{"ICD": {"library_path": "../../lvp"}}',
        b"qcom,sm8550\0",
        b"Package: firefox\nStatus: install ok installed\nVersion: \n",
    ]
)
CONTENT = st.lists(PIECES | st.binary(max_size=40), max_size=4).map(b"".join)


def probe(system):
    found = [find_cpu(system), find_npu(system), find_qualcomm(system), find_simulator(system)]
    found += [find_mediatek(system), find_samsung(system), *find_amd(system), *find_gpus(system)]
    found += [*find_nvidia(system), *find_apple(system), *find_tpus(system)]
    return [*found, *find_browsers(system), *find_software_adapters(system)]


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(contents=st.dictionaries(st.sampled_from(FILES), CONTENT))
def test_garbage_in_any_file_never_raises(machine, contents):
    for name in FILES:
        machine.file(name, contents.get(name, b""))
    system = machine.system(may_use=lambda _: True)
    json.dumps([device.to_dict() for device in probe(system)], allow_nan=False)
    for sensor in energy_sensors(system):
        sensor.read_j()
    for sensor in temperature_sensors(system):
        sensor.read_celsius()


@pytest.mark.parametrize("os_name", ["Linux", "Darwin", "Windows", "FreeBSD", ""])
def test_an_empty_machine_of_any_system_gets_answers(machine, os_name):
    system = machine.system(os_name=os_name)
    for device in probe(system):
        assert device.support.usable or device.support.hint
        assert device.support.reason


def test_directories_and_loops_instead_of_files_are_survived(machine):
    for name in FILES[::2]:
        machine.file(f"{name}/inside")
    for name in FILES[1::2]:
        machine.link(name, name.rpartition("/")[2])
    assert len(probe(machine.system())) > 10
