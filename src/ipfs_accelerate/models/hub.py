"""The Hub, through its own client: what a model consists of, fetched and checked file by file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import SourceUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ipfs_accelerate.config import Settings
    from ipfs_accelerate.models.manifest import Expected
    from ipfs_accelerate.models.reference import ModelRef

__all__ = ["Hub", "Snapshot"]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One commit of a model on this machine."""

    directory: Path
    commit: str
    expected: Mapping[str, Expected]
    task: str | None


class Hub:
    """A model hub."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def fetch(self, ref: ModelRef, *, allow_pickle: bool = False) -> Snapshot:
        """Bring a model to this machine."""
        raise SourceUnavailableError(f"cannot fetch {ref} (pickles: {allow_pickle})")
