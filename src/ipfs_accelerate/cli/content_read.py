"""``accel content cat|ls|tree|stat``: what is in the store, by CID and path."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from ipfs_accelerate.cli.content_context import open_store, parse_address
from ipfs_accelerate.cli.output import emit_json, json_option
from ipfs_accelerate.cli.text import size

if TYPE_CHECKING:
    from ipfs_accelerate.cli.content_context import Address
    from ipfs_accelerate.content import BlockReader, TreeEntry

__all__ = ["cat", "ls", "stat", "tree"]

address_argument = click.argument("address", metavar="CID[/PATH]")


@click.command(epilog="Example: accel content cat bafybei…/config.json --range 0:100")
@address_argument
@click.option("--range", "span", metavar="START:END", help="Only these bytes; END is exclusive.")
@click.option("--json", "as_json", is_flag=True, help="Print size and base64 as one document.")
def cat(address: str, *, span: str | None, as_json: bool) -> None:
    """Write a file of the store to stdout."""
    from ipfs_accelerate.content.reading import iter_file

    start, end = _span(span)
    where = parse_address(address)
    with open_store() as store:
        root = _entry(where, store).cid
        pieces = iter_file(root, store, start, end)
        if as_json:
            from base64 import b64encode

            data = b"".join(pieces)
            facts = {"cid": str(root), "size_bytes": len(data), "base64": b64encode(data).decode()}
            emit_json("content-cat/1", facts)
            return
        for piece in pieces:
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()


@click.command(epilog="Example: accel content ls bafybei…")
@address_argument
@json_option
def ls(address: str, *, as_json: bool) -> None:
    """List a folder of the store; a release lists the files it names."""
    from ipfs_accelerate.content.reading import iter_tree

    where = parse_address(address)
    with open_store() as store:
        base = _entry(where, store)
        found = [e for e in iter_tree(base.cid, store) if "/" not in e.path and e.path]
        _emit("content-ls/1", where, found or [base], as_json=as_json)


@click.command(epilog="Example: accel content tree bafybei… --json | jq '.entries[].path'")
@address_argument
@json_option
def tree(address: str, *, as_json: bool) -> None:
    """List everything below a root."""
    from ipfs_accelerate.content.reading import iter_tree

    where = parse_address(address)
    with open_store() as store:
        found = [e for e in iter_tree(_entry(where, store).cid, store) if e.path]
        _emit("content-tree/1", where, found, as_json=as_json)


@click.command(epilog="Example: accel content stat bafybei…/model.safetensors")
@address_argument
@json_option
def stat(address: str, *, as_json: bool) -> None:
    """Say what a CID is: its kind, size, blocks, and how much of it is here."""
    where = parse_address(address)
    with open_store() as store:
        facts = _facts(where, store)
    if as_json:
        emit_json("content-stat/1", facts)
        return
    for name, value in facts.items():
        if value is not None:
            shown = f"{value:,}" if isinstance(value, int) else value
            print(f"{name.removesuffix('_bytes'):<10} {shown}")


def _entry(where: Address, reader: BlockReader) -> TreeEntry:
    from ipfs_accelerate.content.reading import resolve_path
    from ipfs_accelerate.content.release import open_contents

    return resolve_path(open_contents(where.cid, reader).tree, where.path, reader)


def _facts(where: Address, reader: BlockReader) -> dict[str, object]:
    from ipfs_accelerate.content.reading import iter_tree
    from ipfs_accelerate.content.release import iter_layouts, open_contents

    contents = open_contents(where.cid, reader)
    base = _entry(where, reader)
    files = blocks = total = here = 0
    for _, layout in iter_layouts(tuple(iter_tree(base.cid, reader)), reader):
        files += 1
        blocks += len(layout.leaves) + len(layout.interior)
        total += layout.size_bytes
        here += sum(leaf.size_bytes for leaf in layout.leaves if reader.has(leaf.cid))
    release = contents.release
    return {
        "cid": str(where.cid if not where.path else base.cid),
        "kind": base.kind if release is None or where.path else "release",
        "name": release.name if release and not where.path else None,
        "profile": release.profile if release else None,
        "tree": str(contents.tree) if release and not where.path else None,
        "size_bytes": total,
        "here_bytes": here,
        "files": files,
        "blocks": blocks,
    }


def _emit(schema: str, where: Address, entries: list[TreeEntry], *, as_json: bool) -> None:
    if as_json:
        rows = [
            {
                "path": e.path,
                "kind": e.kind,
                "cid": str(e.cid),
                "size_bytes": e.size_bytes if e.kind == "file" else None,
                "target": e.target,
            }
            for e in entries
        ]
        emit_json(schema, {"cid": str(where.cid), "path": where.path, "entries": rows})
        return
    for entry in entries:
        shown = size(entry.size_bytes) if entry.kind == "file" else "–"
        name = entry.path + ("/" if entry.kind == "directory" else "")
        target = f" -> {entry.target}" if entry.target is not None else ""
        print(f"{entry.cid}  {shown:>10}  {name}{target}")


def _span(text: str | None) -> tuple[int, int | None]:
    if text is None:
        return 0, None
    start, separator, end = text.partition(":")
    if not separator or not (start or "0").isdecimal() or not (end or "0").isdecimal():
        raise click.BadParameter(f"{text!r} is not START:END in bytes", param_hint="--range")
    return int(start or 0), int(end) if end else None
