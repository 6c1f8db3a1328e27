"""A fake of a Kubo node's RPC on loopback, for tests of clients.

Its version string says that it is a fake. It answers the commands the product uses from blocks in
memory, with the node's habits: POST only, errors as 500 with a JSON message, streams in chunks
whose failure comes as an object or in the trailer ``X-Stream-Error``. It has no network: what it
lacks is not found.

Source: docs.ipfs.tech/reference/kubo/rpc.
"""

# ruff: noqa: N802 — the methods are named by http.server

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from ipfs_accelerate.content import Cid, Codec, MemoryBlocks
from ipfs_accelerate.content.car import import_car, write_car
from ipfs_accelerate.content.dag import links_of
from ipfs_accelerate.content.importing import hash_tree, iter_blocks
from ipfs_accelerate.content.profiles import ImportProfile
from ipfs_accelerate.content.reading import iter_file, iter_tree
from ipfs_accelerate.errors import AccelerateError
from ipfs_accelerate.testing.loopback import LoopbackHandler, LoopbackServer

__all__ = ["FAKE_VERSION", "FakeKubo", "KuboCall"]

FAKE_VERSION = "0.0.0-fake"
_CODECS = {"raw": Codec.RAW, "dag-pb": Codec.DAG_PB, "dag-cbor": Codec.DAG_CBOR}


@dataclass(frozen=True, slots=True)
class KuboCall:
    """A command as the fake saw it."""

    command: str
    arguments: tuple[str, ...]
    options: dict[str, str]
    authorization: str | None
    files: tuple[tuple[str, str, bytes], ...] = ()

    @property
    def cid(self) -> Cid:
        """Its first argument."""
        return Cid.parse(self.arguments[0])


@dataclass
class _Answer:
    body: bytes = b""
    rows: list[dict[str, object]] = field(default_factory=list)
    is_stream: bool = False


class FakeKubo(LoopbackServer):
    """The node; a context manager that listens while entered.

    Args:
        blocks: What it has.
        authorization: The whole header it wants; ``None`` wants none.
    """

    def __init__(
        self, blocks: Iterable[tuple[Cid, bytes]] = (), *, authorization: str | None = None
    ) -> None:
        super().__init__(_Handler)
        self.blocks = MemoryBlocks(blocks)
        self.authorization = authorization
        self.pins: dict[Cid, str] = {}
        self.provided: list[Cid] = []
        self.peers: list[str] = []
        self.calls: list[KuboCall] = []
        self.corrupted: set[Cid] = set()
        #: Command → message that its stream fails with, half-way: in the trailer, or as an object.
        self.breaks: dict[str, str] = {}
        self.breaks_in_stream: dict[str, str] = {}

    def corrupt(self, cid: Cid) -> None:
        """Send wrong bytes for a block from now on."""
        self.corrupted.add(cid)

    def block(self, cid: Cid) -> bytes:
        """What it sends for a CID."""
        data = self.blocks.get(cid)
        return data[:-1] + bytes([data[-1] ^ 1]) if cid in self.corrupted else data


class _Handler(LoopbackHandler):
    server_version = f"FakeKubo/{FAKE_VERSION}"

    @property
    def _node(self) -> FakeKubo:
        assert isinstance(self.server.owner, FakeKubo)
        return self.server.owner

    def do_GET(self) -> None:
        """Refused: commands are posted."""
        self._send(405, b"405 - Method Not Allowed\n", "text/plain")

    def do_POST(self) -> None:
        """Run a command."""
        node, call = self._node, self._read()
        node.calls.append(call)
        if node.is_silent.is_set():
            node.stopping.wait()
            self.close_connection = True
            return
        if node.authorization is not None and call.authorization != node.authorization:
            self._send(403, b"403 - Forbidden\n", "text/plain")
            return
        command = _COMMANDS.get(call.command)
        if command is None:
            self._send(404, b"404 page not found\n", "text/plain")
            return
        try:
            answer = command(node, call)
        except AccelerateError as error:
            message = error.message
            if "is not here" in message:
                name = call.arguments[0]
                message = f"block was not found locally (offline): ipld: could not find {name}"
            self._error(message)
        except (IndexError, KeyError, ValueError) as error:
            self._error(f"invalid argument: {error}")
        else:
            self._answer(call.command, answer)

    def _read(self) -> KuboCall:
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        arguments = tuple(query.pop("arg", ()))
        options = {name: values[-1] for name, values in query.items()}
        kind, body = self.headers.get("Content-Type", ""), self._body()
        files = tuple(_files(kind, body)) if kind.startswith("multipart/") else ()
        command = url.path.removeprefix("/api/v0/")
        return KuboCall(command, arguments, options, self.headers.get("Authorization"), files)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        pieces = []
        while size := int(self.rfile.readline(), 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def _error(self, message: str) -> None:
        body = json.dumps({"Message": message, "Code": 0, "Type": "error"}).encode()
        self._send(500, body, "application/json")

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _answer(self, command: str, answer: _Answer) -> None:
        body = answer.body
        if answer.rows or not answer.is_stream:
            body = b"".join(json.dumps(row).encode() + b"\n" for row in answer.rows) or body
        in_stream = self._node.breaks_in_stream.get(command)
        if in_stream is not None:
            body += json.dumps({"Message": in_stream, "Code": 0, "Type": "error"}).encode() + b"\n"
        self.send_response(200)
        name = "X-Stream-Output" if answer.is_stream else "X-Chunked-Output"
        for header in (("Trailer", "X-Stream-Error"), ("Transfer-Encoding", "chunked"),
                       (name, "1")):  # fmt: skip
            self.send_header(*header)
        self.end_headers()
        broken = self._node.breaks.get(command)
        if broken is not None:
            body = body[: len(body) // 2]
        try:
            for begin in range(0, len(body), 100_000):
                piece = body[begin : begin + 100_000]
                self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            trailer = f"X-Stream-Error: {broken}\r\n" if broken is not None else ""
            self.wfile.write(f"0\r\n{trailer}\r\n".encode())
        except OSError:  # the client went away
            self.close_connection = True


def _files(kind: str, body: bytes) -> Iterator[tuple[str, str, bytes]]:
    message = BytesParser(policy=HTTP).parsebytes(
        b"Content-Type: " + kind.encode() + b"\n\n" + body
    )
    for part in message.iter_parts():
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        yield unquote(part.get_filename() or ""), part.get_content_type(), content


# Commands


def _version(_node: FakeKubo, _call: KuboCall) -> _Answer:
    return _Answer(rows=[{"Version": FAKE_VERSION, "Commit": "", "Repo": "0", "System": "fake"}])


def _id(_node: FakeKubo, _call: KuboCall) -> _Answer:
    return _Answer(rows=[{"ID": "fake", "AgentVersion": f"kubo/{FAKE_VERSION}", "Addresses": []}])


def _add(node: FakeKubo, call: KuboCall) -> _Answer:
    profile = ImportProfile(
        "fake",
        cid_version=int(call.options.get("cid-version", "0")),
        chunk_bytes=int(call.options.get("chunker", "size-262144").removeprefix("size-")),
        raw_leaves=call.options.get("raw-leaves", "false") == "true",
        file_links=int(call.options.get("max-file-links", "174")),
    )
    with tempfile.TemporaryDirectory() as folder:
        for name, kind, content in call.files:
            _materialise(Path(folder), name, kind, content)
        top = call.files[0][0]
        tree = hash_tree(Path(folder) / top, profile)
        if call.options.get("only-hash") != "true":
            for cid, data in iter_blocks(tree):
                node.blocks.put(cid, data)
    if call.options.get("pin", "true") == "true":
        node.pins[tree.root] = "recursive"
    return _Answer(rows=[{"Name": top, "Hash": str(tree.root), "Size": "0"}])


def _materialise(folder: Path, name: str, kind: str, content: bytes) -> None:
    path = (folder / name).absolute()
    if ".." in path.parts or not path.is_relative_to(folder):
        raise ValueError(f"path {name!r}")
    if kind == "application/x-directory":
        path.mkdir(parents=True, exist_ok=True)
    elif kind == "application/symlink":
        path.symlink_to(content.decode())
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _cat(node: FakeKubo, call: KuboCall) -> _Answer:
    start = int(call.options.get("offset", "0"))
    end = start + int(call.options["length"]) if "length" in call.options else None
    return _Answer(b"".join(iter_file(call.cid, node.blocks, start, end)), is_stream=True)


def _block_get(node: FakeKubo, call: KuboCall) -> _Answer:
    return _Answer(node.block(call.cid), is_stream=True)


def _block_put(node: FakeKubo, call: KuboCall) -> _Answer:
    data = call.files[0][2]
    cid = Cid.of(data, codec=_CODECS[call.options.get("cid-codec", "raw")])
    node.blocks.put(cid, data)
    return _Answer(rows=[{"Key": str(cid), "Size": len(data)}])


def _block_stat(node: FakeKubo, call: KuboCall) -> _Answer:
    return _Answer(rows=[{"Key": str(call.cid), "Size": len(node.blocks.get(call.cid))}])


def _below(node: FakeKubo, root: Cid) -> dict[Cid, bytes]:
    found: dict[Cid, bytes] = {}
    pending = [root]
    while pending:
        cid = pending.pop()
        if cid not in found:
            found[cid] = node.block(cid)
            pending.extend(reversed(links_of(cid, node.blocks.get(cid))))
    return found


def _dag_export(node: FakeKubo, call: KuboCall) -> _Answer:
    stream = io.BytesIO()
    write_car(stream, [call.cid], _below(node, call.cid).items())
    return _Answer(stream.getvalue(), is_stream=True)


def _dag_import(node: FakeKubo, call: KuboCall) -> _Answer:
    imported = import_car(io.BytesIO(call.files[0][2]), node.blocks)
    if call.options.get("pin-roots", "true") == "true":
        node.pins |= dict.fromkeys(imported.roots, "recursive")
    rows: list[dict[str, object]] = [
        {"Root": {"Cid": {"/": str(root)}, "PinErrorMsg": ""}} for root in imported.roots
    ]
    return _Answer(rows=rows)


def _dag_get(node: FakeKubo, call: KuboCall) -> _Answer:
    links = [{"Hash": {"/": str(cid)}} for cid in links_of(call.cid, node.blocks.get(call.cid))]
    return _Answer(rows=[{"Links": links}])


def _dag_stat(node: FakeKubo, call: KuboCall) -> _Answer:
    blocks = _below(node, call.cid)
    size = sum(len(data) for data in blocks.values())
    return _Answer(rows=[{"UniqueBlocks": len(blocks), "TotalSize": size}])


def _pin_add(node: FakeKubo, call: KuboCall) -> _Answer:
    _below(node, call.cid)
    node.pins[call.cid] = "recursive"
    return _Answer(rows=[{"Pins": [str(call.cid)]}])


def _pin_rm(node: FakeKubo, call: KuboCall) -> _Answer:
    if node.pins.pop(call.cid, None) is None:
        raise ValueError("not pinned or pinned indirectly")
    return _Answer(rows=[{"Pins": [str(call.cid)]}])


def _pin_ls(node: FakeKubo, _call: KuboCall) -> _Answer:
    return _Answer(rows=[{"Cid": str(cid), "Type": kind} for cid, kind in node.pins.items()])


def _ls(node: FakeKubo, call: KuboCall) -> _Answer:
    links = [
        {"Name": entry.path, "Hash": str(entry.cid), "Size": entry.size_bytes, "Type": 2}
        for entry in iter_tree(call.cid, node.blocks)
        if entry.path and "/" not in entry.path
    ]
    return _Answer(rows=[{"Objects": [{"Hash": str(call.cid), "Links": links}]}])


def _provide(node: FakeKubo, call: KuboCall) -> _Answer:
    node.blocks.get(call.cid)
    node.provided.append(call.cid)
    return _Answer(rows=[{"ID": "fake", "Type": 4}])


def _peers(node: FakeKubo, _call: KuboCall) -> _Answer:
    pairs = [address.rpartition("/p2p/") for address in node.peers]
    return _Answer(rows=[{"Peers": [{"Addr": a, "Peer": p} for a, _, p in pairs]}])


def _connect(node: FakeKubo, call: KuboCall) -> _Answer:
    node.peers.append(call.arguments[0])
    return _Answer(rows=[{"Strings": [f"connect {call.arguments[0]} success"]}])


_COMMANDS: dict[str, Callable[[FakeKubo, KuboCall], _Answer]] = {
    "version": _version,
    "id": _id,
    "add": _add,
    "cat": _cat,
    "ls": _ls,
    "block/get": _block_get,
    "block/put": _block_put,
    "block/stat": _block_stat,
    "dag/export": _dag_export,
    "dag/import": _dag_import,
    "dag/get": _dag_get,
    "dag/stat": _dag_stat,
    "pin/add": _pin_add,
    "pin/rm": _pin_rm,
    "pin/ls": _pin_ls,
    "routing/provide": _provide,
    "swarm/peers": _peers,
    "swarm/connect": _connect,
}
