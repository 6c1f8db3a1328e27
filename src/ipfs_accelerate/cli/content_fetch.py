"""``accel content get|fetch``: content to this machine, from whoever has it."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self

import click

from ipfs_accelerate.cli.content_context import (
    Bar,
    open_store,
    parse_address,
    stoppable,
    the_settings,
    wait_for_signal,
)
from ipfs_accelerate.cli.output import emit_json, json_option, note
from ipfs_accelerate.cli.text import size

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ipfs_accelerate.content import Cid
    from ipfs_accelerate.content.blockstore import FileBlockStore
    from ipfs_accelerate.content.exchange import FetchReport
    from ipfs_accelerate.content.release import Fetched
    from ipfs_accelerate.content.release.fetching import Fetching
    from ipfs_accelerate.content.sources import Source

__all__ = ["fetch", "get"]

trust_options = (
    click.option("--trust", multiple=True, metavar="KEY", help="A publisher's did:key:…"),
    click.option(
        "--allow-unsigned", is_flag=True, help="Take a release that nobody trusted signed."
    ),
    click.option("--pin", is_flag=True, help="Keep it until it is unpinned."),
    click.option(
        "--share",
        metavar="HOST",
        help="Fetch as a node of the team at this address, then serve it until Ctrl-C.",
    ),
    json_option,
)


def _with_trust(function: Callable[..., object]) -> Callable[..., object]:
    for option in reversed(trust_options):
        function = option(function)
    return function


@click.command(epilog="Example: accel content get bafybei…/config.json -o config.json")
@click.argument("address", metavar="CID[/PATH]")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write it here as it is.")
@_with_trust
def get(  # noqa: PLR0913 - one for each option
    address: str,
    *,
    output: Path | None,
    trust: tuple[str, ...],
    allow_unsigned: bool,
    pin: bool,
    share: str | None,
    as_json: bool,
) -> None:
    """Fetch a file or folder into the store, and to a path with -o.

    What is here is not fetched again, so the same command goes on where it was interrupted.
    """
    with open_store() as store, _Team(share) as team:
        found = _bring(store, address, trust, allow_unsigned=allow_unsigned, team=team)
        where = None
        if output is not None:
            from ipfs_accelerate.content.reading import export

            export(found.contents.tree, output, store)
            where = str(output)
        if pin:
            store.pin(found.contents.cid)
        _report(found, where, {}, as_json=as_json)
        team.go_on()


@click.command(epilog="Example: accel content fetch bafyrei… -o ./model --trust did:key:z6Mk…")
@click.argument("address", metavar="CID[/PATH]")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder for the model.")
@click.option("--allow-pickle", is_flag=True, help="Place pickled weights; reading them runs code.")
@_with_trust
def fetch(  # noqa: PLR0913 - one for each option
    address: str,
    *,
    output: Path | None,
    allow_pickle: bool,
    trust: tuple[str, ...],
    allow_unsigned: bool,
    pin: bool,
    share: str | None,
    as_json: bool,
) -> None:
    """Fetch a release (or a folder) as a model: signature judged first, then every block.

    With -o only files that are part of a model are placed, linked to the store where the file
    system can; pickles and code stay in the store.
    """
    with open_store() as store, _Team(share) as team:
        found = _bring(store, address, trust, allow_unsigned=allow_unsigned, team=team)
        where, left_out = None, {}
        if output is not None:
            from ipfs_accelerate.models.placing import place

            entries = found.contents.entries(store)
            placed = place(found.contents, entries, store, output, allow_pickle=allow_pickle)
            where, left_out = str(placed.directory), dict(placed.left_out)
        if pin:
            store.pin(found.contents.cid)
        _report(found, where, left_out, as_json=as_json)
        team.go_on()


def _bring(
    store: FileBlockStore,
    address: str,
    trust: tuple[str, ...],
    *,
    allow_unsigned: bool,
    team: _Team,
) -> Fetched:
    from ipfs_accelerate.content.insight import note_transfer
    from ipfs_accelerate.content.release import fetch as fetch_content
    from ipfs_accelerate.content.resolving import (
        configured_sources,
        origins_of,
        path_in,
        trust_of,
    )

    settings, where = the_settings(), parse_address(address)
    trusted = trust_of(settings, extra=trust, allows_unsigned=allow_unsigned)
    with configured_sources(settings) as sources, stoppable() as cancel, Bar("fetch") as bar:
        root, _ = path_in(where.cid, where.path, store, sources, trust=trusted)
        found = fetch_content(
            root, store, sources,
            through=team.through, trust=trusted, origins=origins_of(settings), cancel=cancel,
            progress=lambda at: bar.to(at.done_bytes, at.total_bytes),
        )  # fmt: skip
    note_transfer(settings, found.report, node=team.url)
    release = found.contents.release
    if release is not None and found.signer is None:
        signers = ", ".join(
            map(str, found.contents.signed.signers if found.contents.signed else ())
        )
        note(f"UNTRUSTED: {release.name} is signed by {signers or 'nobody'}; its CID alone vouches")
    return found


class _Team:
    """Fetches through an exchange, or as a node of the team that goes on serving afterwards.

    Attributes:
        url: Of the node; ``None`` without one.
    """

    def __init__(self, host: str | None) -> None:
        self._host = host
        self._stack = ExitStack()
        self.url: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def through(self, store: FileBlockStore, sources: Sequence[Source]) -> Fetching:
        """See `release.fetching.Through`; peers are the node's own matter."""
        from ipfs_accelerate.content.exchange import Exchange
        from ipfs_accelerate.content.sources import SourceKind

        if self._host is None:
            return Exchange(store, sources)
        from ipfs_accelerate.content.peers.node import Node

        settings = the_settings()
        secret = settings.content_token
        node = Node(
            store,
            token=None if secret is None else secret.get_secret_value(),
            peers=settings.content_peers,
            origin_sources=[s for s in sources if s.kind is not SourceKind.PEER],
            discover=settings.content_discover,
            host=self._host,
        )
        self.url = node.url
        note(f"a node of the team at {node.url}")
        return self._stack.enter_context(node)

    def go_on(self) -> None:
        """Serve until a signal, if that was wanted."""
        if self._host is not None:
            note("serving until Ctrl-C")
            wait_for_signal()


def _report(found: Fetched, where: str | None, left_out: dict[str, str], *, as_json: bool) -> None:
    report, cid = found.report, found.contents.cid
    if as_json:
        emit_json("content-fetch/1", {**_facts(found), "output": where, "left_out": left_out})
        return
    print(where or cid)
    for path, why in left_out.items():
        note(f"not placed: {path} ({why})")
    note(_summary(cid, report))
    _print_sources(report)


def _summary(cid: Cid, report: FetchReport) -> str:
    if not report.received_blocks:
        return f"{cid}: all of it was here ({size(report.total_bytes)})"
    elapsed_s = report.elapsed_ns / 1e9
    rate = size(report.received_bytes / elapsed_s) if elapsed_s else "–"
    return (
        f"{cid}: {size(report.received_bytes)} in {report.received_blocks:,} blocks,"
        f" {elapsed_s:.1f} s, {rate}/s; {size(report.local_bytes)} were here"
    )


def _print_sources(report: FetchReport) -> None:
    rows = [(name, s) for name, s in report.sources.items() if s.requests or s.reason]
    if not rows:
        return
    width = max(len(name) for name, _ in rows)
    note(f"{'source':<{width}}  {'received':>10}  {'twice':>9}  {'first byte':>10}  {'rate':>12}")
    for name, s in rows:
        latency = "–" if s.latency_ns is None else f"{s.latency_ns / 1e6:.1f} ms"
        rate = "–" if s.rate_bytes_per_s is None else f"{size(s.rate_bytes_per_s)}/s"
        state = f"  BANNED: wrong bytes for {s.evidence.cid}" if s.evidence else ""
        state = state or (f"  {s.reason}" if s.reason else "")
        note(
            f"{name:<{width}}  {size(s.received_bytes):>10}  {size(s.duplicate_bytes):>9}"
            f"  {latency:>10}  {rate:>12}{state}"
        )


def _facts(found: Fetched) -> dict[str, object]:
    report, release = found.report, found.contents.release
    return {
        "cid": str(found.contents.cid),
        "tree": str(found.contents.tree),
        "name": release.name if release else None,
        "signer": None if found.signer is None else str(found.signer),
        "elapsed_ns": report.elapsed_ns,
        "total_bytes": report.total_bytes,
        "local_bytes": report.local_bytes,
        "received_bytes": report.received_bytes,
        "received_blocks": report.received_blocks,
        "duplicate_bytes": report.duplicate_bytes,
        "sources": {
            name: {
                "kind": s.kind.value,
                "received_bytes": s.received_bytes,
                "received_blocks": s.received_blocks,
                "duplicate_bytes": s.duplicate_bytes,
                "requests": s.requests,
                "failures": s.failures,
                "latency_ns": s.latency_ns,
                "rate_bytes_per_s": s.rate_bytes_per_s,
                "reason": s.reason or None,
                "is_banned": s.evidence is not None,
            }
            for name, s in report.sources.items()
        },
    }
