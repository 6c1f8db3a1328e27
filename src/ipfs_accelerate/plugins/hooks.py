"""Every hook a plugin may implement.

A plugin is a module named by an entry point of the group ``ipfs_accelerate``; it decorates
functions of these names with `hookimpl`. Importing a plugin module must be cheap: no runtime,
driver or web library at import time.

Example:
    >>> from ipfs_accelerate.plugins import hookimpl
    >>> @hookimpl
    ... def ipfs_accelerate_devices():
    ...     return []
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ipfs_accelerate.hardware import Device
    from ipfs_accelerate.models import ModelRef
    from ipfs_accelerate.runtimes import Runtime

__all__ = ["GROUP", "hookimpl", "hookspec"]

GROUP = "ipfs_accelerate"
hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@hookspec
def ipfs_accelerate_devices() -> Sequence[Device]:  # type: ignore[empty-body]
    """Probe for devices of one kind.

    Returns every device found and, where the kind is known but absent or unusable, one entry
    whose ``support`` says why. Must not raise, and must not allocate on a device.
    """


@hookspec
def ipfs_accelerate_runtimes() -> Sequence[Runtime]:  # type: ignore[empty-body]
    """Offer runtimes. The objects must be cheap; a runtime loads its library when first used."""


@hookspec(firstresult=True)
def ipfs_accelerate_resolve(ref: ModelRef, cache_dir: Path) -> Path | None:
    """Bring a reference of a scheme this plugin serves to a local directory.

    Returns the directory, or ``None`` when the scheme belongs to somebody else.
    """
