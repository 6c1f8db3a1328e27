"""The hook that serves ``ipfs://CID[/path]``; what it does lives in `models.placing`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.plugins import hookimpl

if TYPE_CHECKING:
    from pathlib import Path

    from ipfs_accelerate.config import Settings
    from ipfs_accelerate.models.reference import ModelRef

__all__ = ["ipfs_accelerate_resolve"]


@hookimpl
def ipfs_accelerate_resolve(
    ref: ModelRef,
    cache_dir: Path,
    settings: Settings,
    allow_pickle: bool,  # noqa: FBT001 - the hook's signature
) -> Path | None:
    """Fetch, verify and place content; see `plugins.hooks.ipfs_accelerate_resolve`."""
    if ref.scheme.value != "ipfs":
        return None
    from ipfs_accelerate.models.placing import bring_content

    return bring_content(ref, cache_dir, settings=settings, allow_pickle=allow_pickle)
