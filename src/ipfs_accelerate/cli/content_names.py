"""``accel content name``: names that can be moved (IPNS)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from ipfs_accelerate.cli import quantities
from ipfs_accelerate.cli.content_context import parse_address, the_settings
from ipfs_accelerate.cli.content_keys import load_key, passphrase_option
from ipfs_accelerate.cli.output import emit_json, json_option, note

if TYPE_CHECKING:
    from ipfs_accelerate.content import Cid
    from ipfs_accelerate.content.naming import IpnsRecord

__all__ = ["name"]


@click.group(epilog="Example: accel content name publish bafyrei… --key release")
def name() -> None:
    """Point a key's name at content, and see where a name points."""


@name.command(epilog="Example: accel content name publish bafyrei… --key release --lifetime 48h")
@click.argument("address", metavar="CID[/PATH]")
@click.option("--key", "key_name", required=True, help="A key of this machine.")
@click.option("--lifetime", type=quantities.duration, default="48h", show_default=True)
@passphrase_option
@json_option
def publish(address: str, *, key_name: str, lifetime: int, passphrase: bool, as_json: bool) -> None:
    """Point the key's name at a CID; accel content serve serves the record."""
    from ipfs_accelerate.content.naming import RecordStore

    where = parse_address(address)
    value = f"/ipfs/{where.cid}" + (f"/{where.path}" if where.path else "")
    signing = load_key(key_name, asked=passphrase)
    records = RecordStore(the_settings().names_dir)
    span = timedelta(microseconds=lifetime // 1000)
    moved, record = records.publish(signing.private, value, lifetime=span)
    _emit(moved, record, as_json=as_json)


@name.command(epilog="Example: accel content name resolve k51qzi5…")
@click.argument("ipns_name", metavar="NAME")
@json_option
def resolve(ipns_name: str, *, as_json: bool) -> None:
    """Print where a name points: the newest valid record here or at the configured sources."""
    from ipfs_accelerate.content.naming import parse_name
    from ipfs_accelerate.content.resolving import newest_record

    wanted = parse_name(ipns_name.removeprefix("ipns://").removeprefix("/ipns/"))
    _emit(wanted, newest_record(wanted, the_settings()), as_json=as_json, target_first=True)


def _emit(moved: Cid, record: IpnsRecord, *, as_json: bool, target_first: bool = False) -> None:
    if as_json:
        emit_json(
            "content-name/1",
            {
                "name": str(moved),
                "value": record.value,
                "sequence": record.sequence,
                "validity": record.validity,
            },
        )
        return
    print(record.value if target_first else moved)
    note(f"{moved} -> {record.value} (sequence {record.sequence}, valid until {record.validity})")
