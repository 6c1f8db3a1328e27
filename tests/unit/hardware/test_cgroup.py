"""Limits of control groups, versions 1 and 2, seen from inside and outside a container."""

from __future__ import annotations

import pytest

from ipfs_accelerate.hardware.cgroup import CgroupLimits, read_limits

V2 = "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"


def test_no_control_groups_is_no_limit(machine):
    assert read_limits(machine.system()) == CgroupLimits()


def test_v2_takes_the_tightest_limit_on_the_way_to_the_root(machine):
    machine.file("/proc/self/mountinfo", V2).file("/proc/self/cgroup", "0::/a/b\n")
    machine.file("/sys/fs/cgroup/a/memory.max", "1000").file("/sys/fs/cgroup/a/b/memory.max", "max")
    machine.file("/sys/fs/cgroup/a/cpu.max", "max 100000")
    machine.file("/sys/fs/cgroup/a/b/cpu.max", "150000 100000")
    assert read_limits(machine.system()) == CgroupLimits(1.5, 1000, "cgroup v2")


def test_v1_in_a_container_that_sees_the_hosts_path(machine):
    machine.file(
        "/proc/self/mountinfo",
        "32 31 0:29 /docker/f00 /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
        "35 31 0:32 /docker/f00 /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
    )
    machine.file("/proc/self/cgroup", "4:memory:/docker/f00\n1:cpu,cpuacct:/docker/f00\n")
    machine.files(
        "/sys/fs/cgroup/cpu,cpuacct", **{"cpu.cfs_quota_us": 300000, "cpu.cfs_period_us": 100000}
    )
    machine.file("/sys/fs/cgroup/memory/memory.limit_in_bytes", f"{2**31}")
    assert read_limits(machine.system()) == CgroupLimits(3.0, 2**31, "cgroup v1")


def test_v1s_largest_number_is_no_limit(machine):
    machine.file("/proc/self/mountinfo", "35 31 0:32 / /m rw - cgroup cgroup rw,memory\n")
    machine.file("/proc/self/cgroup", "4:memory:/\n")
    machine.file("/m/memory.limit_in_bytes", "9223372036854771712")
    machine.file("/m/cpu.cfs_quota_us", "-1").file("/m/cpu.cfs_period_us", "100000")
    assert read_limits(machine.system()) == CgroupLimits()


@pytest.mark.parametrize("text", ["", "max", "abc 100000", "100000 0", "1 2 3", "-5 100000"])
def test_malformed_quota_is_no_limit(machine, text):
    machine.file("/proc/self/mountinfo", V2).file("/proc/self/cgroup", "0::/\n")
    machine.file("/sys/fs/cgroup/cpu.max", text)
    assert read_limits(machine.system()).cpu_quota is None


def test_group_above_the_mount_is_read_at_the_mount(machine):
    machine.file("/proc/self/mountinfo", V2).file("/proc/self/cgroup", "0::/../other\n")
    machine.file("/sys/fs/cgroup/memory.max", "77")
    machine.file("/sys/fs/other/memory.max", "1")
    assert read_limits(machine.system()).memory_bytes == 77
