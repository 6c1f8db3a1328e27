"""``accel evidence figure`` and ``slides``: charts of what the ledger has, as files."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from ipfs_accelerate.cli.output import emit_json, json_option, note
from ipfs_accelerate.cli.quantities import moment

if TYPE_CHECKING:
    from collections.abc import Callable

    from ipfs_accelerate.evidence.figures.chart import Drawn, Selection
    from ipfs_accelerate.store import Ledger

__all__ = ["figure", "slides"]

F = TypeVar("F", bound="Callable[..., object]")
_ORIGINS = ("measured", "emulated", "simulated", "predicted", "imported")


def _selection_options(function: F) -> F:
    for option in reversed(
        (
            click.option("--model", help="Only this model, as it was given to `bench run`."),
            click.option("--target", help="Only this target."),
            click.option("--case", "test_case", help="Only this workload."),
            click.option("--run", "run_id", help="Only results of this run (its whole id)."),
            click.option("--origin", type=click.Choice(_ORIGINS), default="measured"),
            click.option("--since", type=moment, help="Only results since then."),
            click.option("--theme", type=click.Choice(("light", "dark")), default="light"),
            click.option("--db", type=click.Path(path_type=Path), help="Ledger; see db_path."),
        )
    ):
        function = option(function)
    return function


@click.command(
    epilog="Example: accel evidence figure pareto --case feature-extraction/b1/s128 -o p.svg"
)
@click.argument("kind", required=False)
@click.option("--list", "lists", is_flag=True, help="List the kinds of figures.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="File: .html, .png, .svg or .pdf."
)
@click.option("--projection", type=click.Choice(("pca", "umap")), default="pca", help="Of scatter.")
@_selection_options
@json_option
def figure(
    *,
    kind: str | None,
    lists: bool,
    output: Path | None,
    theme: str,
    db: Path | None,
    as_json: bool,
    **given: object,
) -> None:
    """Draw a figure of KIND from the ledger: one file, and the sentence that it supports.

    HTML opens offline; PNG, SVG and PDF need the extra `figures` and a Chromium.
    """
    from ipfs_accelerate.evidence.figures.export import write_figure
    from ipfs_accelerate.evidence.figures.registry import chart_named

    if lists:
        _list(as_json=as_json)
        return
    if kind is None or output is None:
        raise click.UsageError("name a KIND and an --output, or see --list")
    chart = chart_named(kind)
    drawn = chart.of(_ledger(db), _selection(given), theme=theme)
    write_figure(drawn.figure, output, alt=drawn.finding.sentence)
    if as_json:
        emit_json("evidence-figure/1", _facts(drawn) | {"output": str(output)})
    else:
        click.echo(drawn.finding.sentence)
        note(f"wrote {output}")


@click.command(epilog="Example: accel evidence slides --output review.pptx")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="File: .pptx.")
@click.option("--figure", "kinds", multiple=True, help="This kind only; may be repeated.")
@click.option("--title", default="What was measured", help="Of the first slide.")
@_selection_options
@json_option
def slides(
    *,
    output: Path,
    kinds: tuple[str, ...],
    title: str,
    theme: str,
    db: Path | None,
    as_json: bool,
    **given: object,
) -> None:
    """Make slides: a summary table, and every figure that the ledger has data for.

    Each figure comes with the sentence that it supports, alternative text and the rows it rests on.
    Needs the extra `figures` and a Chromium.
    """
    from ipfs_accelerate.evidence.slides import Deck, write_slides

    deck = Deck(title, theme, kinds)
    made = write_slides(_ledger(db), _selection(given), output, deck=deck, progress=note)
    if as_json:
        facts = [_facts(drawn) for drawn in made.drawn]
        emit_json(
            "evidence-slides/1",
            {"output": str(output), "figures": facts, "left_out": dict(made.left_out)},
        )
        return
    click.echo(f"{len(made.drawn) + 2} slides with {len(made.drawn)} figures")
    for kind, reason in made.left_out.items():
        note(f"left out {kind}: {reason}")
    note(f"wrote {output}")


def _list(*, as_json: bool) -> None:
    from ipfs_accelerate.evidence.figures.registry import charts

    if as_json:
        kinds = [{"kind": c.kind, "about": c.about} for c in charts().values()]
        emit_json("evidence-figures/1", {"kinds": kinds})
        return
    for chart in charts().values():
        click.echo(f"{chart.kind:14} {chart.about}")


def _selection(given: dict[str, object]) -> Selection:
    from ipfs_accelerate.evidence.figures.chart import Selection
    from ipfs_accelerate.telemetry import Origin

    return Selection(**{**given, "origin": Origin(str(given["origin"]))})  # type: ignore[arg-type]


def _facts(drawn: Drawn) -> dict[str, object]:
    return {"kind": drawn.kind, **asdict(drawn.finding)}


def _ledger(db: Path | None) -> Ledger:
    from ipfs_accelerate.config import load_settings
    from ipfs_accelerate.store import Ledger

    settings = load_settings({"db_path": db})
    return Ledger(settings.ledger_path, read_only=True, lock_timeout_s=settings.lock_timeout_s)
