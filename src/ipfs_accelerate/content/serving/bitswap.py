"""What a store holds, over bitswap 1.2: for IPFS nodes that dial this one. Needs the extra ``p2p``.

There is no announcing: whoever reads has been told the address.

Source: https://specs.ipfs.tech/bitswap-protocol/
"""

# ruff: noqa: ANN401 — an extra that is not always here has no types

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Self

from ipfs_accelerate.content.cid import varint
from ipfs_accelerate.content.sources._bitswap_wire import Ask, answer, wants_of
from ipfs_accelerate.content.sources._libp2p import PROTOCOL, READ_BYTES, Frames, module
from ipfs_accelerate.errors import AccelerateError, ConfigurationError, ContentNotFoundError

if TYPE_CHECKING:
    from ipfs_accelerate.content.blocks import BlockReader

__all__ = ["BitswapServer"]

_log = logging.getLogger(__name__)

#: Most blocks a peer may wait for; what it asks for beyond is dropped. Source: Helia's limit.
MAX_WANTED = 1024
_SEND_S = 30.0
_SILENCE_S = 60.0
_CLOSE_S = 2.0
_JOIN_S = 5.0


class BitswapServer:
    """Answers want lists out of a store; starts at once, on a thread of its own.

    Args:
        store: Its blocks; nothing else is ever given out.
        listen: Multiaddr to listen on.

    Raises:
        ConfigurationError: The address cannot be listened on.
        MissingExtraError: libp2p is not installed.

    Example::

        with BitswapServer(store) as server:
            print(server.address)  # /ip4/127.0.0.1/tcp/41811/p2p/12D3KooW…
    """

    def __init__(self, store: BlockReader, *, listen: str = "/ip4/127.0.0.1/tcp/0") -> None:
        self._trio = module("trio")
        self._store = store
        self._listen = listen
        self._wanted: dict[Any, OrderedDict[bytes, Ask]] = {}
        self._host: Any = None
        self._nursery: Any = None
        self._token: Any = None
        self._scope = self._trio.CancelScope()
        self._is_settled = threading.Event()
        self._failure: BaseException | None = None
        self.address = ""
        self._thread = threading.Thread(target=self._run, name="content-bitswap", daemon=True)
        self._thread.start()
        self._is_settled.wait()
        if not self.address:
            self._thread.join(_JOIN_S)
            raise ConfigurationError(
                f"bitswap cannot listen on {listen!r}", hint="like /ip4/127.0.0.1/tcp/4001"
            ) from self._failure

    def close(self) -> None:
        """End every connection and the thread."""
        try:
            self._token.run_sync_soon(self._scope.cancel)
        except self._trio.RunFinishedError:
            _log.debug("the server had ended before")
        self._thread.join(_JOIN_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        try:
            self._trio.run(self._main)
        except BaseException as error:  # noqa: BLE001 — the border of a thread
            self._failure = error
            _log.warning("serving over bitswap ended", exc_info=error if self.address else None)
        finally:
            self._is_settled.set()

    async def _main(self) -> None:
        self._token = self._trio.lowlevel.current_trio_token()
        listen = module("multiaddr").Multiaddr(self._listen)
        config = module("libp2p.network.config").ConnectionConfig(
            min_connections=0, low_watermark=0, auto_connect_interval=86_400.0
        )
        self._host = module("libp2p").new_host(connection_config=config)
        self._host.set_stream_handler(PROTOCOL, self._receive)
        async with self._host.run(listen_addrs=[listen]):
            try:
                with self._scope:
                    await self._serve()
            finally:
                with self._trio.move_on_after(_CLOSE_S, shield=True):
                    await self._host.close()

    async def _serve(self) -> None:
        async with self._trio.open_nursery() as self._nursery:
            addresses = self._host.get_addrs()
            self.address = str(addresses[0]) if addresses else ""
            self._is_settled.set()
            if self.address:
                await self._trio.sleep_forever()

    async def _receive(self, stream: Any) -> None:
        """Take the want lists of a stream that a peer opened."""
        peer, frames = stream.muxed_conn.peer_id, Frames()
        try:
            while True:
                with self._trio.fail_after(_SILENCE_S):
                    data = await stream.read(READ_BYTES)
                for message in frames.feed(data):
                    self._note(peer, wants_of(message))
        except (ValueError, AccelerateError):
            _log.warning("%s sent what is no bitswap message", peer)
            await self._host.disconnect(peer)
        except (module("libp2p.network.stream.exceptions").StreamError, self._trio.TooSlowError):
            await self._leave(stream)

    def _note(self, peer: Any, asks: list[Ask]) -> None:
        wanted = self._wanted.get(peer)
        if wanted is None:
            wanted = self._wanted[peer] = OrderedDict()
            self._nursery.start_soon(self._answer, peer, wanted)
        for ask in asks:
            if ask.is_cancel:
                wanted.pop(ask.cid.multihash, None)
            elif len(wanted) < MAX_WANTED:
                wanted[ask.cid.multihash] = ask

    async def _answer(self, peer: Any, wanted: OrderedDict[bytes, Ask]) -> None:
        """Answer one peer until it wants nothing more; one block is in memory at a time."""
        try:
            while wanted:
                with self._trio.fail_after(_SEND_S):
                    stream = await self._host.new_stream(peer, [PROTOCOL])
                while wanted:
                    _, ask = wanted.popitem(last=False)
                    message = self._message(ask)
                    with self._trio.fail_after(_SEND_S):
                        await stream.write(varint(len(message)) + message)
                await stream.close_write()
        except Exception as error:  # noqa: BLE001 — the border of a peer, whose libraries raise all
            _log.debug("%s takes no blocks any more (%s)", peer, type(error).__name__)
        finally:
            self._wanted.pop(peer, None)

    def _message(self, ask: Ask) -> bytes:
        """What a peer is told; whatever ails the store, it hears that the block is not there."""
        try:
            return answer(ask, self._store.get(ask.cid))
        except ContentNotFoundError:
            _log.debug("%s is not here", ask.cid)
        except AccelerateError as error:
            _log.warning("%s cannot be read for a peer: %s", ask.cid, error.message)
        except Exception:  # noqa: BLE001 — the border of a request; logged with its trace
            _log.exception("answering for %s failed", ask.cid)
        return answer(ask, None)

    async def _leave(self, stream: Any) -> None:
        with self._trio.move_on_after(1):
            try:
                await stream.close()
            except Exception:  # noqa: BLE001 — it was the other side's to close
                _log.debug("a stream was closed already")
