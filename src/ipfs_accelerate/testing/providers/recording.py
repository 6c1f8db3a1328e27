"""Recording a real service, and serving the recording again."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ipfs_accelerate.errors import ConfigurationError, MissingExtraError
from ipfs_accelerate.testing.providers._loopback import Loopback
from ipfs_accelerate.testing.providers._serving import ClientLeftError
from ipfs_accelerate.testing.providers.cassette import (
    Exchange,
    body_hash,
    credentials,
    read_cassette,
    safe_path,
    to_line,
)
from ipfs_accelerate.testing.providers.dialect import to_json
from ipfs_accelerate.testing.providers.script import chunk, head

if TYPE_CHECKING:
    from collections.abc import Mapping

    import aiohttp

    from ipfs_accelerate.testing.providers._http import Incoming
    from ipfs_accelerate.testing.providers._serving import Wire

__all__ = ["Recorder", "Replay"]

_NOT_FORWARDED = {
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "accept-encoding",
    "expect",
}
_KEPT = ("content-type", "retry-after")
_KEPT_PARTS = ("ratelimit",)


class Recorder(Loopback):
    """Passes requests on to a service and writes what it answers into a file.

    The answer reaches the caller as it comes; one that the service cuts is not recorded. No key is
    written: headers of requests are not kept, and the keys of a request are blotted out of its
    path and of the answer. What was asked is kept as a hash; what was answered is kept in full.

    Args:
        upstream_url: Address of the service, as clients are given it.
        cassette: File to append to.
        port: 0 for any.

    Raises:
        ConfigurationError: The address is none.
    """

    def __init__(self, upstream_url: str, cassette: str | Path, *, port: int = 0) -> None:
        super().__init__("recorder", port=port)
        parts = urlsplit(upstream_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ConfigurationError(
                "the address of the service to record begins with http:// or https://"
            )
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._root = parts.path.rstrip("/")
        self._path = Path(cassette)
        self._session: aiohttp.ClientSession | None = None

    @property
    def url(self) -> str:
        """Address to give to clients."""
        return f"http://127.0.0.1:{self.port}{self._root}"

    async def _handle(self, request: Incoming, wire: Wire) -> None:
        import aiohttp

        headers = {n: v for n, v in request.headers.items() if n not in _NOT_FORWARDED}
        try:
            answer = await self._client().request(
                request.method,
                self._origin + request.path,
                data=request.body or None,
                headers={**headers, "Accept-Encoding": "identity"},
                allow_redirects=False,
            )
        except aiohttp.ClientError as error:
            body = to_json({"error": {"message": f"the service cannot be reached: {error}"}})
            await wire.send(head("recorder", 502, len(body)) + body)
            return
        try:
            async with answer:
                exchange = await self._passed_on(request, answer, wire)
        except aiohttp.ClientError:  # half an answer is passed on as such and not recorded
            wire.reset()
            return
        with self._path.open("a", encoding="utf-8") as file:
            file.write(to_line(exchange, credentials(request.path, request.headers)) + "\n")
        await wire.send(b"0\r\n\r\n")

    async def _passed_on(
        self, request: Incoming, answer: aiohttp.ClientResponse, wire: Wire
    ) -> Exchange:
        kept = {name: value for name, value in answer.headers.items() if _is_kept(name)}
        media_type = answer.headers.get("Content-Type", "application/json")
        await wire.send(_start("recorder", answer.status, media_type, kept))
        clock = asyncio.get_running_loop().time
        pieces, before_s = [], clock()
        async for data in answer.content.iter_any():
            pieces.append((clock() - before_s, data))
            before_s = clock()
            with contextlib.suppress(ClientLeftError):  # the recording is whole nevertheless
                await wire.send(chunk(data))
        hashed = body_hash(request.body)
        path = safe_path(request.path)
        return Exchange(request.method, path, hashed, answer.status, kept, tuple(pieces))

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            try:
                import aiohttp
            except ImportError as error:
                raise MissingExtraError(
                    "gateway", needed_for="recording a service", module="aiohttp"
                ) from error
            self._session = aiohttp.ClientSession()
        return self._session

    async def _shut(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None
        await super()._shut()


class Replay(Loopback):
    """Serves what was recorded; several recordings of one request are served in turn.

    Requests are matched by method, path and body; one that was not recorded gets a 404 that says
    so. Keys play no part.

    Args:
        cassette: File that a `Recorder` wrote.
        is_paced: Pieces come at the times at which they came; otherwise at once.
        port: 0 for any.

    Raises:
        InputError: The file holds something else.
    """

    def __init__(self, cassette: str | Path, *, is_paced: bool = False, port: int = 0) -> None:
        super().__init__("replay", port=port)
        self._is_paced = is_paced
        self._known: dict[tuple[str, str, str], list[Exchange]] = defaultdict(list)
        for exchange in read_cassette(Path(cassette)):
            self._known[exchange.key].append(exchange)

    @property
    def url(self) -> str:
        """Address of the root; append the path that the recorded service has, e.g. ``/v1``."""
        return f"http://127.0.0.1:{self.port}"

    async def _handle(self, request: Incoming, wire: Wire) -> None:
        path = safe_path(request.path)
        found = self._known.get((request.method, path, body_hash(request.body)))
        if not found:
            body = to_json(self._unknown(request.method, path))
            await wire.send(head("replay", 404, len(body)) + body)
            return
        exchange = found.pop(0) if len(found) > 1 else found[0]
        media_type = exchange.headers.get("Content-Type", "application/json")
        await wire.send(_start("replay", exchange.status, media_type, exchange.headers))
        for after_s, data in exchange.pieces:
            if self._is_paced and after_s:
                await wire.wait(after_s)
            await wire.send(chunk(data))
        await wire.send(b"0\r\n\r\n")

    def _unknown(self, method: str, path: str) -> object:
        others = sum(known[:2] == (method, path) for known in self._known)
        message = f"{method} {path} was not recorded with this body"
        message += f", but {others} times with others" if others else ", nor with any other"
        return {"error": {"message": message, "type": "not_recorded", "code": "not_recorded"}}


def _is_kept(name: str) -> bool:
    return name.lower() in _KEPT or any(part in name.lower() for part in _KEPT_PARTS)


def _start(name: str, status: int, media_type: str, kept: Mapping[str, str]) -> bytes:
    fields = {field: value for field, value in kept.items() if field.lower() != "content-type"}
    fields["Transfer-Encoding"] = "chunked"
    return head(name, status, media_type=media_type, more=fields)
