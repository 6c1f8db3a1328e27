"""``accel bench sweep``: try every configuration class of `transformers` on the runtimes here."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, cast

import click

from ipfs_accelerate.cli.output import emit_json, json_option, note
from ipfs_accelerate.cli.quantities import duration, names, size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ipfs_accelerate.bench.sweep import SweepRequest, SweepResult
    from ipfs_accelerate.store import Ledger, VerdictRecord

__all__ = ["sweep"]


@click.command(epilog="Example: accel bench sweep --sample 8 --seed 1 --budget 5m")
@click.option("--only", type=names, help="Only these: folders (bert) or classes (BertConfig).")
@click.option("--runtime", "runtimes", type=names, help="torch,onnxruntime,openvino.")
@click.option("--sample", type=click.IntRange(min=1), help="Only so many classes, drawn.")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Of the draw.")
@click.option("--budget", type=duration, help="Begin nothing after that, e.g. 8h.")
@click.option("--timeout", type=duration, default="120s", help="Limit per class.")
@click.option("--memory-limit", type=size, default="6GiB", help="Limit per class.")
@click.option("--retry-failed", is_flag=True, help="Try again what did not work.")
@click.option(
    "--stale", is_flag=True, help="Try again what other libraries or rules were tried with."
)
@click.option("--db", type=click.Path(path_type=Path), help="Ledger file; see the setting db_path.")
@json_option
def sweep(*, db: Path | None, as_json: bool, **given: object) -> int:
    """Try every configuration class of transformers, tiny and with seeded random weights.

    PyTorch comes first for all of them, then the exported graph on the other runtimes. A class has
    a process of its own, and its verdict is stored at once: run the command again to go on where it
    stopped. Exit status: 0 when all that was due was tried, 1 when the budget ended before.
    """
    from ipfs_accelerate.bench.run import interruptible
    from ipfs_accelerate.bench.sweep import run_sweep

    with interruptible() as is_cancelled:
        result = run_sweep(
            _request(given), _ledger(db), progress=_Lines(sys.stderr), is_cancelled=is_cancelled
        )
    if as_json:
        emit_json("bench-sweep/1", _to_json(result))
    else:
        _show(result)
    return {None: 0, "budget": 1}.get(result.stopped, 130)


def _request(given: dict[str, object]) -> SweepRequest:
    from ipfs_accelerate.bench.sweep import SweepRequest
    from ipfs_accelerate.bench.sweep.plan import RUNTIMES

    return SweepRequest(
        only=cast("tuple[str, ...]", given["only"] or ()),
        runtimes=cast("tuple[str, ...]", given["runtimes"] or tuple(RUNTIMES)),
        sample=cast("int | None", given["sample"]),
        seed=cast("int", given["seed"]),
        retry_failed=bool(given["retry_failed"]),
        retry_stale=bool(given["stale"]),
        budget_ns=cast("int | None", given["budget"]),
        timeout_ns=cast("int", given["timeout"]),
        memory_bytes=cast("int", given["memory_limit"]),
        command_line=shlex.join(["accel", *sys.argv[1:]]),
    )


def _ledger(db: Path | None) -> Ledger:
    from ipfs_accelerate.config import load_settings
    from ipfs_accelerate.store import Ledger

    settings = load_settings({"db_path": db})
    return Ledger(settings.ledger_path, lock_timeout_s=settings.lock_timeout_s)


class _Lines:
    """A line for every trial, with how long the rest takes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._count = self._done = 0

    def begin(self, count: int) -> None:
        """See `SweepProgress.begin`."""
        self._count = count

    def finished(self, config_class: str, records: Sequence[VerdictRecord], left_ns: int) -> None:
        """See `SweepProgress.finished`."""
        self._done += 1
        texts = [f"{r.base.target.partition('/')[0]}: {r.verdict.value}" for r in records]
        lines = list(dict.fromkeys(r.first_line for r in records if r.first_line))
        text = ", ".join(texts) or "nothing to try"
        reason = f" ({lines[0][:90]})" if lines else ""
        print(
            f"[{self._done}/{self._count}, {_span(left_ns)} left] {config_class}  {text}{reason}",
            file=self._stream,
            flush=True,
        )


def _span(value_ns: int) -> str:
    minutes = value_ns / 60e9
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def _to_json(result: SweepResult) -> dict[str, object]:
    return {
        "run_id": result.run_id,
        "planned": result.planned,
        "tried": result.tried,
        "verdicts": result.verdicts,
        "parts": result.parts,
        "elapsed_ns": result.elapsed_ns,
        "stopped": result.stopped,
    }


def _show(result: SweepResult) -> None:
    for target, counts in result.verdicts.items():
        print(f"{target}: " + ", ".join(f"{count} {name}" for name, count in counts.items()))
    if result.parts:
        print(f"{len(result.parts)} classes describe parts of other models and were tried as such")
    print(f"tried {result.tried} of {result.planned} in {_span(result.elapsed_ns)}")
    print(f"run {result.run_id}")
    if result.stopped:
        note(f"stopped by {result.stopped}; the same command goes on from here")
