"""The command that would fill a gap, ready to be pasted."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ipfs_accelerate.store import MeasurementRecord

__all__ = ["measure_command", "profile_command"]

#: Size of a workload → option that sets it.
_OPTIONS = {"sequence": "--seq", "image": "--image", "audio_seconds": "--audio-seconds"}


def measure_command(record: MeasurementRecord, targets: Sequence[str]) -> str:
    """What measures the workload of a row on these targets, in alternation."""
    words = ["accel", "bench", "run", record.model.model_name, "--targets", ",".join(targets)]
    tokens = record.shapes.get("new_tokens")
    more = ["--new-tokens", str(tokens)] if tokens else []
    return shlex.join([*words, *_sizes(record), *more])


def profile_command(record: MeasurementRecord) -> str:
    """What profiles a row, operator by operator."""
    words = ["accel", "bench", "profile", record.model.model_name, "--target", record.target]
    return shlex.join([*words, *_sizes(record)])


def _sizes(record: MeasurementRecord) -> list[str]:
    words = ["--batch", str(record.batch_size)]
    for name, option in _OPTIONS.items():
        if name in record.shapes:
            words += [option, str(record.shapes[name])]
    return words
