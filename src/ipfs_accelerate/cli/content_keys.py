"""``accel content key``: keys that sign releases and names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ipfs_accelerate.cli.content_context import the_settings
from ipfs_accelerate.cli.output import emit_json, json_option, note

if TYPE_CHECKING:
    from ipfs_accelerate.content.release import PublicKey, SigningKey

__all__ = ["key", "load_key", "passphrase_option"]

passphrase_option = click.option(
    "--passphrase", is_flag=True, help="Ask for it; content_key_passphrase otherwise."
)


@click.group(epilog="Example: accel content key new release")
def key() -> None:
    """Make and show the keys that sign releases and names."""


@key.command(epilog="Example: accel content key new release")
@click.argument("name")
@passphrase_option
@json_option
def new(name: str, *, passphrase: bool, as_json: bool) -> None:
    """Make an Ed25519 key and print its public half, which others trust."""
    from ipfs_accelerate.content.release import KeyRing

    secret = _passphrase(asked=passphrase, confirm=True)
    ring = KeyRing(the_settings().keys_dir)
    made = ring.create(name, passphrase=secret)
    _emit(name, made.public, as_json=as_json)
    note(f"the private half is in {the_settings().keys_dir / name}.pem; back it up")


@key.command(name="list", epilog="Example: accel content key list")
@json_option
def list_keys(*, as_json: bool) -> None:
    """List the keys of this machine."""
    from ipfs_accelerate.content.release import KeyRing

    ring = KeyRing(the_settings().keys_dir)
    found = {name: ring.public(name) for name in ring.names()}
    if as_json:
        rows = [{"name": n, "key": None if k is None else str(k)} for n, k in found.items()]
        emit_json("content-keys/1", {"keys": rows})
        return
    for name, public in found.items():
        print(f"{name:<16} {public or '(locked by a passphrase)'}")
    if not found:
        note("no keys; make one: accel content key new NAME")


@key.command(epilog="Example: accel content key show release")
@click.argument("name")
@passphrase_option
@json_option
def show(name: str, *, passphrase: bool, as_json: bool) -> None:
    """Print the public half of a key and the name (IPNS) it can move."""
    _emit(name, load_key(name, asked=passphrase).public, as_json=as_json)


def load_key(name: str, *, asked: bool) -> SigningKey:
    """A key of this machine, opened with what was given or is set."""
    from ipfs_accelerate.content.release import KeyRing

    return KeyRing(the_settings().keys_dir).load(name, passphrase=_passphrase(asked=asked))


def _passphrase(*, asked: bool, confirm: bool = False) -> str | None:
    if asked:
        return str(
            click.prompt("passphrase", hide_input=True, err=True, confirmation_prompt=confirm)
        )
    secret = the_settings().content_key_passphrase
    return None if secret is None else secret.get_secret_value()


def _emit(name: str, public: PublicKey, *, as_json: bool) -> None:
    from ipfs_accelerate.content.naming import name_of

    ipns = str(name_of(public.raw))
    if as_json:
        emit_json("content-key/1", {"name": name, "key": str(public), "ipns": ipns})
    else:
        print(public)
        note(f"IPNS name: {ipns}")
