"""Requests to other nodes: greeting them, and hearing what they have as long as they live."""

from __future__ import annotations

import hmac
import json
import secrets
import threading
from typing import TYPE_CHECKING

from ipfs_accelerate.content.peers.wire import (
    HAVE_PATH,
    HELLO_PATH,
    MAX_HELLO_BYTES,
    MAX_LINE_BYTES,
    PROVE_PATH,
    Hello,
    Record,
    State,
    proof_of,
    read_line,
)
from ipfs_accelerate.content.sources._http import Cancelled, HttpPool, Patience, Reply, refusal
from ipfs_accelerate.errors import AccelerateError, AccessDeniedError, ContentFormatError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Listener", "PeerClient"]

_ANSWER_S = 3.0
_JSON = {"Content-Type": "application/json"}


class PeerClient:
    """Greets peers. The team token goes only to who was configured or proved to hold it.

    Args:
        token: Of the team.
        cancel: Ends all requests.
    """

    def __init__(self, token: str | None, cancel: threading.Event) -> None:
        self._token, self._cancel = token, cancel
        self._open, self._pool = HttpPool(), HttpPool(token=token)
        self._proved: set[str] = set()

    def hello(self, url: str, own: Hello, *, is_trusted: bool) -> Hello:
        """Greet a peer and learn whom it knows.

        Raises:
            AccessDeniedError: It is not of the team, or says that we are not.
            ConnectivityError: It does not answer.
            ContentFormatError: It sent something else than a hello.
            Cancelled: The node is being closed.
        """
        if self._token is not None and not is_trusted and url not in self._proved:
            self._prove(url, self._token)
        return Hello.from_json(self._post(self._pool, url + HELLO_PATH, own.to_json()))

    def lines(self, url: str, root: str, cancel: threading.Event) -> _Lines:
        """What the peer says about a root."""
        return _Lines(self._pool, f"{url}{HAVE_PATH}{root}", cancel)

    def close(self) -> None:
        """Drop connections."""
        self._open.close()
        self._pool.close()

    def _prove(self, url: str, token: str) -> None:
        nonce = secrets.token_hex(16)
        body = json.dumps({"nonce": nonce, "url": url}).encode()
        try:
            answer = json.loads(self._post(self._open, url + PROVE_PATH, body))
            proof = str(answer["proof"])
        except (ValueError, KeyError, TypeError) as error:
            raise ContentFormatError(f"{url} sends no proof") from error
        if not hmac.compare_digest(proof.encode(), proof_of(token, nonce=nonce, url=url).encode()):
            raise AccessDeniedError(
                f"{url} does not know the token of this team", hint="it belongs to another one"
            )
        self._proved.add(url)

    def _post(self, pool: HttpPool, url: str, body: bytes) -> bytes:
        patience = Patience(self._cancel, _ANSWER_S)
        with pool.request(
            "POST", url, patience=patience, headers=_JSON, body=body, follows=False
        ) as reply:
            if reply.status != 200:
                raise refusal(reply, "a greeting")
            return bytes(reply.read_body(MAX_HELLO_BYTES))


class _Lines:
    def __init__(self, pool: HttpPool, url: str, cancel: threading.Event) -> None:
        self._pool, self._url, self._cancel = pool, url, cancel

    def each(self, take: Callable[[State | list[tuple[Record, int]]], None]) -> None:
        patience = Patience(self._cancel, _ANSWER_S)
        with self._pool.request("GET", self._url, patience=patience, follows=False) as reply:
            if reply.status != 200:
                raise refusal(reply, "what it has")
            self._read(reply, take)

    @staticmethod
    def _read(reply: Reply, take: Callable[[State | list[tuple[Record, int]]], None]) -> None:
        for line in reply.iter_lines(MAX_LINE_BYTES):
            take(read_line(line))


class Listener(threading.Thread):
    """Hears one peer about one root until one of the three ends.

    Args:
        client: For requests.
        url: Of the peer.
        root: CID as text.
        take: Called with each line.
        at_end: Called once with why it ended; empty when it was told to.
    """

    def __init__(
        self,
        client: PeerClient,
        url: str,
        root: str,
        *,
        take: Callable[[State | list[tuple[Record, int]]], None],
        at_end: Callable[[str], None],
    ) -> None:
        super().__init__(name=f"peer-listener-{url}", daemon=True)
        self._cancel = threading.Event()
        self._lines = client.lines(url, root, self._cancel)
        self._take, self._at_end = take, at_end

    def stop(self) -> None:
        """End soon; does not wait."""
        self._cancel.set()

    def run(self) -> None:
        """See `threading.Thread`."""
        reason = "the peer ended the stream"
        try:
            self._lines.each(self._take)
        except Cancelled:
            reason = ""
        except AccelerateError as error:
            reason = error.message
        self._at_end("" if self._cancel.is_set() else reason)
