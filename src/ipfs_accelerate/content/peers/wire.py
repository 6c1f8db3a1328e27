"""The peer protocol, version 1: what two nodes say to each other besides blocks.

Blocks themselves are ordinary requests to the peer's trustless gateway. Three routes are added::

    POST /peer/v1/prove  {"nonce", "url"}         -> {"proof"}      no token needed
    POST /peer/v1/hello  {"id", "url", "roots"}   -> the same, and "peers"
    GET  /peer/v1/have/<root>                     -> lines, as long as the node lives

Each line begins with its kind:

- ``.`` a sign of life, at least every `BEAT_S`, so that silence means death;
- ``s <member> <leaves> <have> <claims>``: everything at once, sent first and when the leaves become
  known (their number is 0 before). ``member`` is 1 for a node that fetches the root with the team
  (also when it has finished) and 0 for one that had it before. ``have`` and ``claims`` are
  bitfields in base64, most significant bit first: leaves it has, leaves it is fetching from the
  origin now;
- ``r +12 ?13 -14``: what happened since: it has leaf 12, claims 13, gave up on 14.

Leaves are numbered by the order of their multihashes, so that no two nodes number them otherwise.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from ipfs_accelerate.errors import ContentFormatError, ContentLimitError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

__all__ = [
    "BEAT",
    "BEAT_S",
    "HAVE_PATH",
    "HELLO_PATH",
    "MAX_HELLO_BYTES",
    "MAX_LEAVES",
    "MAX_LINE_BYTES",
    "MAX_PEERS",
    "MAX_ROOTS",
    "OVERVIEW_PATH",
    "PROVE_PATH",
    "ROOT",
    "URL",
    "Hello",
    "Record",
    "State",
    "matching",
    "proof_of",
    "read_line",
    "records_line",
]

PROVE_PATH = "/peer/v1/prove"
HELLO_PATH = "/peer/v1/hello"
OVERVIEW_PATH = "/peer/v1/overview"
HAVE_PATH = "/peer/v1/have/"
MAX_HELLO_BYTES = 256 * 1024
MAX_PEERS = 256
MAX_ROOTS = 256
#: Leaves of one root: 16 TiB in the largest blocks.
MAX_LEAVES = 2**23
MAX_LINE_BYTES = 4 * 2**20
BEAT = b".\n"
BEAT_S = 1.0

_ID = re.compile(r"[0-9a-f]{32}")
URL = re.compile(r"https?://[\w.\-\[\]:%]{1,240}")
ROOT = re.compile(r"[A-Za-z0-9]{1,256}")


class Record(StrEnum):
    """What happened to a leaf."""

    HAVE = "+"
    CLAIM = "?"
    RELEASE = "-"


@dataclass(frozen=True, slots=True)
class Hello:
    """Who a node is, what it is interested in, and whom it knows with the same interest.

    Attributes:
        id: 32 hexadecimal digits, new for every start of the node.
        url: Where its gateway answers, without a path.
        roots: CIDs as text.
        peers: Those it knows to be alive; their own ``peers`` are empty.
    """

    id: str
    url: str
    roots: tuple[str, ...] = ()
    peers: tuple[Hello, ...] = ()

    def to_json(self) -> bytes:
        """The body of a request or an answer."""
        return json.dumps(self._plain(), separators=(",", ":")).encode()

    def _plain(self) -> dict[str, object]:
        plain: dict[str, object] = {"id": self.id, "url": self.url, "roots": list(self.roots)}
        if self.peers:
            plain["peers"] = [peer._plain() for peer in self.peers[:MAX_PEERS]]  # noqa: SLF001
        return plain

    @classmethod
    def from_json(cls, body: bytes) -> Hello:
        """Check what another node sent.

        Raises:
            ContentFormatError: It is no hello.
            ContentLimitError: It is longer, or names more, than is accepted.
        """
        if len(body) > MAX_HELLO_BYTES:
            raise ContentLimitError(f"a hello of {len(body)} bytes; the limit is {MAX_HELLO_BYTES}")
        try:
            plain = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise ContentFormatError(f"a hello is no JSON: {body[:60]!r}") from error
        return cls._checked(plain, is_nested=False)

    @classmethod
    def _checked(cls, plain: object, *, is_nested: bool) -> Hello:
        if not isinstance(plain, dict):
            raise ContentFormatError(f"a hello is no object: {str(plain)[:60]!r}")
        roots, peers = plain.get("roots", []), [] if is_nested else plain.get("peers", [])
        if not isinstance(roots, list) or not isinstance(peers, list):
            raise ContentFormatError("roots and peers of a hello are lists")
        if len(roots) > MAX_ROOTS or len(peers) > MAX_PEERS:
            raise ContentLimitError(f"a hello with {len(roots)} roots and {len(peers)} peers")
        return cls(
            id=matching(plain.get("id"), _ID, "id"),
            url=matching(plain.get("url"), URL, "url").rstrip("/"),
            roots=tuple(matching(root, ROOT, "root") for root in roots),
            peers=tuple(cls._checked(peer, is_nested=True) for peer in peers),
        )


def matching(value: object, pattern: re.Pattern[str], what: str) -> str:
    """The value, if it is text of that form.

    Raises:
        ContentFormatError: It is not.
    """
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ContentFormatError(f"not a valid {what} of a peer: {str(value)[:80]!r}")
    return value


def proof_of(token: str, *, nonce: str, url: str) -> str:
    """What only a holder of the team token can answer, and only for its own address.

    A node whose address came from the network (mDNS, another peer) must give it before it is sent
    the token. The address is part of it, so that a challenge passed on to a true member of the team
    yields nothing.
    """
    message = "\n".join(("ipfs-accelerate peer v1", nonce, url.rstrip("/"))).encode()
    return hmac.new(token.encode(), message, hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class State:
    """Everything about a node and one root, sent first and when the leaves become known."""

    is_member: bool
    have: npt.NDArray[np.bool_]
    claims: npt.NDArray[np.bool_]

    def to_line(self) -> bytes:
        """As it travels."""
        have = base64.b64encode(np.packbits(self.have).tobytes())
        claims = base64.b64encode(np.packbits(self.claims).tobytes())
        return b"s %d %d %s %s\n" % (self.is_member, len(self.have), have, claims)


def records_line(records: Sequence[tuple[Record, int]]) -> bytes:
    """What happened to leaves, as it travels."""
    return f"r {' '.join(f'{record}{leaf}' for record, leaf in records)}\n".encode()


def read_line(line: bytes) -> State | list[tuple[Record, int]]:
    """Read what another node said; a sign of life is an empty list.

    Raises:
        ContentFormatError: It is none of the three kinds of line.
    """
    try:
        kind, *words = line.decode("ascii").split(" ")
        if kind == "." and not words:
            return []
        if kind == "r":
            return [(Record(word[:1]), _leaf(word[1:])) for word in words]
        if kind == "s" and len(words) == 4:
            return _state(*words)
    except (ValueError, binascii.Error) as error:
        raise ContentFormatError(f"a line of a peer that makes no sense: {line[:60]!r}") from error
    raise ContentFormatError(f"an unknown line of a peer: {line[:60]!r}")


def _leaf(text: str) -> int:
    leaf = int(text)
    if not 0 <= leaf < MAX_LEAVES:
        raise ValueError(text)
    return leaf


def _state(member: str, count: str, have: str, claims: str) -> State:
    leaves = _leaf(count)
    return State(member == "1", _bits(have, leaves), _bits(claims, leaves))


def _bits(text: str, count: int) -> npt.NDArray[np.bool_]:
    packed = base64.b64decode(text, validate=True)
    if len(packed) != (count + 7) // 8:
        raise ValueError(f"{len(packed)} bytes for {count} leaves")
    return np.unpackbits(np.frombuffer(packed, np.uint8), count=count).astype(np.bool_)
