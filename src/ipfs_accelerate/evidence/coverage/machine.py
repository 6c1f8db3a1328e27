"""The facts of this machine that a new result would be stored with."""

from __future__ import annotations

import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from ipfs_accelerate import __version__
from ipfs_accelerate.bench.surroundings import git_state, machine_facts
from ipfs_accelerate.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ipfs_accelerate.hardware import Device
    from ipfs_accelerate.runtimes import Target
    from ipfs_accelerate.store.coverage import AttemptRecord

__all__ = ["commits_since", "libraries", "present_facts", "require_facts"]

_GIT_TIMEOUT_S = 5
_FACTS = frozenset({
    "ipfs-accelerate", "commit", "driver", "device", "platform", "model files", "cores", "python",
    "threads",
})  # fmt: skip


def libraries(attempts: Iterable[AttemptRecord]) -> dict[str, str]:
    """Installed versions of the libraries that results name; those not installed are left out."""
    names = {name for attempt in attempts for name in attempt.facts} - _FACTS
    return {name: found for name in sorted(names) if (found := _installed(name)) is not None}


def present_facts(
    target: Target,
    devices: Sequence[Device],
    installed: dict[str, str],
    *,
    threads: int | None,
) -> dict[str, str]:
    """Facts by the names of `AttemptRecord.facts`; what the system does not tell is left out.

    Args:
        target: Its device decides on driver and name.
        devices: Of this machine.
        installed: Library → version, see `libraries`.
        threads: As asked for; ``None`` for the default.
    """
    machine = machine_facts()
    ids = (target.device, target.device.partition(":")[0])
    device = next((d for name in ids for d in devices if d.id == name), None)
    facts = {
        "ipfs-accelerate": __version__,
        "commit": git_state()[0],
        "driver": device and device.driver,
        "device": device and device.name,
        "platform": _release(),
        "cores": machine["cores"],
        "python": machine["python"],
        "threads": "default" if threads is None else threads,
        **installed,
    }
    return {name: str(value) for name, value in facts.items() if value is not None}


def require_facts(names: Iterable[str], attempts: Iterable[AttemptRecord]) -> None:
    """Refuse a name that is no fact of a result and no library.

    Raises:
        UnknownNameError: With the nearest known one.
    """
    known = _FACTS | {name for attempt in attempts for name in attempt.facts}
    for name in names:
        if name not in known and _installed(name) is None:
            raise UnknownNameError(name, known)


@cache
def commits_since(commit: str) -> int | None:
    """Commits from it to the present one; ``None`` where git does not know it."""
    try:
        done = subprocess.run(
            ["git", "rev-list", "--count", f"{commit}..HEAD"],  # noqa: S607 (the user's git)
            capture_output=True,
            text=True,
            timeout=_GIT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    text = done.stdout.strip()
    return int(text) if done.returncode == 0 and text.isdecimal() else None


def _release() -> str:
    import platform

    return platform.release()


def _installed(name: str) -> str | None:
    try:
        return version(name).partition("-")[0]
    except (PackageNotFoundError, ValueError):
        return None
