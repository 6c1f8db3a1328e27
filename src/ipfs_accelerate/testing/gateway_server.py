"""A fake trustless gateway on loopback that can be told to misbehave.

For tests of clients. It answers from a dictionary of blocks: raw blocks, and CARs of byte ranges
of the files whose layouts it was given. It is slow and complete enough to be believed, no more;
the product's own gateway is `ipfs_accelerate.content.serving`.

Source: specs.ipfs.tech/http-gateways/trustless-gateway.
"""

# ruff: noqa: N802 — the methods are named by http.server

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from ipfs_accelerate.content import Cid
from ipfs_accelerate.content.cid import varint
from ipfs_accelerate.errors import ModelReferenceError
from ipfs_accelerate.testing.loopback import LoopbackHandler, ScriptedServer

if TYPE_CHECKING:
    import ssl

    from ipfs_accelerate.content import FileLayout, Leaf

__all__ = ["FakeGateway", "GatewayFault", "GatewayRequest"]

_RAW, _CAR = "application/vnd.ipld.raw", "application/vnd.ipld.car"


@dataclass(frozen=True, slots=True)
class GatewayFault:
    """What goes wrong with one answer.

    Attributes:
        status: Answer with this status and no body.
        headers: Further headers, e.g. ``{"Retry-After": "1"}`` or ``{"Location": "/loop"}``.
        flip_at: Invert the bit 0 of this byte of the body.
        cut_at: Announce everything, send this many bytes, close.
        stall_at: Send this many bytes, then nothing until the server stops.
        drip_at: From this byte on send one byte every 50 ms.
        announce: A lie in Content-Length.
        is_unframed: No Content-Length; the end of the connection ends the body.
        is_reset: Close without any answer.
        omit: Blocks left out of a CAR.
        extra: Blocks put into a CAR before those that were asked for.
        is_reversed: Blocks of a CAR from the last to the first.
    """

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    flip_at: int | None = None
    cut_at: int | None = None
    stall_at: int | None = None
    drip_at: int | None = None
    announce: int | None = None
    is_unframed: bool = False
    is_reset: bool = False
    omit: frozenset[Cid] = frozenset()
    extra: tuple[tuple[Cid, bytes], ...] = ()
    is_reversed: bool = False


@dataclass(frozen=True, slots=True)
class GatewayRequest:
    """A request as the fake saw it."""

    method: str
    path: str
    host: str
    accept: str
    authorization: str | None


class FakeGateway(ScriptedServer[GatewayRequest, GatewayFault]):
    """The server; a context manager that listens while entered.

    Args:
        blocks: What it has; may be changed while it runs.
        layouts: Files it can make CARs of.
        has_car: Answers 406 to a CAR otherwise.
        token: Wanted as bearer token.
        context: Serve TLS.
    """

    def __init__(
        self,
        blocks: Mapping[Cid, bytes],
        layouts: Iterable[FileLayout] = (),
        *,
        has_car: bool = True,
        token: str | None = None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(_Handler, context=context)
        self.blocks = {cid.multihash: (cid, data) for cid, data in blocks.items()}
        self.layouts = {layout.root: layout for layout in layouts}
        self.has_car = has_car
        self.token = token
        self.corrupted: set[Cid] = set()

    @property
    def subdomain_url(self) -> str:
        """Base URL of the subdomain style."""
        return f"{self.scheme}://{{cid}}.ipfs.localhost:{self.port}"

    def fail(self, fault: GatewayFault, *, times: int = 1, path: str = "") -> None:
        """Let the next ``times`` answers fail whose request has ``path`` in its path or host."""
        self.fail_where(lambda r: path in r.path or path in r.host, fault, times=times)

    def corrupt(self, cid: Cid) -> None:
        """Send wrong bytes for a block from now on."""
        self.corrupted.add(cid)

    def forget(self, cid: Cid) -> None:
        """Not have a block any more."""
        self.blocks.pop(cid.multihash, None)

    def block(self, cid: Cid) -> bytes | None:
        """What it would send for a CID."""
        found = self.blocks.get(cid.multihash)
        if found is None:
            return None
        if cid not in self.corrupted:
            return found[1]
        return found[1][:-1] + bytes([found[1][-1] ^ 1])


class _Handler(LoopbackHandler):
    server_version = "FakeGateway/1"

    @property
    def _gateway(self) -> FakeGateway:
        assert isinstance(self.server.owner, FakeGateway)
        return self.server.owner

    def do_GET(self) -> None:
        """Answer from the blocks, or as the fault says."""
        gateway = self._gateway
        request = GatewayRequest(
            self.command,
            self.path,
            self.headers.get("Host", ""),
            self.headers.get("Accept", ""),
            self.headers.get("Authorization"),
        )
        fault = gateway.take_fault(request) or GatewayFault()
        if gateway.is_silent.is_set():
            gateway.stopping.wait()
            self.close_connection = True
            return
        if fault.is_reset:
            self.close_connection = True
            return
        if fault.status is not None:
            self._send(fault.status, "text/plain", b"", fault)
            return
        self._send(*_answer(gateway, request, fault), fault)

    do_HEAD = do_GET  # noqa: N815 — as in http.server

    def _send(self, status: int, media_type: str, body: bytes, fault: GatewayFault) -> None:
        if fault.flip_at is not None:
            at = fault.flip_at
            body = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        if not fault.is_unframed:
            announced = len(body) if fault.announce is None else fault.announce
            self.send_header("Content-Length", str(announced))
        for name, value in fault.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self._send_body(body, fault)

    def _send_body(self, body: bytes, fault: GatewayFault) -> None:
        end = min((x for x in (fault.cut_at, fault.stall_at, fault.drip_at) if x is not None),
                  default=len(body))  # fmt: skip
        is_odd = end < len(body) or fault.is_unframed or fault.announce is not None
        self.close_connection = self.close_connection or is_odd
        try:
            self.wfile.write(body[:end])
            self.wfile.flush()
            if fault.stall_at is not None:
                self._gateway.stopping.wait()
            if fault.drip_at is not None:
                for at in range(end, len(body)):
                    if self._gateway.stopping.wait(0.05):
                        return
                    self.wfile.write(body[at : at + 1])
        except OSError:  # the client went away
            self.close_connection = True


def _answer(
    gateway: FakeGateway, request: GatewayRequest, fault: GatewayFault
) -> tuple[int, str, bytes]:
    if gateway.token and request.authorization != f"Bearer {gateway.token}":
        return 401, "text/plain", b"no"
    url = urlsplit(request.path)
    try:
        cid = _cid_of(request, url.path)
    except ModelReferenceError:
        return 400, "text/plain", b"no CID"
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    if query.get("format") == "car":
        return _car(gateway, cid, query, fault)
    if cid.hash_code == 0:
        return 200, _RAW, cid.digest
    block = gateway.block(cid)
    return (200, _RAW, block) if block is not None else (404, "text/plain", b"not here")


def _cid_of(request: GatewayRequest, path: str) -> Cid:
    label, _, rest = request.host.partition(".ipfs.")
    return Cid.parse(label if rest else path.removeprefix("/ipfs/").strip("/"))


def _car(
    gateway: FakeGateway, root: Cid, query: Mapping[str, str], fault: GatewayFault
) -> tuple[int, str, bytes]:
    if not gateway.has_car:
        return 406, "text/plain", b"raw blocks only"
    layout = gateway.layouts.get(root)
    if layout is None or gateway.block(root) is None:
        return 404, "text/plain", b"not here"
    first, _, last = query.get("entity-bytes", "0:*").partition(":")
    end = layout.size_bytes - 1 if last == "*" else int(last)
    leaves = [leaf for leaf in layout.leaves if _overlaps(leaf, int(first), end)]
    wanted = [*layout.interior, *(leaf.cid for leaf in leaves)]
    frames = list(fault.extra)
    for cid in dict.fromkeys(wanted):
        block = gateway.block(cid)
        if block is None:
            break
        if cid not in fault.omit:
            frames.append((cid, block))
    if fault.is_reversed:
        frames.reverse()
    return (
        200,
        f"{_CAR}; version=1",
        _car_header(root)
        + b"".join(varint(len(cid.raw) + len(block)) + cid.raw + block for cid, block in frames),
    )


def _overlaps(leaf: Leaf, first: int, last: int) -> bool:
    return leaf.offset <= last and leaf.offset + leaf.size_bytes > first


def _car_header(root: Cid) -> bytes:
    """``{"roots": [root], "version": 1}`` in DAG-CBOR."""
    link = b"\x00" + root.raw
    body = b"\xa2\x65roots\x81\xd8\x2a\x58" + bytes([len(link)]) + link + b"\x67version\x01"
    return varint(len(body)) + body
