# ruff: noqa: ANN401 — an extra that is not always here has no types
"""One libp2p connection in a thread of its own: whole messages out, whole messages in.

py-libp2p gives the transport (TCP, Noise, Yamux) and the stream negotiation. What the messages
say, what the blocks are called and whether they are right is decided by the caller.

Source: https://specs.ipfs.tech/bitswap-protocol/ (1.2.0; a message is preceded by its length, a
varint, and the other side answers on streams that it opens itself).
"""

from __future__ import annotations

import importlib
import logging
import threading
from typing import TYPE_CHECKING, Any

from ipfs_accelerate.content.cid import varint
from ipfs_accelerate.errors import ConfigurationError, ConnectivityError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MAX_MESSAGE_BYTES", "PROTOCOL", "READ_BYTES", "Connection", "Frames", "module"]

_log = logging.getLogger(__name__)

PROTOCOL = "/ipfs/bitswap/1.2.0"
#: Largest message sent or taken. Source: the protocol's limit of 4 MiB, plus its framing.
MAX_MESSAGE_BYTES = 4 * 2**20 + 64 * 1024
READ_BYTES = 256 * 1024
_CONNECT_S = 10.0
_NEGOTIATE_S = 10.0
_CLOSE_S = 2.0
_JOIN_S = 5.0
_QUEUED_MESSAGES = 1024


def module(name: str) -> Any:
    """A module of the extra ``p2p``.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtraError("p2p", needed_for="bitswap", module="libp2p") from error


class Connection:
    """A connection to one peer, opened in the background; what is sent before is sent then.

    Args:
        address: Multiaddr of the peer, ending in ``/p2p/<peer id>``.
        on_message: Called in the connection's thread with each message, unparsed.
        on_end: Called once in that thread, with the reason, when the connection has ended or
            could not be made.

    Raises:
        ConfigurationError: The address is no multiaddr of a peer.
        MissingExtraError: libp2p is not installed.
    """

    def __init__(
        self,
        address: str,
        *,
        on_message: Callable[[bytes], None],
        on_end: Callable[[ConnectivityError], None],
    ) -> None:
        self._trio = module("trio")
        self._peer = _peer_of(address)
        self._address = address
        self._on_message = on_message
        self._on_end = on_end
        self._outgoing, self._messages = self._trio.open_memory_channel(_QUEUED_MESSAGES)
        self._scope = self._trio.CancelScope()
        self._token: Any = None
        self._is_running = threading.Event()
        self._is_settled = threading.Event()
        self._failure: ConnectivityError | None = None
        self._has_ended = False
        self._thread = threading.Thread(target=self._run, name=f"bitswap {address}", daemon=True)
        self._thread.start()
        self._is_running.wait()

    @property
    def is_usable(self) -> bool:
        """Whether it is being made or open."""
        return not self._has_ended

    def wait_open(self, timeout_s: float) -> None:
        """Wait until the connection stands.

        Raises:
            ConnectivityError: It does not.
        """
        is_settled = self._is_settled.wait(timeout_s)
        if self._failure is not None:
            raise self._failure
        if not is_settled:
            raise ConnectivityError(f"{self._address} did not answer for {timeout_s:g} s")

    def send(self, message: bytes) -> None:
        """Queue a message behind those queued before.

        Raises:
            ConnectivityError: The connection has ended.
        """
        if not self.is_usable:
            raise self._failure or ConnectivityError(f"{self._address} ended the connection")
        self._soon(self._queue, varint(len(message)) + message)

    def close(self) -> None:
        """End the connection and its thread."""
        self._soon(self._end)
        self._thread.join(_JOIN_S)

    def _soon(self, function: Callable[..., None], *values: object) -> None:
        try:
            self._token.run_sync_soon(function, *values)
        except self._trio.RunFinishedError:
            _log.debug("the connection to %s had ended before", self._address)

    def _end(self) -> None:
        self._has_ended = True
        self._scope.cancel()

    def _queue(self, framed: bytes) -> None:
        try:
            self._outgoing.send_nowait(framed)
        except self._trio.WouldBlock:
            _log.warning("%s takes no messages any more", self._address)
            self._end()

    def _run(self) -> None:
        reason: BaseException | None = None
        try:
            self._trio.run(self._main)
        except BaseException as error:  # noqa: BLE001 — the border of a thread
            reason = error
        self._failure = ConnectivityError(
            f"no libp2p connection to {self._address} ({_innermost(reason)})",
            hint="is the node running, and does it listen on TCP with Noise and Yamux?",
        )
        self._failure.__cause__ = reason
        self._has_ended = True
        self._is_running.set()
        self._is_settled.set()
        self._on_end(self._failure)

    async def _main(self) -> None:
        self._token = self._trio.lowlevel.current_trio_token()
        self._is_running.set()
        host = module("libp2p").new_host(connection_config=_only_this_peer())
        host.get_network().retry_config = module("libp2p.network.config").RetryConfig(max_retries=0)
        host.set_stream_handler(PROTOCOL, self._receive)
        host.get_network().register_notifee(self._watcher())
        async with host.run(listen_addrs=[]):
            try:
                with self._scope:
                    await self._talk(host)
            finally:
                with self._trio.move_on_after(_CLOSE_S, shield=True):
                    await host.close()

    async def _talk(self, host: Any) -> None:
        with self._trio.fail_after(_CONNECT_S):
            await host.connect(self._peer)
        self._is_settled.set()
        async for framed in self._messages:
            await self._transmit(host, framed)

    async def _transmit(self, host: Any, framed: bytes) -> None:
        # A stream a message: Helia aborts a stream that was silent for ten seconds.
        with self._trio.fail_after(_NEGOTIATE_S):
            stream = await host.new_stream(self._peer.peer_id, [PROTOCOL])
            await stream.write(framed)
            await stream.close_write()

    async def _receive(self, stream: Any) -> None:
        """Take the messages of a stream that the other side opened."""
        if stream.muxed_conn.peer_id != self._peer.peer_id:
            await stream.reset()
            return
        frames = Frames()
        try:
            while data := await stream.read(READ_BYTES):
                for message in frames.feed(data):
                    self._on_message(message)
        except (ValueError, ConnectivityError):
            _log.warning("%s sent a message that is too long or cut short", self._address)
            self._end()
        except module("libp2p.network.stream.exceptions").StreamError:
            _log.debug("%s ended a stream", self._address)
        finally:
            await self._leave(stream)

    async def _leave(self, stream: Any) -> None:
        with self._trio.move_on_after(1):
            try:
                await stream.close()
            except Exception:  # noqa: BLE001 — it was the other side's to close
                _log.debug("a stream of %s was closed already", self._address)

    def _watcher(self) -> Any:
        """Ends this connection when the other side does."""

        async def ended(*_: object) -> None:
            self._end()

        async def nothing(*_: object) -> None: ...

        names = ("connected", "opened_stream", "closed_stream", "listen", "listen_close")
        hooks = dict.fromkeys(names, nothing) | {"disconnected": ended}
        return type("Watcher", (module("libp2p.abc").INotifee,), hooks)()


class Frames:
    """Cuts a stream into its messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that ``data`` completes.

        Raises:
            ValueError: A length is over `MAX_MESSAGE_BYTES`.
        """
        self._buffer += data
        found = []
        while (head := self._head()) is not None:
            start, end = head
            if len(self._buffer) < end:
                break
            found.append(bytes(self._buffer[start:end]))
            del self._buffer[:end]
        return found

    def _head(self) -> tuple[int, int] | None:
        size = 0
        for at, byte in enumerate(self._buffer[:5]):
            size |= (byte & 0x7F) << 7 * at
            if size > MAX_MESSAGE_BYTES or (at == 4 and byte > 0x7F):
                raise ValueError(f"a message of {size} bytes")
            if byte < 0x80:
                return at + 1, at + 1 + size
        return None


def _peer_of(address: str) -> Any:
    multiaddr = module("multiaddr")
    peerinfo = module("libp2p.peer.peerinfo")
    try:
        return peerinfo.info_from_p2p_addr(multiaddr.Multiaddr(address))
    except (ValueError, LookupError, multiaddr.exceptions.Error) as error:
        raise ConfigurationError(
            f"not the multiaddr of a peer: {address!r} ({error})",
            hint="it looks like /ip4/192.0.2.7/tcp/4001/p2p/12D3KooW…",
        ) from error


def _only_this_peer() -> Any:
    """No connection is ever made by itself; who asked decides about retries."""
    return module("libp2p.network.config").ConnectionConfig(
        min_connections=0, low_watermark=0, high_watermark=0, auto_connect_interval=86_400.0
    )


def _innermost(error: BaseException | None) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}" if error else "it ended"
