"""How a node sees its team: what it has, whom it knows and what it thinks of them.

Asked with the token of the team; who asks does not become a member by it.
"""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, dataclass
from typing import Any

from ipfs_accelerate.content.peers.membership import Standing
from ipfs_accelerate.content.peers.wire import (
    MAX_HELLO_BYTES,
    MAX_LEAVES,
    MAX_PEERS,
    MAX_ROOTS,
    OVERVIEW_PATH,
    ROOT,
    URL,
    matching,
)
from ipfs_accelerate.content.sources._http import HttpPool, Patience, refusal
from ipfs_accelerate.errors import ContentFormatError, ContentNotFoundError

__all__ = ["Holding", "Overview", "Seen", "overview_of"]

_ANSWER_S = 3.0


@dataclass(frozen=True, slots=True)
class Holding:
    """How much of a root is at a node.

    Attributes:
        root: CID as text.
        have: Leaves that are there.
        leaves: Of how many; 0 while the node does not know them.
    """

    root: str
    have: int
    leaves: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What a node thinks of another.

    Attributes:
        url: Of the other.
        standing: Thought of it.
        bans: How often it sent wrong bytes.
    """

    url: str
    standing: Standing
    bans: int = 0


@dataclass(frozen=True, slots=True)
class Overview:
    """A node's own view.

    Attributes:
        url: Of the node.
        holdings: What it fetches or shares.
        members: Whom it knows.
    """

    url: str
    holdings: tuple[Holding, ...]
    members: tuple[Seen, ...]

    def to_json(self) -> bytes:
        """The body of an answer."""
        return json.dumps(asdict(self), separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, body: bytes) -> Overview:
        """Check what another node sent.

        Raises:
            ContentFormatError: It is no overview, or names more than is accepted.
        """
        try:
            plain: dict[str, Any] = json.loads(body)
            holdings, members = plain["holdings"], plain["members"]
            if len(holdings) > MAX_ROOTS or len(members) > MAX_PEERS:
                raise ContentFormatError(f"{len(holdings)} roots and {len(members)} members")
            return cls(
                matching(plain["url"], URL, "url"),
                tuple(_holding(one) for one in holdings),
                tuple(_seen(one) for one in members),
            )
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ContentFormatError(f"no overview of a node: {body[:60]!r}") from error


def overview_of(url: str, token: str | None, cancel: threading.Event) -> Overview:
    """Ask a node.

    Args:
        url: Of the node; the token is sent there.
        token: Of the team.
        cancel: Ends the request.

    Raises:
        ContentNotFoundError: What answers there is no node of a team.
        AccessDeniedError: It is of another team.
        ConnectivityError: It does not answer.
        ContentFormatError: It answers something else.
    """
    pool = HttpPool(token=token)
    try:
        patience = Patience(cancel, _ANSWER_S)
        address = url.rstrip("/") + OVERVIEW_PATH
        with pool.request("GET", address, patience=patience, follows=False) as reply:
            if reply.status == 404:
                raise ContentNotFoundError(
                    f"{url} serves content and is no node of a team",
                    hint="set content_peers or content_discover there",
                )
            if reply.status != 200:
                raise refusal(reply, "its team")
            return Overview.from_json(bytes(reply.read_body(MAX_HELLO_BYTES)))
    finally:
        pool.close()


def _holding(plain: dict[str, Any]) -> Holding:
    have, leaves = plain["have"], plain["leaves"]
    if not (type(have) is type(leaves) is int and 0 <= have <= leaves <= MAX_LEAVES):
        raise ContentFormatError(f"{have!r} of {leaves!r} leaves"[:80])
    return Holding(matching(plain["root"], ROOT, "root"), have, leaves)


def _seen(plain: dict[str, Any]) -> Seen:
    bans = plain["bans"]
    if type(bans) is not int or bans < 0:
        raise ContentFormatError(f"{bans!r} bans"[:80])
    return Seen(matching(plain["url"], URL, "url"), Standing(plain["standing"]), bans)
