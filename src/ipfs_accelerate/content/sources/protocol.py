"""What every source of blocks can do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from threading import Event

    from ipfs_accelerate.content.cid import Cid
    from ipfs_accelerate.hardware import Support

__all__ = ["Deliver", "Source", "SourceKind", "Want"]


class SourceKind(StrEnum):
    """How a source is reached; costs and habits differ."""

    PEER = "peer"
    KUBO = "kubo"
    GATEWAY = "gateway"
    BITSWAP = "bitswap"
    HUB = "hub"
    S3 = "s3"


@dataclass(frozen=True, slots=True)
class Want:
    """One block that is wanted.

    Attributes:
        cid: Its name.
        size_bytes: Bytes of file data in it; ``None`` for interior nodes not seen yet.
        file: Root of the file it is a leaf of; ``None`` when unknown.
        offset: Where its data begins in that file; ``None`` when unknown.
    """

    cid: Cid
    size_bytes: int | None = None
    file: Cid | None = None
    offset: int | None = None


#: Called with a want and the bytes a source sent for it, unverified, on the calling thread. It
#: raises `BlockMismatchError` when they are wrong: the source stops and lets it pass.
Deliver = Callable[[Want, bytes | memoryview], None]


class Source(Protocol):
    """One place blocks can be had from. Methods may be called from several threads at once."""

    @property
    def name(self) -> str:
        """Unique text for tables: ``peer:http://127.0.0.1:8080``, ``hub:org/name@rev``."""
        ...

    @property
    def kind(self) -> SourceKind:
        """What it is."""
        ...

    def probe(self) -> Support:
        """Whether it answers now; never raises."""
        ...

    def available(self, wants: Sequence[Want]) -> list[bool | None]:
        """For each want: whether it is here, or ``None`` when only trying tells.

        Raises:
            ConnectivityError: The source did not answer.
        """
        ...

    def fetch(
        self,
        wants: Sequence[Want],
        deliver: Deliver,
        *,
        cancel: Event,
        timeout_s: float,
    ) -> None:
        """Get blocks, in order where possible, calling ``deliver`` for each as it comes.

        Returns when all were delivered or ``cancel`` was set. A memoryview handed to ``deliver``
        is only valid during the call.

        Args:
            wants: Blocks this source does not deny having.
            deliver: Takes unverified bytes; what it raises passes through.
            cancel: Stops soon after it is set; already delivered blocks stay delivered.
            timeout_s: Longest silence before the source counts as stalled.

        Raises:
            ContentNotFoundError: It lacks a block; ``details["cid"]`` says which.
            ConnectivityError: It stalled, cut off or could not be reached;
                ``details["retry_after_s"]`` where the source said so.
            AccessDeniedError: It wants other credentials.
            ContentFormatError: It sent something that is no valid answer.
        """
        ...

    def close(self) -> None:
        """Drop connections."""
        ...
