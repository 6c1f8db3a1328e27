"""``accel content pin|gc|check|stats``: what the store keeps, and whether it is sound."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ipfs_accelerate.cli import quantities
from ipfs_accelerate.cli.content_context import open_store, parse_address, stoppable, the_settings
from ipfs_accelerate.cli.output import emit_json, json_option, note
from ipfs_accelerate.cli.text import size

if TYPE_CHECKING:
    from collections.abc import Sequence
    from threading import Event

    from ipfs_accelerate.content import Cid
    from ipfs_accelerate.content.blockstore import FileBlockStore
    from ipfs_accelerate.content.sources import Source

__all__ = ["check", "gc", "pin", "stats"]

name_option = click.option(
    "--name", default="", help="The same CID may have pins of several names."
)


@click.group(epilog="Example: accel content pin ls")
def pin() -> None:
    """Keep content whatever the quota is."""


@pin.command(epilog="Example: accel content pin add bafybei… --name production")
@click.argument("cid")
@name_option
@json_option
def add(cid: str, *, name: str, as_json: bool) -> None:
    """Pin a CID with everything below it; what is missing is not fetched."""
    root = parse_address(cid).cid
    with open_store() as store:
        store.pin(root, name=name)
        is_here = store.has(root)
    _done(root, name, "pinned", as_json=as_json)
    if not is_here:
        note(f"it is not here yet: accel content get {root}")


@pin.command(epilog="Example: accel content pin rm bafybei…")
@click.argument("cid")
@name_option
@json_option
def rm(cid: str, *, name: str, as_json: bool) -> None:
    """Take a pin away; the content stays until the next gc."""
    root = parse_address(cid).cid
    with open_store() as store:
        store.unpin(root, name=name)
    _done(root, name, "unpinned", as_json=as_json)


@pin.command(name="ls", epilog="Example: accel content pin ls --json | jq -r '.pins[].cid'")
@json_option
def list_pins(*, as_json: bool) -> None:
    """List every pin."""
    with open_store() as store:
        pins = store.pins()
    if as_json:
        rows = [{"cid": str(p.cid), "name": p.name, "is_recursive": p.is_recursive} for p in pins]
        emit_json("content-pins/1", {"pins": rows})
        return
    for p in pins:
        print(f"{p.cid}  {p.name}".rstrip() + ("" if p.is_recursive else "  (this block alone)"))
    if not pins:
        note("nothing is pinned")


@click.command(epilog="Example: accel content gc --quota 50GiB")
@click.option("--quota", type=quantities.size, help="Stop at this size; content_quota_bytes else.")
@click.option("--all", "is_all", is_flag=True, help="Remove everything that is not pinned.")
@json_option
def gc(*, quota: int | None, is_all: bool, as_json: bool) -> None:
    """Remove unpinned content, least recently used first, until the store fits its quota."""
    from ipfs_accelerate.errors import InputError

    limit = quota or the_settings().content_quota_bytes
    if limit is None and not is_all:
        raise InputError(
            "there is no quota to bring the store down to",
            hint="give --quota 50GiB, set content_quota_bytes, or --all for all that is unpinned",
        )
    with open_store() as store:
        report = store.collect(None if is_all else limit)
    if as_json:
        emit_json(
            "content-gc/1",
            {
                "before_bytes": report.before_bytes,
                "after_bytes": report.after_bytes,
                "removed": [str(cid) for cid in report.removed],
                "removed_files": report.removed_files,
                "removed_blocks": report.removed_blocks,
            },
        )
        return
    for cid in report.removed:
        print(cid)
    before, after = size(report.before_bytes), size(report.after_bytes)
    note(f"{before} before, {after} now; {len(report.removed)} roots removed")


@click.command(epilog="Example: accel content check --heal")
@click.option("--heal", is_flag=True, help="Fetch what is damaged from the configured sources.")
@json_option
@click.pass_context
def check(ctx: click.Context, /, *, heal: bool, as_json: bool) -> None:
    """Hash everything in the store again; exit with 1 when something is damaged."""
    from ipfs_accelerate.content.resolving import configured_sources

    settings = the_settings()
    with open_store(settings) as store, stoppable() as cancel:
        if heal:
            with configured_sources(settings) as sources:
                report = store.check(_Healer(store, sources, cancel))
        else:
            report = store.check()
    if as_json:
        emit_json(
            "content-check/1",
            {
                "blocks": report.blocks,
                "size_bytes": report.size_bytes,
                "damaged": [str(cid) for cid in report.damaged],
                "healed": [str(cid) for cid in report.healed],
                "broken": list(report.broken),
                "is_sound": report.is_sound,
            },
        )
    else:
        healed = set(report.healed)
        for cid in report.damaged:
            print(f"{'healed ' if cid in healed else 'damaged'} {cid}")
        for path in report.broken:
            print(f"broken  {path}")
        note(f"{report.blocks:,} blocks, {size(report.size_bytes)} hashed")
        note("sound" if report.is_sound else "damaged blocks are not served any more; see --heal")
    ctx.exit(0 if report.is_sound else 1)


@click.command(epilog="Example: accel content stats --json")
@json_option
def stats(*, as_json: bool) -> None:
    """Say how full the store is."""
    settings = the_settings()
    with open_store(settings) as store:
        found = store.stats()
    facts = {
        "directory": str(settings.content_path),
        "size_bytes": found.size_bytes,
        "quota_bytes": settings.content_quota_bytes,
        "files": found.files,
        "references": found.references,
        "unfinished": found.unfinished,
        "blocks": found.blocks,
        "pins": found.pins,
    }
    if as_json:
        emit_json("content-stats/1", facts)
        return
    for name, value in facts.items():
        if value is not None:
            shown = size(value) if name.endswith("_bytes") and isinstance(value, int) else value
            print(f"{name.removesuffix('_bytes'):<10} {shown}")


class _Healer:
    """Good blocks for damaged ones, from whichever source has them."""

    def __init__(self, store: FileBlockStore, sources: Sequence[Source], cancel: Event) -> None:
        self._store = store
        self._sources = sources
        self._cancel = cancel

    def __call__(self, cid: Cid) -> bytes:
        from ipfs_accelerate.content import MemoryBlocks
        from ipfs_accelerate.content.release import bring_block

        held = MemoryBlocks()
        bring_block(cid, held, self._sources, cancel=self._cancel)
        return held.get(cid)


def _done(cid: Cid, name: str, what: str, *, as_json: bool) -> None:
    if as_json:
        emit_json("content-pin/1", {"cid": str(cid), "name": name, "state": what})
    else:
        print(f"{what} {cid}")
