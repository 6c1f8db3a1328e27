"""An IPFS node as a source, over bitswap 1.2: Helia, Kubo, or whatever else speaks it.

Needs the extra ``p2p``. Bytes that hash to no wanted name are handed on as the block that was
wanted longest, so that its receiver refuses them.
"""

from __future__ import annotations

import logging
import queue
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ipfs_accelerate.content.sources._bitswap_wants import Round, Waiter, WantList
from ipfs_accelerate.content.sources._bitswap_wire import Answer, Ask, decode, encode
from ipfs_accelerate.content.sources._libp2p import Connection
from ipfs_accelerate.content.sources.protocol import SourceKind
from ipfs_accelerate.errors import AccelerateError, ConnectivityError
from ipfs_accelerate.telemetry import MonotonicClock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from threading import Event

    from ipfs_accelerate.content.cid import Cid
    from ipfs_accelerate.content.sources.protocol import Deliver, Want
    from ipfs_accelerate.hardware import Support

__all__ = ["BitswapSource"]

_log = logging.getLogger(__name__)

#: Blocks asked for at once by one `fetch`. Helia gives itself ten seconds to send a message.
WINDOW_BLOCKS = 8
#: Names asked for at once by `available`. Source: Helia's want list holds 1,024.
_PRESENCES = 256
_CONNECT_S = 10.0
_PRESENCE_S = 10.0
_POLL_S = 0.05


class BitswapSource:
    """Blocks from one node, over one connection that is opened when it is first used.

    Args:
        address: Multiaddr of the node, with its peer id.
        window_blocks: Blocks asked for at once by one `fetch`.

    Example::

        source = BitswapSource("/ip4/192.0.2.7/tcp/4001/p2p/12D3KooW…")
    """

    kind = SourceKind.BITSWAP

    def __init__(self, address: str, *, window_blocks: int = WINDOW_BLOCKS) -> None:
        self._address = address
        self._window_blocks = window_blocks
        self._opening = threading.Lock()
        self._lock = threading.Lock()
        self._wants = WantList()
        self._mailboxes: set[_Mailbox] = set()
        self._connection: Connection | None = None

    @property
    def name(self) -> str:
        """``bitswap:<multiaddr>``."""
        return f"bitswap:{self._address}"

    def probe(self) -> Support:
        """See `Source.probe`: whether the node takes a connection."""
        from ipfs_accelerate.hardware import Support

        try:
            self._connected().wait_open(_CONNECT_S)
        except AccelerateError as error:
            return Support.no(error.message, error.hint)
        return Support.yes(f"{self._address} takes connections")

    def available(self, wants: Sequence[Want]) -> list[bool | None]:
        """See `Source.available`: what the node says; ``None`` for what is being fetched now."""
        found: dict[bytes, bool] = {}
        names = list({want.cid.multihash: want.cid for want in wants}.values())
        for start in range(0, len(names), _PRESENCES):
            self._collect(names[start : start + _PRESENCES], found)
        return [found.get(want.cid.multihash) for want in wants]

    def fetch(
        self, wants: Sequence[Want], deliver: Deliver, *, cancel: Event, timeout_s: float
    ) -> None:
        """See `Source.fetch`."""
        round_ = Round(wants, self._window_blocks)
        if not round_.is_open or cancel.is_set():
            return
        self._connected()  # loading libp2p is no silence of the node
        with self._mailbox(timeout_s=timeout_s) as mailbox:
            while round_.is_open and not cancel.is_set():
                self._ask(mailbox.waiter, round_.next_cids())
                answer = mailbox.next_answer()
                if answer is not None and not cancel.is_set():
                    round_.take(answer, deliver, cancel)

    def close(self) -> None:
        """See `Source.close`."""
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _collect(self, cids: list[Cid], found: dict[bytes, bool]) -> None:
        with self._lock:  # a question now would take back the want of who fetches it
            asked = [cid for cid in cids if not self._wants.is_wanted(cid)]
        missing = {cid.multihash for cid in asked}
        with self._mailbox(timeout_s=_PRESENCE_S, is_have=True) as mailbox:
            self._ask(mailbox.waiter, asked)
            while missing:
                answer = mailbox.next_answer()
                if answer is not None and answer.multihash in missing:
                    found[answer.multihash] = answer.is_present
                    missing.discard(answer.multihash)

    def _ask(self, waiter: Waiter, cids: list[Cid]) -> None:
        if not cids:
            return
        connection = self._connected()
        with self._lock:
            connection.send(encode(self._wants.ask(waiter, cids)))

    @contextmanager
    def _mailbox(self, *, timeout_s: float, is_have: bool = False) -> Iterator[_Mailbox]:
        mailbox = _Mailbox(self.name, timeout_s, is_have=is_have)
        with self._lock:
            self._mailboxes.add(mailbox)
        try:
            yield mailbox
        finally:
            with self._lock:
                self._mailboxes.discard(mailbox)
                self._cancel(self._wants.leave(mailbox.waiter))

    def _cancel(self, asks: list[Ask]) -> None:
        """Tell the node what nobody wants any more; the lock is held."""
        if self._connection is None or not asks:
            return
        try:
            self._connection.send(encode(asks))
        except ConnectivityError:
            _log.debug("%s went away before it could be told", self.name)

    def _connected(self) -> Connection:
        with self._opening:
            if self._connection is None or not self._connection.is_usable:
                made = Connection(self._address, on_message=self._on_message, on_end=self._fail)
                with self._lock:
                    self._connection = made
            return self._connection

    def _on_message(self, data: bytes) -> None:
        try:
            answers = decode(data)
        except AccelerateError as error:
            self._fail(error)
            return
        with self._lock:
            self._cancel(self._wants.take(answers))

    def _fail(self, error: AccelerateError) -> None:
        with self._lock:
            for mailbox in self._mailboxes:
                mailbox.letters.put(error)


class _Mailbox:
    """Where one call waits for its answers, with the patience it was given."""

    def __init__(self, name: str, timeout_s: float, *, is_have: bool) -> None:
        self.letters: queue.SimpleQueue[Answer | AccelerateError] = queue.SimpleQueue()
        self.waiter = Waiter(self.letters.put, is_have=is_have)
        self._name = name
        self._timeout_s = timeout_s
        self._heard_ns = MonotonicClock.now_ns()

    def next_answer(self) -> Answer | None:
        """The next answer; ``None`` when there is none at the moment.

        Raises:
            ConnectivityError: The silence lasts longer than allowed, or the connection ended.
        """
        try:
            found = self.letters.get(timeout=min(_POLL_S, self._timeout_s))
        except queue.Empty:
            silence_ns = MonotonicClock.now_ns() - self._heard_ns
            if silence_ns > self._timeout_s * 1e9:
                raise ConnectivityError(
                    f"{self._name} was silent for {self._timeout_s:g} s"
                ) from None
            return None
        if isinstance(found, AccelerateError):
            raise found
        self._heard_ns = MonotonicClock.now_ns()
        return found
