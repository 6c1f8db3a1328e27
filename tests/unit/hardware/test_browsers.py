"""Browsers of fake machines: paths, versions without starting one, flags that only disable."""

from __future__ import annotations

import plistlib

import pytest

from ipfs_accelerate.hardware.browsers import find_browsers

DPKG = """Package: chromium
Status: install ok installed
Architecture: amd64
Version: 150.0.7871.100-1~deb12u1

Package: firefox-esr
Status: deinstall ok config-files
Version: 1:128.9.0esr-1
"""


def names(devices):
    return {device.id: (device.name, device.driver) for device in devices}


def test_debian_tells_versions_without_running_anything(machine):
    machine.file("/var/lib/dpkg/status", DPKG).file("/usr/bin/chromium")
    assert names(find_browsers(machine.system())) == {
        "chromium": ("Chromium 150.0.7871.100", "150.0.7871.100")
    }


def test_firefox_tells_its_version_in_a_file(machine):
    machine.file("/var/lib/dpkg/status", DPKG).file("/opt/firefox/firefox")
    machine.file("/opt/firefox/application.ini", "[App]\nVendor=Mozilla\nVersion=140.0.2\n")
    assert names(find_browsers(machine.system()))["firefox"] == ("Firefox 140.0.2", "140.0.2")


def test_otherwise_the_version_is_asked_with_a_switch(machine):
    machine.file("/usr/bin/google-chrome-stable")
    asked = []

    def run(command):
        asked.append(command[1:])
        return "Google Chrome 149.0.1.2 \n"

    (device,) = find_browsers(machine.system(run=run))
    assert device.driver == "149.0.1.2"
    assert asked == [("--version",)]


def test_browser_that_does_not_answer_has_no_version(machine):
    machine.file("/usr/bin/microsoft-edge")
    (device,) = find_browsers(machine.system())
    assert (device.id, device.name, device.driver) == ("edge", "Microsoft Edge", None)


def test_newest_playwright_browser_is_taken(machine):
    for build in ("999", "1187"):
        machine.file(f"/home/me/.cache/ms-playwright/chromium-{build}/chrome-linux/chrome")
    (device,) = find_browsers(machine.system(environ={"HOME": "/home/me"}))
    assert "chromium-1187" in device.details["path"]


def test_mac_reads_property_lists(machine):
    app = "/Applications/Safari.app/Contents"
    machine.file(f"{app}/MacOS/Safari")
    machine.file(f"{app}/Info.plist", plistlib.dumps({"CFBundleShortVersionString": "17.5"}))
    system = machine.system(os_name="Darwin", environ={"HOME": "/Users/me"})
    assert names(find_browsers(system)) == {"safari": ("Safari 17.5", "17.5")}


def test_malformed_property_list_is_no_version(machine):
    app = "/Applications/Safari.app/Contents"
    machine.file(f"{app}/MacOS/Safari").file(f"{app}/Info.plist", b"\x00 not a plist")
    (device,) = find_browsers(machine.system(os_name="Darwin"))
    assert device.driver is None


def test_windows_version_is_the_folder_beside_the_program(machine):
    folder = "/Program Files/Google/Chrome/Application"
    machine.file(f"{folder}/chrome.exe").file(f"{folder}/149.0.7.8/chrome.dll")
    environ = {"ProgramFiles": "C:\\Program Files"}
    system = machine.system(os_name="Windows", environ=environ)
    assert names(find_browsers(system)) == {"chrome": ("Google Chrome 149.0.7.8", "149.0.7.8")}


@pytest.mark.parametrize("variable", ["WEBGPU_AVAILABLE", "WEBNN_AVAILABLE"])
def test_flags_disable_an_interface(machine, variable):
    machine.file("/usr/bin/chromium")
    (device,) = find_browsers(machine.system(environ={variable: "0"}))
    interface = variable.split("_")[0].lower()
    assert device.details["interfaces"][interface] == f"off by {variable}=0"
    assert f"{variable}=0" in device.support.reason


def test_flags_never_add_a_browser(machine):
    environ = {"WEBGPU_AVAILABLE": "1", "WEBNN_AVAILABLE": "1"}
    (device,) = find_browsers(machine.system(environ=environ))
    assert not device.support.usable
    assert "apt-get install chromium" in device.support.hint
