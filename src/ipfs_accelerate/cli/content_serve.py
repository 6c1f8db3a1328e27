"""``accel content serve``: what the store holds, to others."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import click

from ipfs_accelerate.cli.content_context import open_store, the_settings, wait_for_signal
from ipfs_accelerate.cli.output import emit_json, json_option, note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ipfs_accelerate.config import Settings
    from ipfs_accelerate.content.blockstore import FileBlockStore
    from ipfs_accelerate.content.peers.node import Node

__all__ = ["serve"]


@click.command(epilog="Example: accel content serve --host 0.0.0.0 --port 8080")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0: a free one."
)
@click.option("--no-token", is_flag=True, help="Ask for no token; on loopback only.")
@click.option(
    "--bitswap",
    metavar="MULTIADDR",
    help="Answer IPFS nodes here too, such as /ip4/0.0.0.0/tcp/4001; anybody who dials may read.",
)
@json_option
def serve(*, host: str, port: int, no_token: bool, bitswap: str | None, as_json: bool) -> None:
    """Serve the store as a trustless gateway until SIGINT or SIGTERM.

    Prints its URL and token once; the token is content_token where that is set, else a new one.
    With content_peers or content_discover it is a node of the team, which tells the others what it
    has pinned.
    """
    settings = the_settings()
    secret = settings.content_token
    token = None if no_token or secret is None else secret.get_secret_value()
    is_team = bool(settings.content_peers) or settings.content_discover
    with open_store(settings) as store, _over_bitswap(store, bitswap) as dialled:
        if is_team:
            _as_node(store, settings, (host, port), token, _Saying(dialled, as_json))
            return
        wanted = token if no_token else token or "generate"
        _as_gateway(store, settings, (host, port), wanted, _Saying(dialled, as_json))


@contextmanager
def _over_bitswap(store: FileBlockStore, listen: str | None) -> Iterator[str | None]:
    """The address that IPFS nodes dial; ``None`` when it was not asked for."""
    if listen is None:
        yield None
        return
    from ipfs_accelerate.content.serving.bitswap import BitswapServer

    with BitswapServer(store, listen=listen) as server:
        yield server.address


class _Saying(NamedTuple):
    """How it is said where the server is."""

    bitswap: str | None
    as_json: bool

    def say(self, url: str, new_token: str | None) -> None:
        if self.as_json:
            facts = {"url": url, "token": new_token, "bitswap": self.bitswap}
            emit_json("content-serve/1", facts)
        else:
            print(f"{url}/ipfs/")
            if new_token is not None:
                print(f"token {new_token}")
            if self.bitswap is not None:
                print(f"bitswap {self.bitswap}")
        sys.stdout.flush()


def _as_gateway(
    store: FileBlockStore,
    settings: Settings,
    address: tuple[str, int],
    token: str | None,
    saying: _Saying,
) -> None:
    from ipfs_accelerate.content.naming import RecordStore
    from ipfs_accelerate.content.serving import GatewayServer, Options

    options = Options(names=RecordStore(settings.names_dir))
    host, port = address
    with GatewayServer(store, host=host, port=port, token=token, options=options) as server:
        saying.say(server.url, server.token if settings.content_token is None else None)
        note("serving until Ctrl-C" + ("" if server.token else "; anybody who reaches it may read"))
        wait_for_signal()
        served = server.statistics().requests
    note(f"stopped: {served:,} requests served")


def _as_node(
    store: FileBlockStore,
    settings: Settings,
    address: tuple[str, int],
    token: str | None,
    saying: _Saying,
) -> None:
    from ipfs_accelerate.content.peers.node import Node

    with Node(
        store,
        token=token,
        peers=settings.content_peers,
        discover=settings.content_discover,
        host=address[0],
        port=address[1],
    ) as node:
        saying.say(node.url, None)
        _share_pins(node, store)
        note("a node of the team; serving until Ctrl-C")
        wait_for_signal()
        found = node.statistics()
    note(f"stopped: {found.server.requests:,} requests served")
    for url, standing in found.members.items():
        note(f"peer {url}: {standing}")


def _share_pins(node: Node, store: FileBlockStore) -> None:
    from ipfs_accelerate.content.release import open_contents
    from ipfs_accelerate.errors import AccelerateError

    for pin in store.pins():
        try:
            node.share(open_contents(pin.cid, store).tree)
        except AccelerateError as error:
            note(f"{pin.cid} is pinned and not announced: {error.message}")
