"""The one seam of hardware detection: how a probe reads a machine.

Probes never touch ``os`` or ``Path`` themselves, so a directory that holds another machine's
``/proc`` and ``/sys`` can be probed like this one.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

__all__ = ["System"]

T = TypeVar("T")

_READ_LIMIT_BYTES = 8 * 2**20
_RUN_LIMIT_S = 1.0
_LIBRARY_DIRS = (
    "/usr/lib",
    "/usr/lib64",
    "/lib",
    "/lib64",
    "/usr/local/lib",
    "/opt/rocm/lib",
    "/usr/lib/wsl/lib",
    "/vendor/lib64",
    "/vendor/lib",
    "/system/lib64",
    "/system/vendor/lib64",
)
_DISABLING = {"0", "false", "no", "off"}


def _load_library(name: str) -> object:
    import ctypes

    return ctypes.CDLL(name)


def _find_package(name: str) -> Path | None:
    from importlib.util import find_spec

    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def _may_use(path: Path) -> bool:
    return os.access(path, os.R_OK | os.W_OK)


def _run(command: Sequence[str]) -> str | None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_RUN_LIMIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    return done.stdout if done.returncode == 0 else None


@dataclass(frozen=True)
class System:
    """What a probe may see of a machine. Nothing here raises on a bad or absent file.

    Attributes:
        root: Directory that stands for ``/``.
        environ: Environment variables.
        os_name: ``Linux``, ``Darwin``, ``Windows`` as `platform.system` spells it.
        machine: Instruction set as `platform.machine` spells it.
        release: Kernel release.
        affinity: Logical processors the scheduler may give this process; ``None`` when not told.
        load_library: Opens a shared library, raises OSError when that fails.
        find_package: Directory of an installed Python package, without importing it.
        may_use: Whether a device node may be opened for reading and writing.
        run: Output of a command within one second; ``None`` when it fails.
    """

    root: Path = Path("/")
    environ: Mapping[str, str] = field(default_factory=dict)
    os_name: str = "Linux"
    machine: str = "x86_64"
    release: str = ""
    affinity: frozenset[int] | None = None
    load_library: Callable[[str], object] = _load_library
    find_package: Callable[[str], Path | None] = _find_package
    may_use: Callable[[Path], bool] = _may_use
    run: Callable[[Sequence[str]], str | None] = _run

    @classmethod
    def local(cls) -> System:
        """The machine this process runs on."""
        affinity = getattr(os, "sched_getaffinity", None)
        return cls(
            environ=dict(os.environ),
            os_name=platform.system(),
            machine=platform.machine(),
            release=platform.release(),
            affinity=frozenset(affinity(0)) if affinity else None,
        )

    @property
    def is_linux(self) -> bool:
        """Whether ``/proc`` and ``/sys`` have Linux's meaning."""
        return self.os_name == "Linux"

    @property
    def is_arm(self) -> bool:
        """Whether the processor is a 32- or 64-bit Arm."""
        return self.machine.lower().startswith(("arm", "aarch"))

    def path(self, name: str) -> Path:
        """An absolute name, below `root`."""
        return self.root / name.lstrip("/")

    def read(self, name: str) -> str | None:
        """Text of a file without surrounding blanks; ``None`` when it cannot be read."""
        try:
            with self.path(name).open("rb") as stream:
                return stream.read(_READ_LIMIT_BYTES).decode("utf-8", "replace").strip("\0\n\r\t ")
        except (OSError, ValueError):
            return None

    def read_int(self, name: str) -> int | None:
        """A decimal or ``0x`` number; ``None`` when the file is absent or holds no number."""
        text = self.read(name) or ""
        try:
            return int(text, 16) if text.lower().startswith("0x") else int(text)
        except ValueError:
            return None

    def read_fields(self, name: str, separator: str = ":") -> dict[str, str]:
        """Lines ``key<separator>value``; the last of equal keys wins, other lines are left out."""
        pairs = (line.partition(separator) for line in (self.read(name) or "").splitlines())
        return {key.strip(): value.strip() for key, found, value in pairs if found}

    def exists(self, name: str) -> bool:
        """Whether a file, directory or device node is there."""
        try:
            return self.path(name).exists()
        except (OSError, ValueError):
            return False

    def link_name(self, name: str) -> str | None:
        """Last part of a symbolic link's destination; ``None`` when it is no link."""
        try:
            return self.path(name).readlink().name
        except (OSError, ValueError):
            return None

    def glob(self, pattern: str) -> list[str]:
        """Absolute names that match, numbers in natural order."""
        try:
            found = [f"/{p.relative_to(self.root)}" for p in self.root.glob(pattern.lstrip("/"))]
        except (OSError, ValueError):
            return []
        return sorted(found, key=natural_key)

    def first_usable(self, names: Sequence[str]) -> str | None:
        """First node that may be opened for reading and writing; ``None`` when there is none."""
        return next((name for name in names if self.may_use(self.path(name))), None)

    def find_library(self, *names: str) -> str | None:
        """Path of the first shared library found where loaders look; nothing is loaded."""
        extra = self.environ.get("LD_LIBRARY_PATH", "").split(":")
        triplets = [f"/usr/lib/{self.machine}-linux-gnu", f"/lib/{self.machine}-linux-gnu"]
        for directory in (*filter(None, extra), *triplets, *_LIBRARY_DIRS):
            for name in names:
                if self.exists(f"{directory}/{name}"):
                    return f"{directory}/{name}"
        return None

    def disabled_by(self, variable: str) -> str | None:
        """``NAME=value`` when the variable switches something off; it can never switch it on."""
        value = self.environ.get(variable, "")
        return f"{variable}={value}" if value.strip().lower() in _DISABLING else None

    def installed_version(self, package: str) -> str | None:
        """Upstream version of a Debian package; ``None`` when not installed or not Debian."""
        status = self.read("/var/lib/dpkg/status") or ""
        found = re.search(
            rf"^Package: {re.escape(package)}\nStatus: install ok .*\n(?:.+\n)*?Version: (.+)$",
            status,
            re.MULTILINE,
        )
        return re.sub(r"^\d+:|-[^-]*$", "", found[1]) if found else None


def natural_key(text: str) -> list[tuple[int, str]]:
    """Sort key that puts ``cuda:2`` before ``cuda:10``."""
    return [(int(p), "") if p.isdigit() else (-1, p) for p in re.split(r"(\d+)", text)]
