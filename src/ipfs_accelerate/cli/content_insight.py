"""``accel content report|predict``: what moved, and what another network would do."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ipfs_accelerate.cli import quantities
from ipfs_accelerate.cli.content_context import parse_address, the_settings
from ipfs_accelerate.cli.output import emit_json, json_option, note
from ipfs_accelerate.cli.text import console, size
from ipfs_accelerate.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ipfs_accelerate.content.insight import (
        ContentSummary,
        Network,
        Recommendation,
        SimulatedRun,
    )

__all__ = ["predict", "report"]

_NO_FETCH = "accel content get, accel content fetch and ipfs:// references add their fetches"


@click.command(epilog="Example: accel content report --html out/content.html")
@click.option("--root", metavar="CID", help="Who sent what to whom for this content only.")
@click.option(
    "--html", type=click.Path(path_type=Path, dir_okay=False), help="Write the page with pictures."
)
@json_option
def report(*, root: str | None, html: Path | None, as_json: bool) -> None:
    """Say what the fetches in the ledger moved, from whom, and what no origin had to send."""
    from ipfs_accelerate.content.insight import summary
    from ipfs_accelerate.store import Ledger

    settings = the_settings()
    if not settings.ledger_path.exists():
        raise StoreError(f"there is no ledger at {settings.ledger_path}", hint=_NO_FETCH)
    cid = None if root is None else str(parse_address(root).cid)
    found = summary(Ledger(settings.ledger_path, read_only=True), root=cid)
    if html is not None:
        from ipfs_accelerate.evidence.report.content import render

        _write(html, render(found))
    if as_json:
        emit_json("content-report/1", found.to_dict())
    else:
        _print_summary(found)


@click.command(
    epilog="Example: accel content predict --nodes 16 --size 200MB --link 12MB --origin 12MB"
)
@click.option("--nodes", type=click.IntRange(1, 256), default=16, show_default=True)
@click.option("--size", "size_bytes", type=quantities.size, required=True, help="Of the model.")
@click.option("--link", type=quantities.size, required=True, help="A second, up and down.")
@click.option("--origin", type=quantities.size, help="A second the origin sends; like --link.")
@click.option("--latency", type=quantities.duration, default="1ms", help="One way.")
@click.option("--seed", type=int, default=0, help="Equal seeds give equal answers.")
@click.option(
    "--html", type=click.Path(path_type=Path, dir_okay=False), help="Write the page with tables."
)
@json_option
def predict(  # noqa: PLR0913 - one for each option
    *,
    nodes: int,
    size_bytes: int,
    link: int,
    origin: int | None,
    latency: int,
    seed: int,
    html: Path | None,
    as_json: bool,
) -> None:
    """Simulate a team that fetches a model over a network, and say what would suit it.

    Nothing here is measured: strategies are simulated with the policy of real nodes, and the
    recommendation is predicted from such simulations.
    """
    import numpy as np

    from ipfs_accelerate.content.insight import Network, compare, recommend

    network = Network(nodes, link, link, origin or link, latency_ns=latency)
    note(f"simulating {nodes} nodes …")
    simulated = compare(network, size_bytes, generator=np.random.default_rng(seed))
    recommended = recommend(network, size_bytes, generator=np.random.default_rng(seed))
    if html is not None:
        _write(html, _page(simulated, recommended))
    if as_json:
        emit_json("content-predict/1", _facts(network, simulated, recommended))
    else:
        _print_prediction(simulated, recommended)


def _page(simulated: list[SimulatedRun], recommended: Recommendation) -> str:
    """The page of a prediction; its picture is of the strategy that real nodes follow."""
    from tempfile import TemporaryDirectory

    from ipfs_accelerate.content.insight import Strategy, record_run, summary
    from ipfs_accelerate.evidence.report.content import render
    from ipfs_accelerate.store import Ledger
    from ipfs_accelerate.telemetry import Origin

    ours = next(run for run in simulated if run.strategy is Strategy.OWNED)
    with TemporaryDirectory(prefix="ipfs-accelerate-") as folder:
        ledger = Ledger(Path(folder) / "simulated.duckdb")
        record_run(ledger, ours)
        shown = summary(ledger, origin=Origin.SIMULATED)
    return render(shown, simulated=simulated, recommendation=recommended)


def _write(path: Path, page: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    note(f"wrote {path}")


def _print_summary(found: ContentSummary) -> None:
    if not found.transfers:
        note(f"no fetch is in the ledger; {_NO_FETCH}")
        return
    rate = "–" if found.hit_rate is None else f"{found.hit_rate:.0%}"
    print(
        f"{found.transfers} fetches needed {size(found.needed_bytes)};"
        f" no origin had to send {size(found.egress_saved_bytes)} of it ({rate})"
    )
    rows = [
        (
            edge.source,
            edge.node,
            "origin" if edge.is_origin else "team",
            size(edge.received_bytes),
            size(edge.duplicate_bytes),
            str(edge.failures),
            "BANNED" if edge.is_banned else "",
        )
        for edge in found.edges
    ]
    _table(("sender", "receiver", "counts as", "received", "twice", "failures", ""), rows)


def _print_prediction(simulated: list[SimulatedRun], recommended: Recommendation) -> None:
    rows = [
        (
            run.strategy.value,
            _seconds(run.result.makespan_ns),
            f"{run.origin_share:.2f} models",
        )
        for run in simulated
    ]
    _table(("simulated strategy", "until the last has it", "the origin sends"), rows)
    options = [
        (
            option.sources,
            option.profile,
            str(option.parallelism),
            _seconds(option.makespan_ns),
            size(option.origin_bytes),
        )
        for option in recommended.options
    ]
    headings = ("predicted, best first", "profile", "requests", "until the last has it", "origin")
    _table(headings, options)
    note(recommended.reason)


def _seconds(elapsed_ns: int | None) -> str:
    return "never" if elapsed_ns is None else f"{elapsed_ns / 1e9:.1f} s"


def _table(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for index, heading in enumerate(headings):
        table.add_column(heading, justify="left" if index < 2 else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console().print(table)


def _facts(
    network: Network, simulated: list[SimulatedRun], recommended: Recommendation
) -> dict[str, object]:
    return {
        "network": asdict(network),
        "simulated": [
            {
                "origin": "simulated",
                "reason": run.reason,
                "strategy": run.strategy.value,
                "makespan_ns": run.result.makespan_ns,
                "origin_share": run.origin_share,
            }
            for run in simulated
        ],
        "recommendation": {
            "origin": recommended.origin.value,
            "reason": recommended.reason,
            "best": asdict(recommended.best),
            "options": [asdict(option) for option in recommended.options],
        },
    }
