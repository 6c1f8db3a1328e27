"""Other nodes of the team: trustless gateways that also say what they have.

What is said of who has what lives in `content.peers`; here it is only asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.content.sources.gateway import GatewaySource
from ipfs_accelerate.content.sources.protocol import SourceKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from threading import Event

    from ipfs_accelerate.content.cid import Cid
    from ipfs_accelerate.content.sources.protocol import Deliver, Want
    from ipfs_accelerate.hardware import Support

__all__ = ["PeerSource"]


class PeerSource:
    """Blocks from one peer. Its token lets us in; it makes none of its bytes believed.

    Args:
        url: Where the peer's gateway answers.
        token: Of the team.
        holds: Whether the peer announced a block; ``None`` where only trying tells.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        holds: Callable[[Cid], bool | None] | None = None,
    ) -> None:
        self._gateway = GatewaySource(url, token=token, kind=SourceKind.PEER)
        self._holds = holds

    @property
    def url(self) -> str:
        """Where it answers."""
        return self._gateway.url

    @property
    def name(self) -> str:
        """See `Source.name`."""
        return self._gateway.name

    @property
    def kind(self) -> SourceKind:
        """See `Source.kind`."""
        return SourceKind.PEER

    def probe(self) -> Support:
        """See `Source.probe`."""
        return self._gateway.probe()

    def available(self, wants: Sequence[Want]) -> list[bool | None]:
        """What the peer announced; no request is made."""
        if self._holds is None:
            return [None] * len(wants)
        return [self._holds(want.cid) for want in wants]

    def fetch(
        self, wants: Sequence[Want], deliver: Deliver, *, cancel: Event, timeout_s: float
    ) -> None:
        """See `Source.fetch`."""
        self._gateway.fetch(wants, deliver, cancel=cancel, timeout_s=timeout_s)

    def close(self) -> None:
        """See `Source.close`."""
        self._gateway.close()
