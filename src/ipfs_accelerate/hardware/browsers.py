"""Browsers installed on this machine. None is launched: what one can do is asked by the pool."""

from __future__ import annotations

import plistlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.hardware.device import Device, DeviceKind, Support
from ipfs_accelerate.hardware.system import System
from ipfs_accelerate.plugins import hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["find_browsers", "ipfs_accelerate_devices"]

_INSTALL = "apt-get install chromium firefox-esr"
_VERSION = re.compile(r"\d+(?:\.\d+){1,3}")


@dataclass(frozen=True, slots=True)
class _Browser:
    """Where one browser may lie, most specific first; patterns are globs."""

    id: str
    name: str
    linux: tuple[str, ...] = ()
    darwin: str | None = None
    windows: str | None = None
    packages: tuple[str, ...] = ()


_BROWSERS = (
    _Browser(
        "chromium",
        "Chromium",
        (
            "/usr/bin/chromium",
            "/usr/bin/chromium-browser",
            "/snap/bin/chromium",
            "{playwright}/chromium-*/chrome-linux*/chrome",
        ),
        "Chromium",
        r"Chromium/Application/chrome.exe",
        ("chromium", "chromium-browser"),
    ),
    _Browser(
        "chrome",
        "Google Chrome",
        ("/usr/bin/google-chrome-stable", "/usr/bin/google-chrome", "/opt/google/chrome/chrome"),
        "Google Chrome",
        r"Google/Chrome/Application/chrome.exe",
        ("google-chrome-stable",),
    ),
    _Browser(
        "edge",
        "Microsoft Edge",
        (
            "/usr/bin/microsoft-edge-stable",
            "/usr/bin/microsoft-edge",
            "/opt/microsoft/msedge/msedge",
        ),
        "Microsoft Edge",
        r"Microsoft/Edge/Application/msedge.exe",
        ("microsoft-edge-stable",),
    ),
    _Browser(
        "firefox",
        "Firefox",
        (
            "/usr/bin/firefox",
            "/usr/bin/firefox-esr",
            "/snap/bin/firefox",
            "/opt/firefox/firefox",
            "{playwright}/firefox-*/firefox/firefox",
        ),
        "Firefox",
        r"Mozilla Firefox/firefox.exe",
        ("firefox", "firefox-esr"),
    ),
    _Browser("safari", "Safari", darwin="Safari"),
)


@hookimpl
def ipfs_accelerate_devices() -> list[Device]:
    """Browsers of this machine."""
    return find_browsers(System.local())


def find_browsers(system: System) -> list[Device]:
    """Every browser, or one entry that says what to install."""
    found = [
        _device(system, browser, path)
        for browser in _BROWSERS
        if (path := next(_paths(system, browser), None))
    ]
    if found:
        return found
    places = "in the usual places of " + (system.os_name or "this system")
    hint = _INSTALL if system.is_linux else "install Chrome or Firefox"
    support = Support.no(f"no Chromium, Chrome, Edge, Firefox or Safari {places}", hint)
    return [Device("browser", DeviceKind.BROWSER, "web browser", support)]


def _paths(system: System, browser: _Browser) -> Iterator[str]:
    patterns: tuple[str, ...] = ()
    home = system.environ.get("HOME", "/root")
    if system.is_linux:
        cache = system.environ.get("PLAYWRIGHT_BROWSERS_PATH") or f"{home}/.cache/ms-playwright"
        patterns = tuple(pattern.replace("{playwright}", cache) for pattern in browser.linux)
    elif system.os_name == "Darwin" and browser.darwin:
        app = f"Applications/{browser.darwin}.app/Contents/MacOS/{browser.darwin}"
        patterns = (f"/{app}", f"{home}/{app}")
    elif system.os_name == "Windows" and browser.windows:
        folders = ("ProgramFiles", "ProgramFiles(x86)", "LOCALAPPDATA")
        bases = [system.environ[name] for name in folders if name in system.environ]
        patterns = tuple(_drive_less(base) + f"/{browser.windows}" for base in bases)
    for pattern in patterns:
        yield from reversed(system.glob(pattern))


def _drive_less(path: str) -> str:
    return path.partition(":")[2].replace("\\", "/") or path


def _device(system: System, browser: _Browser, path: str) -> Device:
    version = _version(system, browser, path)
    interfaces = {name: _interface(system, name) for name in ("webgpu", "webnn")}
    switched_off = [text for text in interfaces.values() if text.startswith("off")]
    reason = "; ".join([path, *switched_off])
    return Device(
        id=browser.id,
        kind=DeviceKind.BROWSER,
        name=f"{browser.name} {version}" if version else browser.name,
        support=Support.yes(reason),
        driver=version,
        details={"path": path, "interfaces": interfaces},
    )


def _interface(system: System, name: str) -> str:
    """Known only once the browser runs; an environment flag can switch it off, never on."""
    off = system.disabled_by(f"{name.upper()}_AVAILABLE")
    return f"off by {off}" if off else "asked when the browser is started"


def _version(system: System, browser: _Browser, path: str) -> str | None:
    """From files where they tell; else the browser's ``--version`` (which opens no window)."""
    for package in browser.packages:
        known = system.installed_version(package)
        if known:
            return known
    for source in (_from_application_ini, _from_plist, _from_folder):
        known = source(system, path)
        if known:
            return known
    if not system.is_linux:
        return None
    found = _VERSION.search(system.run((str(system.path(path)), "--version")) or "")
    return found[0] if found else None


def _from_application_ini(system: System, path: str) -> str | None:
    """Firefox keeps its version beside its binary."""
    folder = path.rpartition("/")[0]
    folders = (folder, "/usr/lib/firefox", "/usr/lib64/firefox", "/usr/lib/firefox-esr")
    for candidate in folders if "firefox" in path else ():
        version = system.read_fields(f"{candidate}/application.ini", "=").get("Version")
        if version:
            return version
    return None


def _from_plist(system: System, path: str) -> str | None:
    """A Mac application's Info.plist."""
    if system.os_name != "Darwin":
        return None
    contents = path.rsplit("/", 2)[0]
    try:
        with system.path(f"{contents}/Info.plist").open("rb") as stream:
            return str(plistlib.load(stream)["CFBundleShortVersionString"])
    except (OSError, ValueError, KeyError, TypeError):  # InvalidFileException is a ValueError
        return None


def _from_folder(system: System, path: str) -> str | None:
    """On Windows the version is the name of the folder beside the program."""
    if system.os_name != "Windows":
        return None
    folders = system.glob(f"{path.rpartition('/')[0]}/[0-9]*")
    versions = [name for f in folders if _VERSION.fullmatch(name := f.rpartition("/")[2])]
    return versions[-1] if versions else None
