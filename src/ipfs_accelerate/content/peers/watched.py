"""A source as the team sees it: what it delivers is announced, what it fails at is passed on."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from ipfs_accelerate.content.cid import Cid
from ipfs_accelerate.errors import (
    AccelerateError,
    BlockMismatchError,
    ContentLimitError,
    ContentNotFoundError,
    ModelReferenceError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from threading import Event

    from ipfs_accelerate.content.peers.swarm import Swarm
    from ipfs_accelerate.content.sources import Deliver, Source, SourceKind, Want
    from ipfs_accelerate.hardware import Support

__all__ = ["WatchedSource"]


class WatchedSource:
    """Passes everything to a source and tells the swarm.

    Args:
        source: Who really delivers.
        swarm: Who is told.
        peer: Its id where it is a peer.
        on_wrong: Called with evidence when it sent wrong bytes.
    """

    def __init__(
        self,
        source: Source,
        swarm: Swarm,
        *,
        peer: str | None = None,
        on_wrong: Callable[[str], None] | None = None,
    ) -> None:
        self._source, self._swarm, self._peer, self._on_wrong = source, swarm, peer, on_wrong

    @property
    def name(self) -> str:
        """See `Source.name`."""
        return self._source.name

    @property
    def kind(self) -> SourceKind:
        """See `Source.kind`."""
        return self._source.kind

    def probe(self) -> Support:
        """See `Source.probe`."""
        return self._source.probe()

    def available(self, wants: Sequence[Want]) -> list[bool | None]:
        """See `Source.available`."""
        return self._source.available(wants)

    def fetch(
        self, wants: Sequence[Want], deliver: Deliver, *, cancel: Event, timeout_s: float
    ) -> None:
        """See `Source.fetch`."""
        due = {want.cid for want in wants}

        def deliver_and_tell(want: Want, data: bytes | memoryview) -> None:
            deliver(want, data)
            due.discard(want.cid)
            self._swarm.kept(want)

        is_rationed = self._swarm.is_rationed(self.name)
        if is_rationed:
            self._swarm.asked(wants)
        try:
            self._source.fetch(wants, deliver_and_tell, cancel=cancel, timeout_s=timeout_s)
        except AccelerateError as error:
            self._failed(error, due)
            raise
        finally:
            if is_rationed:
                self._swarm.answered(wants)

    def close(self) -> None:
        """See `Source.close`."""
        self._source.close()

    def _failed(self, error: AccelerateError, due: Iterable[Cid]) -> None:
        """Draw the consequences; who was told to come back later has done nothing wrong."""
        if isinstance(error, BlockMismatchError | ContentLimitError):
            if self._on_wrong is not None:
                self._on_wrong(error.message)
        elif self._peer is None:
            return
        elif isinstance(error, ContentNotFoundError):
            with contextlib.suppress(ModelReferenceError):
                self._swarm.lacking(self._peer, Cid.parse(str(error.details.get("cid"))))
        elif error.details.get("retry_after_s") is None:
            for cid in due:  # announced and not delivered: others must not wait for it
                self._swarm.lacking(self._peer, cid)
