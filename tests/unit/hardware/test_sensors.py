"""Energy and temperature of fake machines; an absent sensor reads None and says why."""

from __future__ import annotations

import pytest

from ipfs_accelerate.hardware import energy_sensors, temperature_sensors

RAPL = "/sys/class/powercap"


def zone(machine, path, name, energy_uj, range_uj=1_000_000):
    machine.files(f"{RAPL}/{path}", name=name, energy_uj=energy_uj, max_energy_range_uj=range_uj)


def test_rapl_counts_joules_since_it_was_opened(machine):
    zone(machine, "intel-rapl:0", "package-0", 400_000)
    (sensor,) = energy_sensors(machine.system())
    assert sensor.read_j() == 0.0
    zone(machine, "intel-rapl:0", "package-0", 650_000)
    assert sensor.read_j() == 0.25
    assert (sensor.name, sensor.device_id, sensor.part_of) == ("package-0", "cpu", None)


def test_rapl_survives_the_wrap_of_its_counter(machine):
    zone(machine, "intel-rapl:0", "package-0", 900_000)
    (sensor,) = energy_sensors(machine.system())
    zone(machine, "intel-rapl:0", "package-0", 100_000)
    assert sensor.read_j() == 0.2
    zone(machine, "intel-rapl:0", "package-0", 50_000)
    assert sensor.read_j() == pytest.approx(1.15)


def test_wrap_without_known_range_is_none_not_a_guess(machine):
    machine.files(f"{RAPL}/intel-rapl:0", name="package-0", energy_uj=900_000)
    (sensor,) = energy_sensors(machine.system())
    machine.files(f"{RAPL}/intel-rapl:0", energy_uj=100_000)
    assert sensor.read_j() is None


def test_domains_inside_a_package_say_so_and_dram_does_not(machine):
    zone(machine, "intel-rapl:0", "package-0", 1)
    zone(machine, "intel-rapl:0:0", "core", 1)
    zone(machine, "intel-rapl:0:1", "dram", 1)
    zone(machine, "intel-rapl:1", "psys", 1)
    found = {sensor.name: sensor.part_of for sensor in energy_sensors(machine.system())}
    assert found == {"package-0": None, "package-0 core": "package-0", "package-0 dram": None}


def test_counter_for_root_only_names_the_command(machine):
    machine.file(f"{RAPL}/intel-rapl:0/name", "package-0")
    machine.file(f"{RAPL}/intel-rapl:0/energy_uj/unreadable")
    (sensor,) = energy_sensors(machine.system())
    assert not sensor.support.usable
    assert "sudo chmod a+r" in sensor.support.hint
    assert sensor.read_j() is None


def test_machine_without_counters_has_a_reason(machine):
    (sensor,) = energy_sensors(machine.system())
    assert not sensor.support.usable
    assert sensor.read_j() is None
    assert sensor.support.hint == "sudo modprobe intel_rapl_msr"


def test_virtual_machine_is_not_told_to_load_modules(machine):
    machine.file("/proc/cpuinfo", "processor: 0\nflags: fpu hypervisor avx2\n")
    for sensor in (*energy_sensors(machine.system()), *temperature_sensors(machine.system())):
        assert "virtual machine" in sensor.support.reason
        assert sensor.support.hint is None


def test_nvml_counts_energy_and_temperature(machine, fake_nvml, fake_gpu):
    gpu = fake_gpu()
    system = machine.system(load_library=lambda _: fake_nvml([gpu]))
    energy = energy_sensors(system)[-1]
    assert (energy.device_id, energy.read_j()) == ("cuda:0", 5.0)
    gpu.energy_mj = 7_500
    assert energy.read_j() == 7.5
    assert temperature_sensors(system)[-1].read_celsius() == 41


def test_gpu_without_counter_reads_none(machine, fake_nvml, fake_gpu):
    gpus = [fake_gpu(energy_mj=None, celsius=None)]
    system = machine.system(load_library=lambda _: fake_nvml(gpus))
    assert energy_sensors(system)[-1].read_j() is None
    assert not energy_sensors(system)[-1].support.usable
    assert not temperature_sensors(system)[-1].support.usable


def test_hwmon_and_thermal_zones_give_celsius(machine):
    machine.files(
        "/sys/class/hwmon/hwmon0", name="coretemp", temp1_input=54000, temp1_label="Package id 0"
    )
    machine.files("/sys/class/thermal/thermal_zone0", type="x86_pkg_temp", temp=48500)
    first, second = temperature_sensors(machine.system())
    assert (first.name, first.device_id) == ("coretemp Package id 0", "cpu")
    assert (first.read_celsius(), second.read_celsius()) == (54.0, 48.5)


@pytest.mark.parametrize("text", ["", "hot", "-274000", "999000000"])
def test_implausible_temperature_is_none_with_a_reason(machine, text):
    machine.files("/sys/class/thermal/thermal_zone0", type="acpitz", temp=text)
    (sensor,) = temperature_sensors(machine.system())
    assert sensor.read_celsius() is None
    assert not sensor.support.usable
