"""CUDA devices through a fake NVML: facts, numbering, MIG, and why there are none."""

from __future__ import annotations

import pytest

from ipfs_accelerate.hardware import Precision
from ipfs_accelerate.hardware.nvidia import find_nvidia


def with_gpus(machine, fake_nvml, gpus, **environ):
    return machine.system(load_library=lambda _: fake_nvml(gpus), environ=environ)


def test_h100_is_described_without_cuda(machine, fake_nvml, fake_gpu):
    (device,) = find_nvidia(with_gpus(machine, fake_nvml, [fake_gpu()]))
    assert (device.id, device.name, device.driver) == (
        "cuda:0",
        "NVIDIA H100 80GB HBM3",
        "550.54.15",
    )
    assert device.support.usable
    assert (device.memory_bytes, device.compute_units) == (85_520_809_984, 132)
    assert {Precision.BF16, Precision.FP8, Precision.TF32} <= device.precisions
    assert Precision.INT4 not in device.precisions
    assert device.details["cuda"] == "12.4"
    assert device.details["power_limit_w"] == 700.0


@pytest.mark.parametrize(
    ("capability", "has", "lacks"),
    [
        ((6, 0), "fp16", "int8"),
        ((7, 0), "fp16", "bf16"),
        ((7, 5), "int4", "bf16"),
        ((8, 0), "bf16", "fp8"),
        ((8, 9), "fp8", None),
        ((12, 0), "fp8", "int4"),
    ],
)
def test_compute_capability_decides_the_precisions(
    machine, fake_nvml, fake_gpu, capability, has, lacks
):
    gpus = [fake_gpu(capability=capability)]
    (device,) = find_nvidia(with_gpus(machine, fake_nvml, gpus))
    assert Precision(has) in device.precisions
    assert lacks is None or Precision(lacks) not in device.precisions


def test_what_the_driver_does_not_know_is_none(machine, fake_nvml, fake_gpu):
    gpus = [fake_gpu(cores=None, power_limit_mw=None)]
    (device,) = find_nvidia(with_gpus(machine, fake_nvml, gpus))
    assert device.compute_units is None
    assert device.details["power_limit_w"] is None


def test_visible_devices_renumber_and_hide(machine, fake_nvml, fake_gpu):
    gpus = [fake_gpu(name=f"GPU {n}", uuid=f"GPU-{n}{n}{n}") for n in range(3)]
    system = with_gpus(machine, fake_nvml, gpus, CUDA_VISIBLE_DEVICES="2,GPU-00")
    named = {device.id: device for device in find_nvidia(system)}
    assert named["cuda:0"].name == "GPU 2"
    assert named["cuda:1"].name == "GPU 0"
    assert named["cuda-hidden:0"].name == "GPU 1"
    assert not named["cuda-hidden:0"].support.usable
    assert "CUDA_VISIBLE_DEVICES" in named["cuda-hidden:0"].support.reason


@pytest.mark.parametrize("value", ["", "-1", "none", "9"])
def test_visible_devices_can_hide_all(machine, fake_nvml, fake_gpu, value):
    (device,) = find_nvidia(with_gpus(machine, fake_nvml, [fake_gpu()], CUDA_VISIBLE_DEVICES=value))
    assert not device.support.usable


def test_of_mig_instances_cuda_sees_the_first(machine, fake_nvml, fake_gpu):
    small = [
        fake_gpu(name=f"H100 MIG {n}", uuid=f"MIG-{n}", memory=10 * 2**30, multiprocessors=16)
        for n in range(2)
    ]
    first, second = find_nvidia(with_gpus(machine, fake_nvml, [fake_gpu(instances=small)]))
    assert (first.id, first.name, first.compute_units) == ("cuda:0", "H100 MIG 0", 16)
    assert first.memory_bytes == 10 * 2**30
    assert Precision.FP8 in first.precisions
    assert not second.support.usable


def test_mig_instance_is_chosen_by_its_uuid(machine, fake_nvml, fake_gpu):
    small = [fake_gpu(name=f"MIG {n}", uuid=f"MIG-{n}") for n in range(2)]
    gpus = [fake_gpu(instances=small)]
    system = with_gpus(machine, fake_nvml, gpus, CUDA_VISIBLE_DEVICES="MIG-1")
    assert {d.id: d.name for d in find_nvidia(system)}["cuda:0"] == "MIG 1"


def test_gpu_that_cannot_be_opened_says_so(machine, fake_nvml, fake_gpu):
    (device,) = find_nvidia(with_gpus(machine, fake_nvml, [fake_gpu(open_status=15)]))
    assert not device.support.usable
    assert "fell off the bus" in device.support.reason


def test_without_gpu_the_reason_is_the_bus(machine):
    (device,) = find_nvidia(machine.system())
    assert device.id == "cuda"
    assert device.support.reason == "no NVIDIA GPU on the PCI bus"


def test_gpu_without_driver_names_the_card_and_the_package(machine):
    machine.pci("0000:01:00.0", "10de:2330", "030200")
    machine.file(
        "/usr/share/misc/pci.ids",
        "10dd  Other\n\t2330  Wrong\n10de  NVIDIA Corporation\n\t2330  GH100 [H100 SXM5 80GB]\n",
    )
    (device,) = find_nvidia(machine.system())
    assert "GH100 [H100 SXM5 80GB] is here" in device.support.reason
    assert "libnvidia-ml.so.1: cannot open" in device.support.reason
    assert "nvidia-driver" in device.support.hint


def test_library_without_kernel_driver_is_told_apart(machine, fake_nvml):
    machine.pci("0000:01:00.0", "10de:2330", "030200")
    system = machine.system(load_library=lambda _: fake_nvml([], init_status=9))
    (device,) = find_nvidia(system)
    assert "the kernel driver is not loaded" in device.support.reason


def test_library_without_any_function_is_refused_softly(machine):
    (device,) = find_nvidia(machine.system(load_library=lambda _: object()))
    assert not device.support.usable
