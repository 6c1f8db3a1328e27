"""The processor of fake machines: instruction sets, precisions, what a process may use."""

from __future__ import annotations

import doctest

import pytest

from ipfs_accelerate.cli import text
from ipfs_accelerate.hardware import Precision, topology
from ipfs_accelerate.hardware.cpu import find_cpu
from ipfs_accelerate.hardware.topology import parse_cpu_list, parse_size_bytes

SAPPHIRE_RAPIDS = (
    "fpu vme sse4_2 avx f16c fma avx2 avx512f avx512dq avx512cd avx512bw avx512vl avx_vnni "
    "avx512_bf16 avx512_vnni avx512_fp16 amx_bf16 amx_tile amx_int8"
)
GRAVITON3 = (
    "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm jscvt fcma "
    "lrcpc dcpop sha3 asimddp sha512 sve asimdfhm svei8mm svebf16 i8mm bf16"
)
CORTEX_A76 = "fp asimd evtstrm aes crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"
CORTEX_A55 = CORTEX_A76
CASCADE_LAKE = "hypervisor avx avx2 avx512f avx512bw avx512vl avx512_vnni"


def x86(count, flags, name="Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz"):
    return "\n\n".join(
        f"processor\t: {n}\nmodel name\t: {name}\nflags\t\t: {flags}" for n in range(count)
    )


def arm(*cores):
    return "\n\n".join(
        f"processor\t: {n}\nBogoMIPS\t: 2100.00\nFeatures\t: {features}\n"
        f"CPU implementer\t: {implementer}\nCPU architecture: 8\nCPU part\t: {part}"
        for n, (implementer, part, features) in enumerate(cores)
    )


def siblings(machine, groups):
    for group in groups:
        for cpu in group:
            text = ",".join(str(c) for c in group)
            machine.file(f"/sys/devices/system/cpu/cpu{cpu}/topology/core_cpus_list", text)


def test_xeon_with_amx_multiplies_bf16_fp16_and_int8(machine):
    machine.file("/proc/cpuinfo", x86(4, SAPPHIRE_RAPIDS)).file("/proc/meminfo", "MemTotal: 16 kB")
    cpu = find_cpu(machine.system())
    assert cpu.precisions == {
        Precision.FP32,
        Precision.FP64,
        Precision.BF16,
        Precision.FP16,
        Precision.INT8,
    }
    assert {"amx_int8", "amx_bf16", "avx512_vnni"} <= cpu.features
    assert "fpu" not in cpu.features
    assert "AMX" in cpu.support.reason
    assert cpu.memory_bytes == 16 * 1024


def test_xeon_without_amx_multiplies_neither_bf16_nor_fp16(machine):
    machine.file("/proc/cpuinfo", x86(2, CASCADE_LAKE))
    cpu = find_cpu(machine.system())
    assert cpu.precisions == {Precision.FP32, Precision.FP64, Precision.INT8}
    assert cpu.details["is_virtual"] is True


def test_graviton_has_sve_and_a_name(machine):
    machine.file("/proc/cpuinfo", arm(*[("0x41", "0xd40", GRAVITON3)] * 4))
    cpu = find_cpu(machine.system(machine="aarch64"))
    assert cpu.name == "Arm Neoverse-V1"
    assert {"neon", "sve", "i8mm", "bf16"} <= cpu.features
    assert {Precision.BF16, Precision.FP16, Precision.INT8} <= cpu.precisions


def test_rk3588_has_only_what_every_core_has(machine):
    little = [("0x41", "0xd05", CORTEX_A55)] * 4
    big = [("0x41", "0xd0b", CORTEX_A76 + " i8mm")] * 4
    machine.file("/proc/cpuinfo", arm(*little, *big))
    cpu = find_cpu(machine.system(machine="aarch64"))
    assert cpu.name == "4× Arm Cortex-A55 + 4× Arm Cortex-A76"
    assert "i8mm" not in cpu.features
    assert Precision.BF16 not in cpu.precisions
    assert {Precision.FP16, Precision.INT8} <= cpu.precisions


def test_apple_m2_through_sysctl(machine):
    answer = (
        "machdep.cpu.brand_string: Apple M2\nhw.physicalcpu: 8\nhw.logicalcpu: 8\n"
        "hw.memsize: 17179869184\nhw.optional.AdvSIMD: 1\nhw.optional.arm.FEAT_BF16: 1\n"
        "hw.optional.arm.FEAT_DotProd: 1\nhw.optional.arm.FEAT_FP16: 1\n"
        "hw.optional.arm.FEAT_SME: 0\nhw.optional.arm.FEAT_I8MM: 1\n"
    )
    system = machine.system(os_name="Darwin", machine="arm64", run=lambda _: answer)
    cpu = find_cpu(system)
    assert (cpu.name, cpu.compute_units, cpu.memory_bytes) == ("Apple M2", 8, 2**34)
    assert cpu.features == {"neon", "bf16", "asimddp", "asimdhp", "i8mm"}
    assert Precision.BF16 in cpu.precisions


def test_mac_whose_sysctl_fails_is_still_a_processor(machine):
    cpu = find_cpu(machine.system(os_name="Darwin", machine="arm64"))
    assert cpu.precisions == {Precision.FP32, Precision.FP64}
    assert "sysctl gave no answer" in cpu.support.reason


def test_hyperthreads_are_not_cores(machine):
    machine.file("/proc/cpuinfo", x86(4, CASCADE_LAKE))
    siblings(machine, [(0, 2), (1, 3)])
    cpu = find_cpu(machine.system(affinity=frozenset(range(4))))
    assert (cpu.compute_units, cpu.details["allowed_cpus"]) == (2, 4)


def test_affinity_limits_the_cores_of_this_process(machine):
    machine.file("/proc/cpuinfo", x86(8, CASCADE_LAKE))
    cpu = find_cpu(machine.system(affinity=frozenset({5, 6, 7})))
    assert (cpu.compute_units, cpu.details["logical_cpus"]) == (3, 8)


def test_quota_and_memory_limit_of_a_container_count(machine):
    machine.file("/proc/cpuinfo", x86(8, CASCADE_LAKE))
    machine.file("/proc/meminfo", "MemTotal:       67108864 kB\nMemFree: 1 kB\n")
    machine.file("/proc/self/cgroup", "0::/\n")
    machine.file(
        "/proc/self/mountinfo", "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup rw,nsdelegate\n"
    )
    machine.file("/sys/fs/cgroup/cpu.max", "250000 100000\n")
    machine.file("/sys/fs/cgroup/memory.max", f"{4 * 2**30}\n")
    cpu = find_cpu(machine.system())
    assert (cpu.compute_units, cpu.memory_bytes) == (2, 4 * 2**30)
    assert "cgroup v2 allows 2.5 of 8" in cpu.support.reason


def test_quota_below_one_processor_leaves_one_core(machine):
    machine.file("/proc/cpuinfo", x86(8, CASCADE_LAKE)).file("/proc/self/cgroup", "0::/\n")
    machine.file("/proc/self/mountinfo", "31 23 0:28 / /cg rw - cgroup2 cgroup rw\n")
    machine.file("/cg/cpu.max", "20000 100000")
    assert find_cpu(machine.system()).compute_units == 1


def test_caches_and_memory_nodes_are_read(machine):
    machine.file("/proc/cpuinfo", x86(2, CASCADE_LAKE))
    machine.files(
        "/sys/devices/system/cpu/cpu0/cache/index3",
        level=3,
        type="Unified",
        size="36608K",
        shared_cpu_list="0-1",
    )
    machine.files(
        "/sys/devices/system/node/node0", meminfo="Node 0 MemTotal:  1024 kB", cpulist="0-1"
    )
    details = find_cpu(machine.system()).details
    assert details["caches"] == [
        {"level": 3, "type": "unified", "size_bytes": 36608 * 1024, "shared_by": 2}
    ]
    assert details["numa_nodes"] == [{"node": 0, "cpus": "0-1", "memory_bytes": 2**20}]


def test_empty_machine_is_a_processor_with_a_reason(machine):
    cpu = find_cpu(machine.system(machine="riscv64"))
    assert cpu.support.usable
    assert cpu.name == "riscv64 processor"
    assert cpu.memory_bytes is None
    assert "no instruction sets in /proc/cpuinfo" in cpu.support.reason


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0-2,7", {0, 1, 2, 7}), ("3", {3}), ("", None), (None, None), ("0-x", None), ("1;2", None)],
)
def test_processor_lists_parse_or_are_none(text, expected):
    assert parse_cpu_list(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("32K", 32768), ("480M", 480 * 2**20), ("12", 12), ("big", None)]
)
def test_sizes_parse_or_are_none(text, expected):
    assert parse_size_bytes(text) == expected


def test_examples_in_docstrings_hold():
    tried, failed = 0, 0
    for module in (topology, text):
        failures, attempts = doctest.testmod(module)
        tried, failed = tried + attempts, failed + failures
    assert (tried, failed) == (2, 0)


@pytest.mark.needs("linux")
def test_this_machine_agrees_with_psutil():
    import psutil

    from ipfs_accelerate.hardware import System

    cpu = find_cpu(System.local())
    assert cpu.details["logical_cpus"] == psutil.cpu_count()
    assert cpu.details["machine_memory_bytes"] == psutil.virtual_memory().total
    assert 1 <= cpu.compute_units <= psutil.cpu_count()
