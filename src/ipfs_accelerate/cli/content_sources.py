"""``accel content sources``: who can be asked for content."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import click

from ipfs_accelerate.cli.content_context import the_settings
from ipfs_accelerate.cli.output import emit_json, json_option, note

__all__ = ["sources"]


@click.group(epilog="Example: accel content sources check")
def sources() -> None:
    """Look at the configured sources of content."""


@sources.command(epilog="Example: accel content sources check")
@json_option
@click.pass_context
def check(ctx: click.Context, /, *, as_json: bool) -> None:
    """Probe every configured source; exit with 3 when none can be used."""
    from ipfs_accelerate.content.resolving import configured_sources

    settings = the_settings()
    with configured_sources(settings) as found, ThreadPoolExecutor(8) as pool:
        states = list(zip(found, pool.map(lambda s: s.probe(), found), strict=True))
    if as_json:
        rows = [
            {
                "name": source.name,
                "kind": source.kind.value,
                "usable": state.usable,
                "reason": state.reason,
                "hint": state.hint,
            }
            for source, state in states
        ]
        emit_json("content-sources/1", {"offline": settings.offline, "sources": rows})
    else:
        for source, state in states:
            print(f"{'usable  ' if state.usable else 'unusable'}  {source.name}  ({state.reason})")
            if state.hint and not state.usable:
                print(f"          hint: {state.hint}")
        if settings.offline:
            note("offline: only the store is used")
        elif not states:
            note("no sources; set content_peers, content_gateways, content_bitswap or content_kubo")
    ctx.exit(0 if any(state.usable for _, state in states) or settings.offline else 3)
