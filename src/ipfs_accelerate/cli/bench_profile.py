"""``accel bench profile``: where the time of one run goes."""

from __future__ import annotations

import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from ipfs_accelerate.cli.output import emit_json, json_option, note
from ipfs_accelerate.cli.quantities import duration, size

if TYPE_CHECKING:
    from ipfs_accelerate.bench.measure import RunOptions
    from ipfs_accelerate.bench.profiling import ModelProfile, ProfileRequest, Suggestion
    from ipfs_accelerate.config import Settings

__all__ = ["profile"]


@click.command(
    epilog="Example: accel bench profile ./model --target onnxruntime/cpu/fp32 --report report/"
)
@click.argument("ref", metavar="REF")
@click.option("--target", required=True, help="Full name of one target.")
@click.option("--batch", type=click.IntRange(min=1), default=1, help="Items per call.")
@click.option("--seq", type=click.IntRange(min=1), default=128, help="Tokens per text.")
@click.option("--image", type=click.IntRange(min=1), help="Pixels per side; the model's own.")
@click.option("--audio-seconds", type=click.IntRange(min=1), help="Length of audio.")
@click.option("--repetitions", type=int, default=30, help="Runs with and without the profiler.")
@click.option("--threads", type=click.IntRange(min=1), help="Intra-op threads; all cores.")
@click.option("--timeout", type=duration, help="Limit; see case_timeout_s.")
@click.option("--memory-limit", type=size, help="Limit, e.g. 8GiB.")
@click.option("--gate/--no-gate", default=True, help="Measure the machine's peak (10 s).")
@click.option("--suggestions", type=click.IntRange(min=0), default=3, help="Targets to try.")
@click.option("--budget", type=duration, default="3s", help="Counted time per suggestion.")
@click.option("--top", type=click.IntRange(min=1), default=15, help="Operators to list.")
@click.option("--plugin", "plugins", multiple=True, help="Further plugin: module or .py file.")
@click.option("--trace", type=click.Path(path_type=Path), help="Write a trace for Perfetto.")
@click.option("--report", type=click.Path(path_type=Path), help="Write a report into a folder.")
@click.option("--db", type=click.Path(path_type=Path), help="Ledger file; see the setting db_path.")
@json_option
def profile(
    *,
    ref: str,
    trace: Path | None,
    report: Path | None,
    db: Path | None,
    top: int,
    as_json: bool,
    **given: object,
) -> None:
    """Show where the time of one run goes, operator by operator, and try what may shorten it.

    Times come from the runtime's own profiler; every suggestion was measured beside the target.
    """
    from ipfs_accelerate.bench.profiling import profile_model, try_suggestions, write_trace
    from ipfs_accelerate.bench.profiling.records import record_profile
    from ipfs_accelerate.bench.profiling.trace import require_writable
    from ipfs_accelerate.config import load_settings
    from ipfs_accelerate.plugins import load_plugin
    from ipfs_accelerate.store import Ledger

    for plugin in cast("tuple[str, ...]", given["plugins"]):
        load_plugin(plugin)
    if trace is not None:
        require_writable(trace)
    settings = load_settings({"db_path": db})
    request = _request(ref, settings, given)
    found = profile_model(request)
    ledger = Ledger(settings.ledger_path, lock_timeout_s=settings.lock_timeout_s)
    run_id = record_profile(found, ledger, command_line=shlex.join(["accel", *sys.argv[1:]]))
    tried = try_suggestions(
        found, _ungated(request), ledger, limit=cast("int", given["suggestions"])
    )
    _show(found, tried, (run_id, top), as_json=as_json)
    if trace is not None:
        write_trace(found, trace)
        note(f"wrote {trace}; open it at https://ui.perfetto.dev or chrome://tracing")
    if report is not None:
        from ipfs_accelerate.evidence.profile_report import write_report

        for path in write_report(found, tried, report):
            note(f"wrote {path}")


def _request(ref: str, settings: Settings, given: dict[str, object]) -> ProfileRequest:
    from ipfs_accelerate.bench.case import Limits
    from ipfs_accelerate.bench.measure import RunOptions
    from ipfs_accelerate.bench.plan import Sizes
    from ipfs_accelerate.bench.profiling import ProfileRequest

    limits = Limits(
        timeout_ns=cast("int | None", given["timeout"]) or round(settings.case_timeout_s * 1e9),
        memory_bytes=cast("int | None", given["memory_limit"]),
        budget_ns=cast("int", given["budget"]),
        threads=cast("int | None", given["threads"]),
    )
    options = RunOptions(
        limits,
        settings,
        plugins=cast("tuple[str, ...]", given["plugins"]),
        is_gated=bool(given["gate"]),
    )
    image, audio = given["image"], given["audio_seconds"]
    sizes = Sizes(
        batch=(cast("int", given["batch"]),),
        sequence=(cast("int", given["seq"]),),
        image=(cast("int", image),) if image else (),
        audio_seconds=(cast("int", audio),) if audio else (),
    )
    target, repetitions = str(given["target"]), cast("int", given["repetitions"])
    return ProfileRequest(ref, target, options, sizes, repetitions)


def _ungated(request: ProfileRequest) -> RunOptions:
    """Suggestions are compared with each other; the peak was measured once already."""
    from dataclasses import replace

    return replace(request.options, is_gated=False)


def _show(
    found: ModelProfile,
    tried: tuple[Suggestion, ...],
    shown: tuple[str, int],
    *,
    as_json: bool,
) -> None:
    run_id, top = shown
    if as_json:
        emit_json("bench-profile/1", {"run_id": run_id, **profile_to_json(found, tried)})
        return
    from ipfs_accelerate.cli.bench_profile_view import print_profile

    print_profile(found, tried, top=top)
    click.echo(f"run {run_id}")


def profile_to_json(found: ModelProfile, tried: tuple[Suggestion, ...]) -> dict[str, object]:
    """The whole profile but for raw samples and shapes."""
    return {
        "model": found.model,
        "target": found.target,
        "case": found.test_case,
        "origin": found.origin.value,
        "source": found.source,
        "resolution_ns": found.resolution_ns,
        "repetitions": found.repetitions,
        "whole": asdict(found.whole),
        "unattributed": {**asdict(found.unattributed), "share": found.unattributed_share},
        "plain": asdict(found.plain),
        "profiler_overhead": found.overhead_ratio,
        "bottleneck": asdict(found.bottleneck),
        "peaks": found.peaks.to_dict() if found.peaks else None,
        "why_no_peaks": None if found.peaks else found.why_no_peaks,
        "operators": [
            {
                "name": op.operator.name,
                "op_type": op.operator.op_type,
                "kind": op.kind.value,
                "layer": op.operator.layer,
                "device": op.operator.device,
                "precision": op.operator.precision,
                "calls": op.operator.calls,
                "share": op.share,
                **asdict(op.timing),
                **asdict(op.work),
                "roof": asdict(op.roof) if op.roof else None,
                "why_no_roof": op.why_no_roof,
            }
            for op in found.operators
        ],
        "memory": [asdict(sample) for sample in found.memory],
        "suggestions": [asdict(suggestion) for suggestion in tried],
    }
