"""``accel bench``: measure models on targets, show and compare runs."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import click

from ipfs_accelerate.cli.bench_certify import certify
from ipfs_accelerate.cli.bench_plan import case_budget, increment_options, missing_request, plan
from ipfs_accelerate.cli.bench_profile import profile
from ipfs_accelerate.cli.bench_sweep import sweep
from ipfs_accelerate.cli.output import emit_json, json_option, note
from ipfs_accelerate.cli.quantities import duration, integers, names, share, size

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ipfs_accelerate.bench.run import BenchRequest, BenchResult
    from ipfs_accelerate.config import Settings
    from ipfs_accelerate.evidence.summary import RunSummary
    from ipfs_accelerate.store import Ledger

__all__ = ["command"]

_FORMATS = ("html", "markdown", "csv")
_SUFFIXES = {".html": "html", ".md": "markdown", ".csv": "csv"}


F = TypeVar("F", bound="Callable[..., object]")


def _ledger_option(function: F) -> F:
    return click.option(
        "--db", type=click.Path(path_type=Path), help="Ledger file; see the setting db_path."
    )(function)


@click.group()
def command() -> None:
    """Measure models on targets and compare them."""


command.add_command(plan)
command.add_command(profile)
command.add_command(sweep)
command.add_command(certify)


@command.command(
    epilog="Example: accel bench run ./model --targets 'onnxruntime/*,torch/cpu/fp32' --batch 1,8"
)
@click.argument("refs", nargs=-1, metavar="[REF]...")
@click.option("--targets", type=names, default="all", help="all, globs or names, by comma.")
@click.option("--batch", type=integers, default="1", help="Batch sizes, by comma.")
@click.option("--seq", type=integers, default="128", help="Tokens per text, by comma.")
@click.option("--image", type=integers, help="Pixels per side; the model's own if not given.")
@click.option("--audio-seconds", type=integers, help="Length of audio, by comma.")
@click.option("--new-tokens", type=integers, default="32", help="Tokens to generate.")
@click.option("--budget", type=duration, default="10s", help="Counted time per case.")
@click.option("--precision-goal", type=share, default="2%", help="Width of the interval.")
@click.option("--timeout", type=duration, help="Limit per case; see case_timeout_s.")
@click.option("--memory-limit", type=size, help="Limit per case, e.g. 8GiB.")
@click.option("--threads", type=click.IntRange(min=1), help="Intra-op threads; all cores.")
@click.option("--interleave/--no-interleave", default=True, help="Alternate between targets.")
@click.option("--gate/--no-gate", default=True, help="Check against the machine's peak (10 s).")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Of the drawn inputs.")
@click.option(
    "--input",
    "input_file",
    type=click.Path(exists=True, dir_okay=False),
    help="Text to use instead of drawn inputs, one item per line.",
)
@click.option("--plugin", "plugins", multiple=True, help="Further plugin: module or .py file.")
@click.option("--simulate", is_flag=True, help="Estimate named absent devices from datasheets.")
@click.option("--datasheet", "datasheets", multiple=True, help="Which, e.g. nvidia-h100.")
@click.option("--report", type=click.Path(path_type=Path), help="Write a report: file or folder.")
@click.option("--format", "formats", type=names, help="Of the report: html,markdown,csv.")
@increment_options
@_ledger_option
@json_option
def run(
    *,
    refs: tuple[str, ...],
    report: Path | None,
    formats: tuple[str, ...] | None,
    db: Path | None,
    as_json: bool,
    plugins: tuple[str, ...],
    **given: object,
) -> int:
    """Measure every model on every target at every size, each case in a process of its own.

    Exit status: 0 when every case succeeded, 1 when one failed, 130 when interrupted; what was
    finished is kept in either case.
    """
    from ipfs_accelerate.bench.progress import progress_for
    from ipfs_accelerate.bench.run import interruptible, run_benchmark
    from ipfs_accelerate.config import load_settings
    from ipfs_accelerate.plugins import load_plugin

    formats = _formats(report, formats)
    options = case_budget(given, refs)
    for plugin in plugins:
        load_plugin(plugin)
    settings = load_settings({"db_path": db})
    ledger = _ledger(settings)
    request, may_begin = _request(refs, settings, plugins, options), lambda: True
    if given["missing"]:
        increment, may_begin = missing_request(request, ledger, given, as_json=as_json)
        if increment is None:
            return 0
        request = increment
    progress = progress_for(sys.stderr)
    with interruptible() as is_cancelled:
        result = run_benchmark(
            request, ledger, progress=progress, is_cancelled=is_cancelled, may_begin=may_begin
        )
    _show_result(result, _summary(ledger, result.run_id), as_json=as_json)
    if report is not None:
        _write_report(result.run_id, ledger, report, formats)
    if result.left:
        note(f"{result.left} cases not begun, the budget is used up; run it again to continue")
    if result.is_cancelled:
        note("interrupted; everything finished so far is kept")
        return 130
    return 0 if result.success else 1


@command.command(name="list", epilog="Example: accel bench list --limit 5")
@click.option("--limit", type=click.IntRange(min=1), default=20, help="How many, newest first.")
@_ledger_option
@json_option
def list_runs(*, limit: int, db: Path | None, as_json: bool) -> None:
    """List the runs in the ledger, newest first."""
    from ipfs_accelerate.cli.bench_json import run_to_json
    from ipfs_accelerate.cli.bench_view import print_runs

    runs = _open(db).runs(limit)
    if as_json:
        emit_json("bench-list/1", {"runs": [run_to_json(run) for run in runs]})
    else:
        print_runs(runs)


@command.command(epilog="Example: accel bench show 3f2a --json | jq .recommendation")
@click.argument("run_id", metavar="RUN")
@click.option("--report", type=click.Path(path_type=Path), help="Write a report: file or folder.")
@click.option("--format", "formats", type=names, help="Of the report: html,markdown,csv.")
@_ledger_option
@json_option
def show(
    *,
    run_id: str,
    report: Path | None,
    formats: tuple[str, ...] | None,
    db: Path | None,
    as_json: bool,
) -> None:
    """Show the results of a run, named by its id or a unique beginning of it."""
    from ipfs_accelerate.cli.bench_json import summary_to_json
    from ipfs_accelerate.cli.bench_view import print_summary

    formats = _formats(report, formats)
    ledger = _open(db)
    summary = _summary(ledger, run_id)
    if as_json:
        emit_json("bench/1", summary_to_json(summary))
    else:
        print_summary(summary)
    if report is not None:
        _write_report(summary.run.run_id, ledger, report, formats)


@command.command(epilog="Example: accel bench compare 3f2a 9c1e")
@click.argument("before", metavar="RUN_A")
@click.argument("now", metavar="RUN_B")
@click.option("--threshold", type=share, default="3%", help="Smallest difference that counts.")
@_ledger_option
@json_option
def compare(*, before: str, now: str, threshold: float, db: Path | None, as_json: bool) -> int:
    """Compare RUN_B with the earlier RUN_A; exit 1 when a case became slower."""
    from ipfs_accelerate.bench.history import compare_runs
    from ipfs_accelerate.cli.bench_view import measured_records, print_comparisons

    ledger = _open(db)
    first, second = _summary(ledger, before), _summary(ledger, now)
    found = compare_runs(measured_records(first), measured_records(second), threshold=threshold)
    if as_json:
        emit_json(
            "bench-compare/1",
            {
                "before": first.run.run_id,
                "now": second.run.run_id,
                "threshold": threshold,
                "comparisons": [c.to_dict() for c in found],
            },
        )
    else:
        print_comparisons(found, title="RUN_B against RUN_A")
    return 1 if any(c.verdict == "slower" for c in found) else 0


def _formats(report: Path | None, formats: tuple[str, ...] | None) -> tuple[str, ...]:
    """Formats of the report; refused before anything is measured."""
    from ipfs_accelerate.errors import UnknownNameError, UsageError

    if report is None:
        if formats:
            raise UsageError("--format without --report", hint="add --report report/")
        return ()
    for name in formats or ():
        if name not in _FORMATS:
            raise UnknownNameError(name, _FORMATS)
    return formats or (_SUFFIXES.get(report.suffix, "html"),)


def _request(
    refs: tuple[str, ...], settings: Settings, plugins: tuple[str, ...], given: dict[str, object]
) -> BenchRequest:
    from ipfs_accelerate.bench.case import Limits
    from ipfs_accelerate.bench.measure import RunOptions
    from ipfs_accelerate.bench.plan import Sizes
    from ipfs_accelerate.bench.run import BenchRequest

    limits = Limits(
        timeout_ns=cast("int | None", given["timeout"]) or round(settings.case_timeout_s * 1e9),
        memory_bytes=cast("int | None", given["memory_limit"]),
        budget_ns=cast("int", given["budget"]),
        precision_goal=cast("float", given["precision_goal"]),
        threads=cast("int | None", given["threads"]),
    )
    options = RunOptions(
        limits,
        settings,
        seed=cast("int", given["seed"]),
        is_interleaved=bool(given["interleave"]),
        input_file=cast("str | None", given["input_file"]),
        plugins=tuple(plugins),
        is_gated=bool(given["gate"]),
    )
    sizes = {
        name: cast("tuple[int, ...]", given[option] or ())
        for name, option in (
            ("batch", "batch"),
            ("sequence", "seq"),
            ("image", "image"),
            ("audio_seconds", "audio_seconds"),
            ("new_tokens", "new_tokens"),
        )
    }
    return BenchRequest(
        refs,
        options,
        targets=cast("tuple[str, ...]", given["targets"]),
        sizes=Sizes(**sizes),
        simulate=bool(given["simulate"]),
        datasheets=cast("tuple[str, ...]", given["datasheets"]),
        command_line=shlex.join(["accel", *sys.argv[1:]]),
    )


def _ledger(settings: Settings, *, read_only: bool = False) -> Ledger:
    from ipfs_accelerate.store import Ledger

    return Ledger(settings.ledger_path, read_only=read_only, lock_timeout_s=settings.lock_timeout_s)


def _open(db: Path | None) -> Ledger:
    from ipfs_accelerate.config import load_settings

    return _ledger(load_settings({"db_path": db}), read_only=True)


def _summary(ledger: Ledger, run_id: str) -> RunSummary:
    from ipfs_accelerate.evidence.report.write import load_summary

    return load_summary(run_id, ledger)


def _show_result(result: BenchResult, summary: RunSummary, *, as_json: bool) -> None:
    from ipfs_accelerate.cli.bench_json import summary_to_json
    from ipfs_accelerate.cli.bench_view import print_comparisons, print_summary

    if as_json:
        payload = summary_to_json(summary, unavailable=result.unavailable)
        comparisons = [c.to_dict() for c in result.comparisons]
        emit_json("bench/1", payload | {"comparisons": comparisons})
        return
    print_summary(summary)
    if result.comparisons:
        print_comparisons(result.comparisons, title="Against the previous result of each case")


def _write_report(run_id: str, ledger: Ledger, destination: Path, formats: Sequence[str]) -> None:
    from ipfs_accelerate.evidence.report import write

    for path in write(run_id, ledger, destination, tuple(formats)):
        note(f"wrote {path}")
