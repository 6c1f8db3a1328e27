"""``accel content car``: archives of blocks in and out."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path

import click

from ipfs_accelerate.cli.content_context import open_store, parse_address
from ipfs_accelerate.cli.output import emit_json, json_option, note
from ipfs_accelerate.cli.text import size

__all__ = ["car"]


@click.group(epilog="Example: accel content car export bafybei… model.car")
def car() -> None:
    """Move content as CAR archives, versions 1 and 2."""


@car.command(name="import", epilog="Example: accel content car import model.car")
@click.argument(
    "file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)
)
@click.option("--pin/--no-pin", default=True, help="Pin the roots (default).")
@json_option
def import_(file: Path, *, pin: bool, as_json: bool) -> None:
    """Put every block of an archive (- for stdin) into the store; print its roots."""
    from ipfs_accelerate.content.car import import_car

    is_stdin = str(file) == "-"
    opened = nullcontext(sys.stdin.buffer) if is_stdin else file.open("rb")
    with opened as stream, open_store() as store:
        found = import_car(stream, store)
        for root in found.roots if pin else ():
            store.pin(root)
    if as_json:
        emit_json(
            "content-car-import/1",
            {
                "version": found.version,
                "roots": [str(root) for root in found.roots],
                "missing_roots": [str(root) for root in found.missing_roots],
                "blocks": found.blocks,
                "size_bytes": found.size_bytes,
            },
        )
        return
    for root in found.roots:
        print(root)
    note(f"CAR version {found.version}: {found.blocks:,} blocks, {size(found.size_bytes)}")
    for root in found.missing_roots:
        note(f"the archive names the root {root} and does not hold it")


@car.command(
    name="export",
    epilog="Example: accel content car export bafybei… - | ssh host accel content car import -",
)
@click.argument("cid")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@click.option(
    "--car-version", type=click.IntRange(1, 2), default=1, show_default=True, help="2 has an index."
)
@json_option
def export(cid: str, file: Path, *, car_version: int, as_json: bool) -> None:
    """Write everything below a CID as an archive (- for stdout)."""
    from ipfs_accelerate.content.car import export_car
    from ipfs_accelerate.errors import InputError

    root = parse_address(cid).cid
    is_stdout = str(file) == "-"
    if is_stdout and as_json:
        raise InputError("the archive and the JSON cannot both go to stdout", hint="name a file")
    with open_store() as store:
        if is_stdout:
            written = export_car(root, store, sys.stdout.buffer, version=car_version)
            sys.stdout.buffer.flush()
        else:
            partial = file.with_name(f".{file.name}.partial")
            try:
                with partial.open("wb") as stream:
                    written = export_car(root, store, stream, version=car_version)
                partial.replace(file)
            finally:
                partial.unlink(missing_ok=True)
    if as_json:
        emit_json(
            "content-car-export/1", {"cid": str(root), "file": str(file), "size_bytes": written}
        )
    else:
        note(f"{root}: {size(written)} written to {'stdout' if is_stdout else file}")
