"""Detection as a whole: every kind answers, in a fixed order, once per process."""

from __future__ import annotations

import json

import pluggy
import pytest

from ipfs_accelerate.hardware import Device, DeviceKind, Support, detect
from ipfs_accelerate.hardware.detect import ask_plugins, order
from ipfs_accelerate.plugins import hookimpl, plugin_manager


def device(name, kind=DeviceKind.CUDA):
    return Device(name, kind, name, Support.yes("found"))


def test_every_kind_of_hardware_has_an_entry():
    kinds = {found.kind for found in detect()}
    assert kinds == set(DeviceKind) - {DeviceKind.NULL, DeviceKind.REMOTE}


def test_processor_comes_first_and_ids_are_unique():
    found = detect()
    assert found[0].id == "cpu"
    assert len({d.id for d in found}) == len(found)
    assert found == order(reversed(found))


def test_what_is_unusable_says_how_to_change_that():
    for found in detect():
        assert found.support.reason
        assert found.support.usable or found.support.hint


def test_devices_are_json_serialisable():
    json.dumps([found.to_dict() for found in detect()], allow_nan=False)


def test_detection_is_cached_until_refreshed():
    first = detect()
    assert detect() is first
    assert detect(refresh=True) is not first


def test_numbers_are_ordered_as_numbers():
    devices = [device("cuda:10"), device("cuda:2"), device("cpu", DeviceKind.CPU)]
    assert [d.id for d in order(devices)] == ["cpu", "cuda:2", "cuda:10"]


def test_equal_ids_keep_the_first_and_warn(caplog):
    first = device("cuda:0")
    assert order([first, device("cuda:0", DeviceKind.ROCM)]) == (first,)
    assert "two plugins report a device 'cuda:0'" in caplog.text


class Broken:
    @hookimpl
    def ipfs_accelerate_devices(self):
        raise RuntimeError("driver exploded")


class Good:
    @hookimpl
    def ipfs_accelerate_devices(self):
        return [device("mine:0")]


def test_a_plugin_that_raises_is_left_out_and_logged(caplog):
    from ipfs_accelerate.plugins import hooks

    manager = pluggy.PluginManager(hooks.GROUP)
    manager.add_hookspecs(hooks)
    manager.register(Good(), name="good")
    manager.register(Broken(), name="broken")
    assert [d.id for d in ask_plugins(manager)] == ["mine:0"]
    assert "device plugin 'broken' failed" in caplog.text


VENDORS = ("cpu", "nvidia", "amd", "apple", "intel", "qualcomm", "mediatek", "samsung", "tpu")


@pytest.mark.parametrize("vendor", [*VENDORS, "browsers"])
def test_every_vendor_is_a_plugin(vendor):
    assert plugin_manager().has_plugin(f"device-{vendor}")
