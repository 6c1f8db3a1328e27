"""A profile as a Chrome trace, which Perfetto opens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ipfs_accelerate.bench.profiling.run import ModelProfile

__all__ = ["require_writable", "trace_events", "write_trace"]

_OPERATORS, _LAYERS = 1, 2


def trace_events(profile: ModelProfile) -> list[dict[str, object]]:
    """One typical run: operators on a track, layers on another, memory as a counter.

    Operators whose runtime tells no beginning follow each other in order of execution.

    Source: Trace Event Format, https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
    """
    events: list[dict[str, object]] = [
        _name("process_name", 1, 0, f"{profile.model} on {profile.target}"),
        _name("thread_name", 1, _OPERATORS, "operators"),
        _name("thread_name", 1, _LAYERS, "layers"),
        _name("process_name", 2, 0, "memory while profiling"),
    ]
    events += _operator_events(profile)
    events += [
        {
            "name": "resident memory", "ph": "C", "pid": 2, "tid": 0, "ts": sample.at_ns / 1000,
            "args": {"MiB": sample.rss_bytes / 2**20},
        }
        for sample in profile.memory
    ]  # fmt: skip
    return events


def _operator_events(profile: ModelProfile) -> Iterator[dict[str, object]]:
    next_us, layer_began_us, layer = 0.0, 0.0, None
    for operator in profile.operators:
        told = operator.operator.start_ns
        began_us = next_us if told is None else told / 1000
        ended_us = began_us + operator.timing.time_ns / 1000
        if operator.operator.layer != layer:
            yield from _layer_event(layer, layer_began_us, next_us)
            layer, layer_began_us = operator.operator.layer, began_us
        next_us = ended_us
        yield {
            "name": operator.operator.op_type, "cat": operator.kind.value, "ph": "X", "pid": 1,
            "tid": _OPERATORS, "ts": began_us, "dur": operator.timing.time_ns / 1000,
            "args": {
                "node": operator.operator.name,
                "layer": operator.operator.layer,
                "device": operator.operator.device,
                "precision": operator.operator.precision,
                "flops": operator.work.flops,
                "bytes": operator.work.moved_bytes,
                "bound": operator.roof.bound if operator.roof else None,
            },
        }  # fmt: skip
    yield from _layer_event(layer, layer_began_us, next_us)


def _layer_event(
    layer: str | None, began_us: float, ended_us: float
) -> Iterator[dict[str, object]]:
    if layer is not None and ended_us > began_us:
        yield {
            "name": layer, "cat": "layer", "ph": "X", "pid": 1, "tid": _LAYERS, "ts": began_us,
            "dur": ended_us - began_us,
        }  # fmt: skip


def _name(kind: str, pid: int, tid: int, text: str) -> dict[str, object]:
    return {"name": kind, "ph": "M", "pid": pid, "tid": tid, "args": {"name": text}}


def require_writable(path: Path) -> None:
    """Refuse a file that cannot be written, before anything is measured.

    Raises:
        InputError: Its folder does not exist, or it is not a file one may write.
    """
    is_new = not path.exists()
    try:
        with path.open("a", encoding="utf-8"):
            pass
    except OSError as error:
        raise InputError(
            f"cannot write {str(path)!r}: {error.strerror}", hint="name a file in a folder of yours"
        ) from error
    if is_new:
        path.unlink()


def write_trace(profile: ModelProfile, path: Path) -> None:
    """Write the trace.

    Raises:
        InputError: The file cannot be written.
    """
    document = {
        "traceEvents": trace_events(profile),
        "displayTimeUnit": "ms",
        "otherData": {"model": profile.model, "target": profile.target, "case": profile.test_case},
    }
    try:
        path.write_text(json.dumps(document, allow_nan=False), encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write {str(path)!r}: {error.strerror}") from error
