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

    from ipfs_accelerate.config import Settings
    from ipfs_accelerate.gateway import Backend, Endpoint
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
def ipfs_accelerate_resolve(
    ref: ModelRef,
    cache_dir: Path,
    settings: Settings,
    allow_pickle: bool,  # noqa: FBT001 - pluggy passes by name and knows no keyword-only ones
) -> Path | None:
    """Bring a reference of a scheme this plugin serves to a local directory.

    A receipt beside it (``<directory>.json``, written by `models.manifest.write_manifest`) states
    sizes, hashes and content identifiers, which are checked before the model is used. An
    implementation may take fewer arguments.

    Args:
        ref: The reference.
        cache_dir: Where models are kept; a plugin uses a folder of its own name in it.
        settings: The settings in effect; ``offline`` must be honoured.
        allow_pickle: Pickled weights may be placed where there are no others.

    Returns:
        The directory (or single file), or ``None`` when the scheme belongs to somebody else.
    """


@hookspec(firstresult=True)
def ipfs_accelerate_backend(endpoint: Endpoint) -> Backend | None:
    """Bring what answers for an endpoint of the gateway.

    Args:
        endpoint: As configured; ``provider`` says which kind is wanted.

    Returns:
        The backend, or ``None`` when the kind belongs to somebody else. It must be cheap: models
        are loaded and connections opened by the first call.
    """
