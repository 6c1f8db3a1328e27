"""``accel content serve``: what the store holds, to others."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from ipfs_accelerate.cli.content_context import open_store, the_settings, wait_for_signal
from ipfs_accelerate.cli.output import emit_json, json_option, note

if TYPE_CHECKING:
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
@json_option
def serve(*, host: str, port: int, no_token: bool, as_json: bool) -> None:
    """Serve the store as a trustless gateway until SIGINT or SIGTERM.

    Prints its URL and token once; the token is content_token where that is set, else a new one.
    With content_peers or content_discover it is a node of the team, which tells the others what it
    has pinned.
    """
    settings = the_settings()
    is_team = bool(settings.content_peers) or settings.content_discover
    with open_store(settings) as store:
        if is_team:
            _as_node(store, settings, (host, port), as_json=as_json)
        else:
            _as_gateway(store, settings, (host, port), no_token=no_token, as_json=as_json)


def _as_gateway(
    store: FileBlockStore,
    settings: Settings,
    address: tuple[str, int],
    *,
    no_token: bool,
    as_json: bool,
) -> None:
    from ipfs_accelerate.content.naming import RecordStore
    from ipfs_accelerate.content.serving import GatewayServer, Options

    secret = settings.content_token
    token = None if no_token else "generate" if secret is None else secret.get_secret_value()
    options = Options(names=RecordStore(settings.names_dir))
    host, port = address
    with GatewayServer(store, host=host, port=port, token=token, options=options) as server:
        _say(server.url, server.token if secret is None else None, as_json=as_json)
        note("serving until Ctrl-C" + ("" if server.token else "; anybody who reaches it may read"))
        wait_for_signal()
        served = server.statistics().requests
    note(f"stopped: {served:,} requests served")


def _as_node(
    store: FileBlockStore, settings: Settings, address: tuple[str, int], *, as_json: bool
) -> None:
    from ipfs_accelerate.content.peers.node import Node

    secret = settings.content_token
    with Node(
        store,
        token=None if secret is None else secret.get_secret_value(),
        peers=settings.content_peers,
        discover=settings.content_discover,
        host=address[0],
        port=address[1],
    ) as node:
        _say(node.url, None, as_json=as_json)
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


def _say(url: str, new_token: str | None, *, as_json: bool) -> None:
    if as_json:
        emit_json("content-serve/1", {"url": url, "token": new_token})
    else:
        print(f"{url}/ipfs/")
        if new_token is not None:
            print(f"token {new_token}")
    sys.stdout.flush()
