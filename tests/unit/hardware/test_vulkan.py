"""Software adapters are found as what they are."""

from __future__ import annotations

import json

import pytest

from ipfs_accelerate.hardware import DeviceKind
from ipfs_accelerate.hardware.vulkan import find_software_adapters


def icd(library):
    return json.dumps({"ICD": {"library_path": library, "api_version": "1.3.0"}})


def test_lavapipe_is_a_software_gpu(machine):
    machine.file("/usr/share/vulkan/icd.d/lvp_icd.x86_64.json", icd("libvulkan_lvp.so"))
    machine.file("/usr/lib/x86_64-linux-gnu/libvulkan_lvp.so")
    (device,) = find_software_adapters(machine.system())
    assert (device.id, device.kind) == ("lavapipe", DeviceKind.SOFTWARE_GPU)
    assert device.support.usable
    assert "never a GPU" in device.support.reason


def test_swiftshader_beside_a_browser_is_found(machine):
    machine.file("/usr/lib/chromium/vk_swiftshader_icd.json", icd("./libvk_swiftshader.so"))
    (device,) = find_software_adapters(machine.system())
    assert not device.support.usable
    assert "which is missing" in device.support.reason
    machine.file("/usr/lib/chromium/libvk_swiftshader.so")
    assert find_software_adapters(machine.system())[0].support.usable


def test_a_whole_adapter_wins_over_a_broken_manifest(machine):
    machine.file("/etc/vulkan/icd.d/lvp.json", icd("/gone/libvulkan_lvp.so"))
    machine.file("/usr/share/vulkan/icd.d/lvp.json", icd("libvulkan_lvp.so"))
    machine.file("/usr/lib/libvulkan_lvp.so")
    (device,) = find_software_adapters(machine.system())
    assert device.support.usable


def test_driver_files_variable_adds_manifests(machine):
    machine.file("/own/icd.json", icd("/own/libvk_swiftshader.so"))
    machine.file("/own/libvk_swiftshader.so")
    (device,) = find_software_adapters(machine.system(environ={"VK_DRIVER_FILES": "/own/icd.json"}))
    assert device.id == "swiftshader"


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"ICD": 3}', '{"ICD": {}}', icd("libvulkan_radeon.so")]
)
def test_other_and_malformed_manifests_are_none(machine, text):
    machine.file("/usr/share/vulkan/icd.d/x.json", text)
    (device,) = find_software_adapters(machine.system())
    assert (device.id, device.support.usable) == ("software_gpu", False)
    assert device.support.hint == "apt-get install mesa-vulkan-drivers"
