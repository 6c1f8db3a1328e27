"""``accel content peers``: how the nodes of the team see it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ipfs_accelerate.cli.content_context import stoppable, the_settings
from ipfs_accelerate.cli.output import emit_json, json_option, note

if TYPE_CHECKING:
    from threading import Event

    from ipfs_accelerate.content.peers.overview import Overview

__all__ = ["peers"]


@click.command(epilog="Example: accel content peers --json")
@json_option
@click.pass_context
def peers(ctx: click.Context, /, *, as_json: bool) -> None:
    """Ask the nodes of content_peers what they have, whom they know and what they think of them.

    Exits with 3 when none of them answers.
    """
    settings = the_settings()
    secret = settings.content_token
    token = None if secret is None else secret.get_secret_value()
    urls = () if settings.offline else settings.content_peers
    with stoppable() as cancel, ThreadPoolExecutor(8) as pool:
        found = list(zip(urls, pool.map(lambda url: _ask(url, token, cancel), urls), strict=True))
    if as_json:
        rows = [
            {"url": url, "reason": said, "holdings": [], "members": []}
            if isinstance(said, str)
            else {"reason": None} | asdict(said) | {"url": url}
            for url, said in found
        ]
        emit_json("content-peers/1", {"offline": settings.offline, "nodes": rows})
    else:
        for url, said in found:
            _print(url, said)
        if not urls:
            note("offline: nobody is asked" if settings.offline else "no peers; set content_peers")
    ctx.exit(0 if any(not isinstance(said, str) for _, said in found) else 3)


def _ask(url: str, token: str | None, cancel: Event) -> Overview | str:
    """How the node sees its team, or why that is not known."""
    from ipfs_accelerate.content.peers.overview import overview_of
    from ipfs_accelerate.errors import AccelerateError

    try:
        return overview_of(url, token, cancel)
    except AccelerateError as error:
        return error.message


def _print(url: str, said: Overview | str) -> None:
    if isinstance(said, str):
        print(f"{url}  unknown: {said}")
        return
    count = len(said.members)
    print(f"{url}  a node that knows {count} other{'' if count == 1 else 's'}")
    for one in said.holdings:
        amount = f"{one.have:,} of {one.leaves:,} blocks" if one.leaves else "nothing yet"
        print(f"  has    {one.root}  {amount}")
    for member in said.members:
        bans = f"; banned {member.bans} times for wrong bytes" if member.bans else ""
        print(f"  knows  {member.url}  {member.standing}{bans}")
