"""A loopback server that speaks the Hub's file protocol, with faults on demand.

For tests through the real `huggingface_hub` client. What it serves: model information with sizes
and hashes, the tree of a commit, file metadata, redirects of large files to a content-addressed
path (as to a CDN), ranges, private, gated and missing repositories with the Hub's error codes.

Source: https://huggingface.co/docs/hub/api and the client's own source (headers, error codes).
"""

# ruff: noqa: N802 — the methods are named by http.server

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

from ipfs_accelerate.testing.loopback import LoopbackHandler, ScriptedServer

__all__ = ["Fault", "HubServer", "Repository", "Request"]


@dataclass
class Repository:
    """A model on the server.

    Attributes:
        files: Path → content of the commit.
        commit: Its id; derived from the files when empty.
        refs: Branches and tags beside ``main`` that point to the commit.
        pipeline_tag: As stated in its information.
        lfs: Paths served as large files (redirect, sha256); by suffix when ``None``.
        token: Needed to see it; ``None`` is public.
        is_gated: Refuse those without the token as "gated" instead of hiding it.
    """

    files: dict[str, bytes]
    commit: str = ""
    refs: tuple[str, ...] = ()
    pipeline_tag: str | None = None
    lfs: frozenset[str] | None = None
    token: str | None = None
    is_gated: bool = False

    def __post_init__(self) -> None:
        if not self.commit:
            rows = sorted(
                (path, hashlib.sha256(data).hexdigest()) for path, data in self.files.items()
            )
            self.commit = hashlib.sha1(json.dumps(rows).encode(), usedforsecurity=False).hexdigest()

    def is_lfs(self, path: str) -> bool:
        """Whether a path is served as a large file."""
        if self.lfs is not None:
            return path in self.lfs
        return path.endswith((".safetensors", ".onnx", ".bin", ".onnx_data", ".pt"))

    def sibling(self, path: str) -> dict[str, object]:
        """The row of a file in the information about the model."""
        data = self.files[path]
        row: dict[str, object] = {"rfilename": path, "size": len(data), "blobId": git_id(data)}
        if self.is_lfs(path):
            row["lfs"] = {"sha256": sha256(data), "size": len(data), "pointerSize": 134}
        return row

    def tree_entry(self, path: str) -> dict[str, object]:
        """The row of a file in the tree of the commit."""
        data = self.files[path]
        row: dict[str, object] = {"type": "file", "path": path, "size": len(data)}
        row["oid"] = git_id(data)
        if self.is_lfs(path):
            row["lfs"] = {"oid": sha256(data), "size": len(data), "pointerSize": 134}
        return row


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one request.

    Attributes:
        status: Answer with this status instead.
        headers: Further headers of that answer, e.g. ``{"Retry-After": "3"}``.
        cut_at: Announce the whole body, send this many bytes of it, close the connection.
        shorten_to: Announce and send only this many bytes, as if it were the whole file.
        flip_at: Invert the byte at this position of the body.
        is_reset: Close the connection without any answer.
        stall_at: Send this many bytes, then nothing until the server stops.
    """

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_at: int | None = None
    shorten_to: int | None = None
    flip_at: int | None = None
    is_reset: bool = False
    stall_at: int | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """A request as the server saw it."""

    method: str
    path: str
    range: str | None
    authorization: str | None


def sha256(data: bytes) -> str:
    """Hex digest."""
    return hashlib.sha256(data).hexdigest()


def git_id(data: bytes) -> str:
    """The id git gives to a content."""
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data, usedforsecurity=False).hexdigest()


class HubServer(ScriptedServer[Request, Fault]):
    """The server; a context manager that listens while entered.

    Example:
        >>> with HubServer({"org/model": Repository({"config.json": b"{}"})}) as hub:
        ...     hub.endpoint.startswith("http://127.0.0.1:")
        True
    """

    def __init__(self, repositories: Mapping[str, Repository]) -> None:
        super().__init__(_Handler)
        self.repositories = dict(repositories)

    @property
    def endpoint(self) -> str:
        """Base URL for ``Settings.hub_endpoint``."""
        return self.url

    @property
    def cdn(self) -> str:
        """Base URL of large files: another host name, so that clients withhold the token."""
        return f"http://localhost:{self.port}"

    def fail(self, fault: Fault, *, times: int = 1, path: str = "", method: str = "") -> None:
        """Let the next ``times`` requests fail whose path contains ``path`` (and of ``method``)."""

        def fits(request: Request) -> bool:
            return path in request.path and method in {"", request.method}

        self.fail_where(fits, fault, times=times)

    def count(self, path: str, *, method: str = "GET") -> int:
        """How many requests of a method had this in their path."""
        with self._lock:
            return sum(path in r.path and r.method == method for r in self.requests)


@dataclass
class _Answer:
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class _Handler(LoopbackHandler):
    @property
    def _hub(self) -> HubServer:
        assert isinstance(self.server.owner, HubServer)
        return self.server.owner

    def do_HEAD(self) -> None:
        """Answer without a body."""
        self._serve()

    def do_GET(self) -> None:
        """Answer."""
        self._serve()

    def _serve(self) -> None:
        self.close_connection = True
        request = Request(
            self.command, self.path, self.headers.get("Range"), self.headers.get("Authorization")
        )
        fault = self._hub.take_fault(request)
        if fault is not None and fault.is_reset:
            return
        if fault is not None and fault.status is not None:
            self._send(_Answer(fault.status, dict(fault.headers), b"{}"), None)
            return
        self._send(_route(self._hub, request), fault)

    def _send(self, answer: _Answer, fault: Fault | None) -> None:
        body = answer.body
        if fault is not None and fault.flip_at is not None and fault.flip_at < len(body):
            at = fault.flip_at
            body = body[:at] + bytes([body[at] ^ 0xFF]) + body[at + 1 :]
        if fault is not None and fault.shorten_to is not None:
            body = body[: fault.shorten_to]
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command == "HEAD":
            return
        try:
            self._write(body, fault)
        except ConnectionError:  # the client gave up, as some tests want
            return

    def _write(self, body: bytes, fault: Fault | None) -> None:
        if fault is not None and fault.cut_at is not None:
            self.wfile.write(body[: fault.cut_at])
        elif fault is not None and fault.stall_at is not None:
            self.wfile.write(body[: fault.stall_at])
            self.wfile.flush()
            self._hub.stopping.wait()
        else:
            self.wfile.write(body)


def _route(hub: HubServer, request: Request) -> _Answer:
    url = urlsplit(request.path)
    parts = [unquote(part) for part in url.path.strip("/").split("/")]
    if parts[0] == "cdn":
        return _content(hub, parts[1], request)
    if parts[:2] == ["api", "models"]:
        return _api(hub, parts[2:], parse_qs(url.query), request)
    if "resolve" in parts:
        at = parts.index("resolve")
        return _file(hub, "/".join(parts[:at]), parts[at + 1], "/".join(parts[at + 2 :]), request)
    return _Answer(404)


def _error(status: int, code: str, message: str) -> _Answer:
    body = json.dumps({"error": message}).encode()
    return _Answer(status, {"X-Error-Code": code, "X-Error-Message": message}, body)


def _find(hub: HubServer, name: str, revision: str, request: Request) -> Repository | _Answer:
    repository = hub.repositories.get(name)
    is_known = request.authorization is not None
    if repository is None:
        if is_known:
            return _error(404, "RepoNotFound", "Repository not found")
        return _error(401, "RepoNotFound", "Invalid username or password.")
    if repository.token and request.authorization != f"Bearer {repository.token}":
        if repository.is_gated:
            return _error(
                403 if is_known else 401, "GatedRepo", "Access to this model is restricted"
            )
        return _error(404 if is_known else 401, "RepoNotFound", "Repository not found")
    if revision not in {"main", repository.commit, *repository.refs}:
        return _error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
    return repository


def _api(
    hub: HubServer, parts: list[str], query: Mapping[str, list[str]], request: Request
) -> _Answer:
    verb = next((v for v in ("revision", "tree") if v in parts), None)
    at = parts.index(verb) if verb else len(parts)
    name, revision = "/".join(parts[:at]), parts[at + 1] if verb else "main"
    found = _find(hub, name, revision, request)
    if isinstance(found, _Answer):
        return found
    rows = [found.sibling(path) for path in sorted(found.files)]
    document: object
    if verb == "tree":
        document = [found.tree_entry(path) for path in sorted(found.files)]
    else:
        siblings = rows if "blobs" in query else [{"rfilename": r["rfilename"]} for r in rows]
        document = {"id": name, "modelId": name, "sha": found.commit, "private": bool(found.token),
                    "tags": [], "downloads": 0, "likes": 0, "pipeline_tag": found.pipeline_tag,
                    "siblings": siblings}  # fmt: skip
    return _Answer(200, {"Content-Type": "application/json"}, json.dumps(document).encode())


def _file(hub: HubServer, name: str, revision: str, path: str, request: Request) -> _Answer:
    found = _find(hub, name, revision, request)
    if isinstance(found, _Answer):
        return found
    headers = {"X-Repo-Commit": found.commit, "Accept-Ranges": "bytes"}
    data = found.files.get(path)
    if data is None:
        missing = _error(404, "EntryNotFound", "Entry not found")
        missing.headers |= headers
        return missing
    if not found.is_lfs(path):
        return _ranged(data, headers | {"ETag": f'"{git_id(data)}"'}, request)
    digest = sha256(data)
    headers |= {
        "X-Linked-ETag": f'"{digest}"',
        "X-Linked-Size": str(len(data)),
        "ETag": f'"{digest}"',
        "Location": f"{hub.cdn}/cdn/{digest}?signature=secret-of-the-cdn",
    }
    return _Answer(302, headers)


def _content(hub: HubServer, digest: str, request: Request) -> _Answer:
    for repository in hub.repositories.values():
        for data in repository.files.values():
            if sha256(data) == digest:
                return _ranged(data, {"ETag": f'"{digest}"', "Accept-Ranges": "bytes"}, request)
    return _Answer(404)


def _ranged(data: bytes, headers: dict[str, str], request: Request) -> _Answer:
    if request.range is None:
        return _Answer(200, headers, data)
    first, _, last = request.range.removeprefix("bytes=").partition("-")
    begin, end = int(first), min(int(last) if last else len(data) - 1, len(data) - 1)
    if begin > end:
        return _Answer(416, headers | {"Content-Range": f"bytes */{len(data)}"})
    headers = headers | {"Content-Range": f"bytes {begin}-{end}/{len(data)}"}
    return _Answer(206, headers, data[begin : end + 1])
