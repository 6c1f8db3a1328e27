"""A Kubo node: its RPC as a client, and as a source of blocks.

Every command is a POST. What a node says about content it names is believed only where this says
so: blocks fetched as a source are verified by whoever asked.

Source: docs.ipfs.tech/reference/kubo/rpc.
"""

from __future__ import annotations

import json
import os
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from ipfs_accelerate.content.cid import Cid, Codec, Hash
from ipfs_accelerate.content.limits import MAX_BLOCK_BYTES
from ipfs_accelerate.content.sources._http import Cancelled, HttpPool, Patience, Reply
from ipfs_accelerate.content.sources._http_car import iter_frames
from ipfs_accelerate.content.sources._http_form import Form, parts_of
from ipfs_accelerate.content.sources._http_rpc import (
    check_trailer,
    cid_said,
    failure_said,
    node_error,
    parse_json,
)
from ipfs_accelerate.content.sources.protocol import SourceKind
from ipfs_accelerate.errors import (
    AccelerateError,
    ContentFormatError,
    ContentNotFoundError,
    InputError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from threading import Event
    from typing import BinaryIO

    from ipfs_accelerate.content.profiles import ImportProfile
    from ipfs_accelerate.content.sources.protocol import Deliver, Want
    from ipfs_accelerate.hardware import Support

__all__ = ["KuboClient", "KuboSource"]

_MAX_LINE_BYTES = 4 * 2**20
_MAX_ERROR_BYTES = 64 * 1024
_PIECE_BYTES = 256 * 1024
_PROBE_S = 5.0
_CODECS = {Codec.RAW: "raw", Codec.DAG_PB: "dag-pb", Codec.DAG_CBOR: "dag-cbor"}
_HASHES = {Hash.SHA2_256: "sha2-256", Hash.SHA2_512: "sha2-512", Hash.BLAKE3: "blake3"}

Options = dict[str, "str | int | bool"]


class KuboClient:
    """The commands of a node that the product needs.

    Args:
        url: Of the RPC, not of the gateway.
        token: Bearer token, as ``API.Authorizations`` of the node wants it.
        authorization: A whole ``Authorization`` header instead (``Basic …``).
        timeout_s: Longest silence of one command.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:5001",
        *,
        token: str | None = None,
        authorization: str | None = None,
        timeout_s: float = 60.0,
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise InputError(f"not the URL of a Kubo RPC: {url!r}", hint="http://127.0.0.1:5001")
        self.url = url.rstrip("/").removesuffix("/api/v0")
        self.timeout_s = timeout_s
        self._pool = HttpPool(token=token, authorization=authorization)

    # -- the node --------------------------------------------------------------------------------

    def version(self) -> str:
        """Version of the node."""
        return str(self._value("version").get("Version", ""))

    def identity(self) -> dict[str, Any]:
        """``id``: peer identity, addresses, agent."""
        return self._value("id")

    def swarm_peers(self) -> list[str]:
        """Multiaddresses of connected peers."""
        peers = self._value("swarm/peers").get("Peers") or []
        return [f"{peer['Addr']}/p2p/{peer['Peer']}" for peer in peers]

    def swarm_connect(self, address: str) -> None:
        """Connect to a peer's multiaddress."""
        self._value("swarm/connect", address)

    # -- files -----------------------------------------------------------------------------------

    def add(
        self,
        path: str | os.PathLike[str],
        *,
        profile: ImportProfile | None = None,
        pin: bool = True,
        only_hash: bool = False,
    ) -> Cid:
        """Add a file or a directory; returns its root.

        Args:
            path: Symlinks are added as symlinks.
            profile: How it is cut; the node's own default when ``None``.
            pin: Keep it from the node's garbage collection.
            only_hash: Compute the CID, store nothing.

        Raises:
            InputError: The node cannot cut as the profile says.
            ContentFormatError: The node's answer names no root.
        """
        where = Path(path)
        options: Options = {"pin": pin, "only-hash": only_hash, "progress": False}
        options |= _profile_options(profile)
        root: Cid | None = None
        body = Form(parts_of(where))
        for row in self._values("add", options=options, body=body):
            if "Hash" in row and row.get("Name") in {where.name, ""}:
                root = cid_said(row["Hash"])
        if root is None:
            raise ContentFormatError(f"{self.url} named no root for {where}")
        return root

    def iter_cat(self, cid: Cid, *, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Bytes of a file, as the node puts them together: not verified.

        Raises:
            ContentNotFoundError: The node cannot find it.
            ConnectivityError: The stream broke, or the node said so at its end.
        """
        options: Options = {"offset": offset}
        if length is not None:
            options["length"] = length
        with self._call("cat", str(cid), options=options) as reply:
            piece = memoryview(bytearray(_PIECE_BYTES))
            while size := reply.read_into(piece):
                yield bytes(piece[:size])
            check_trailer(reply)

    def ls(self, cid: Cid) -> list[dict[str, Any]]:
        """Entries of a directory: ``Name``, ``Hash``, ``Size``, ``Type``."""
        objects = self._value("ls", str(cid)).get("Objects") or [{}]
        return list(objects[0].get("Links") or [])

    # -- blocks ----------------------------------------------------------------------------------

    def block_get(self, cid: Cid) -> bytes:
        """A block, verified."""
        with self._call("block/get", str(cid)) as reply:
            block = bytes(reply.read_body(MAX_BLOCK_BYTES))
            check_trailer(reply)
        cid.verify(block)
        return block

    def block_put(self, data: bytes, *, codec: int = Codec.RAW, pin: bool = False) -> Cid:
        """Store a block under its sha2-256 CID."""
        options: Options = {"cid-codec": _CODECS[Codec(codec)], "mhtype": "sha2-256", "pin": pin}
        body = Form([("block", data)])
        return cid_said(self._value("block/put", options=options, body=body).get("Key"))

    def block_stat(self, cid: Cid, *, offline: bool = False) -> int:
        """Bytes of a block."""
        options: Options = {"offline": True} if offline else {}
        return int(self._value("block/stat", str(cid), options=options).get("Size", 0))

    def dag_get(self, cid: Cid) -> Any:  # noqa: ANN401 — any IPLD value
        """A node as DAG-JSON, as the node decodes it: not verified."""
        with self._call("dag/get", str(cid), options={"output-codec": "dag-json"}) as reply:
            return parse_json(bytes(reply.read_body(_MAX_LINE_BYTES)), reply.url)

    def dag_stat(self, cid: Cid) -> dict[str, Any]:
        """``dag/stat``: sizes and counts below a root."""
        rows = list(self._values("dag/stat", str(cid), options={"progress": False}))
        return rows[-1] if rows else {}

    def dag_export(self, cid: Cid) -> Iterator[tuple[Cid, bytes]]:
        """Every block below a root, from one CAR, each verified.

        Raises:
            BlockMismatchError: A block is wrong.
            ConnectivityError: The stream broke, or the node said so at its end.
        """
        with self._call("dag/export", str(cid), options={"progress": False}) as reply:
            for name, block in iter_frames(reply):
                name.verify(block)
                yield name, bytes(block)
            check_trailer(reply)

    def dag_import(self, stream: BinaryIO, *, pin_roots: bool = True) -> list[Cid]:
        """Hand a CAR to the node; returns its roots."""
        body = Form([("car", stream)])
        rows = self._values("dag/import", options={"pin-roots": pin_roots}, body=body)
        roots: list[Cid] = []
        for row in rows:
            root = row.get("Root")
            if isinstance(root, dict):
                if root.get("PinErrorMsg"):
                    raise ContentNotFoundError(f"{self.url} cannot pin: {root['PinErrorMsg']}")
                roots.append(cid_said(root.get("Cid", {}).get("/")))
        return roots

    # -- pins and routing ------------------------------------------------------------------------

    def pin_add(self, cid: Cid) -> None:
        """Keep everything below a root."""
        for _ in self._values("pin/add", str(cid)):
            pass

    def pin_rm(self, cid: Cid) -> None:
        """Keep it no longer."""
        self._value("pin/rm", str(cid))

    def pin_ls(self, *, kind: str = "recursive") -> dict[Cid, str]:
        """Pinned CIDs and how they are pinned."""
        rows = self._values("pin/ls", options={"type": kind, "stream": True})
        return {cid_said(row["Cid"]): str(row.get("Type", "")) for row in rows if "Cid" in row}

    def provide(self, cid: Cid, *, recursive: bool = False) -> None:
        """Announce to the routing system that the node has a block."""
        for _ in self._values("routing/provide", str(cid), options={"recursive": recursive}):
            pass

    def close(self) -> None:
        """Drop connections."""
        self._pool.close()

    # -- the wire --------------------------------------------------------------------------------

    @contextmanager
    def call(
        self,
        command: str,
        *arguments: str,
        options: Mapping[str, str | int | bool] | None = None,
        patience: Patience,
        body: Form | None = None,
    ) -> Iterator[Reply]:
        """Send a command; its answer must be read within the context.

        Raises:
            Cancelled: While waiting.
            ContentNotFoundError: The node says that it cannot find the content.
            AccessDeniedError: It wants other credentials.
            ConnectivityError: It cannot be reached, is silent, or failed.
        """
        pairs = [("arg", argument) for argument in arguments]
        pairs += [
            (name, json.dumps(value) if isinstance(value, bool) else str(value))
            for name, value in (options or {}).items()
        ]
        url = f"{self.url}/api/v0/{command}" + (f"?{urlencode(pairs)}" if pairs else "")
        headers = {} if body is None else {"Content-Type": body.media_type}
        sent = b"" if body is None else iter(body)
        with self._pool.request("POST", url, patience=patience, headers=headers, body=sent) as r:
            if r.status != 200:
                raise node_error(r, command, arguments)
            yield r

    @contextmanager
    def _call(
        self,
        command: str,
        *arguments: str,
        options: Mapping[str, str | int | bool] | None = None,
        body: Form | None = None,
    ) -> Iterator[Reply]:
        patience = Patience(threading.Event(), self.timeout_s)
        with self.call(command, *arguments, options=options, patience=patience, body=body) as reply:
            yield reply

    def _values(
        self,
        command: str,
        *arguments: str,
        options: Mapping[str, str | int | bool] | None = None,
        body: Form | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Objects of a stream, one a line; an error may come as one of them or in the trailer."""
        with self._call(command, *arguments, options=options, body=body) as reply:
            for line in reply.iter_lines(_MAX_LINE_BYTES):
                if not line:
                    continue
                row = parse_json(line, reply.url)
                if not isinstance(row, dict):
                    raise ContentFormatError(f"{reply.url} sends {line[:80]!r}, not an object")
                if row.get("Type") == "error" and "Message" in row:
                    raise failure_said(str(row["Message"]), command, arguments)
                yield row
            check_trailer(reply)

    def _value(
        self,
        command: str,
        *arguments: str,
        options: Mapping[str, str | int | bool] | None = None,
        body: Form | None = None,
    ) -> dict[str, Any]:
        rows = list(self._values(command, *arguments, options=options, body=body))
        return rows[0] if rows else {}


class KuboSource:
    """Blocks from a Kubo node, which may find them in its own network.

    Args:
        client: The node; closed with the source.
        is_offline: Only what the node has itself.
    """

    def __init__(self, client: KuboClient, *, is_offline: bool = False) -> None:
        self._client = client
        self._is_offline = is_offline

    @property
    def name(self) -> str:
        """See `Source.name`."""
        return f"{self.kind}:{self._client.url}"

    @property
    def kind(self) -> SourceKind:
        """See `Source.kind`."""
        return SourceKind.KUBO

    def probe(self) -> Support:
        """See `Source.probe`."""
        from ipfs_accelerate.hardware import Support

        patience = Patience(threading.Event(), _PROBE_S)
        try:
            with self._client.call("version", patience=patience) as reply:
                answer = parse_json(bytes(reply.read_body(_MAX_ERROR_BYTES)), reply.url)
        except AccelerateError as error:
            return Support.no(error.message, error.hint)
        version = answer.get("Version", "?") if isinstance(answer, dict) else "?"
        return Support.yes(f"Kubo {version} at {self._client.url}")

    def available(self, wants: Sequence[Want]) -> list[bool | None]:
        """Only trying tells: the node may find what it does not have."""
        return [None] * len(wants)

    def fetch(
        self, wants: Sequence[Want], deliver: Deliver, *, cancel: Event, timeout_s: float
    ) -> None:
        """See `Source.fetch`. One ``block/get`` each, over kept connections."""
        patience = Patience(cancel, timeout_s)
        options: Options = {"timeout": f"{max(1, int(timeout_s))}s"}
        if self._is_offline:
            options["offline"] = True
        try:
            for want in wants:
                patience.check()
                with self._client.call(
                    "block/get", str(want.cid), options=options, patience=patience
                ) as reply:
                    block = reply.read_body(MAX_BLOCK_BYTES)
                    check_trailer(reply)
                    deliver(want, block)
        except Cancelled:
            return

    def close(self) -> None:
        """See `Source.close`."""
        self._client.close()


def _profile_options(profile: ImportProfile | None) -> Options:
    """Source: the options of ``ipfs add``, with ``max-file-links`` since Kubo 0.34."""
    if profile is None:
        return {}
    if profile.chunker != "size":
        raise InputError(
            f"a Kubo node cannot cut by {profile.chunker!r} as {profile.name} does",
            hint="import here, export a CAR and hand it over with dag_import",
        )
    return {
        "cid-version": profile.cid_version,
        "raw-leaves": profile.raw_leaves,
        "chunker": f"size-{profile.chunk_bytes}",
        "hash": _HASHES[Hash(profile.hash_code)],
        "max-file-links": profile.file_links,
        "max-hamt-fanout": profile.directory_fanout,
    }
