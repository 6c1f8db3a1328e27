"""Sound as one channel of float32 samples at the rate a model wants."""

from __future__ import annotations

import struct
from math import gcd
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ipfs_accelerate.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["as_waveforms"]

_MAX_RATE_HZ = 1_000_000


def as_waveforms(inputs: object, rate_hz: int) -> tuple[list[np.ndarray], bool]:
    """One recording or several as ``float32[samples]`` in -1..1, and whether it was one.

    Args:
        inputs: The path of a WAV file, an array at ``rate_hz``, ``(array, rate)``,
            ``{"array": …, "sampling_rate": …}``, or a list of them. Channels are the last axis.
        rate_hz: Rate wanted; other rates are resampled.

    Raises:
        InputError: It is none of these, or holds no samples.
    """
    if isinstance(inputs, list):
        if not inputs:
            raise InputError("an empty list of recordings")
        return [_one(item, rate_hz) for item in inputs], False
    return [_one(inputs, rate_hz)], True


def _one(item: object, rate_hz: int) -> np.ndarray:
    samples, rate = _samples(item, rate_hz)
    if rate < 1 or rate > _MAX_RATE_HZ:
        raise InputError(f"a sampling rate of {rate} Hz makes no sense")
    mono = _mono(_scaled(samples))
    if mono.size == 0 or not np.isfinite(mono).all():
        raise InputError("a recording is empty or has samples that are not numbers")
    return mono if rate == rate_hz else _resampled(mono, rate, rate_hz)


def _samples(item: object, rate_hz: int) -> tuple[np.ndarray, int]:
    if isinstance(item, (str, Path)):
        return _read(Path(item))
    if isinstance(item, np.ndarray):
        return item, rate_hz
    if isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], np.ndarray):
        return item[0], int(item[1])
    if isinstance(item, dict) and isinstance(item.get("array"), np.ndarray):
        return item["array"], _rate_of(item)
    raise InputError(
        f"expected a recording, got {type(item).__name__}",
        hint="pass a WAV file, an array, or (array, sampling rate)",
    )


def _rate_of(item: Mapping[str, object]) -> int:
    rate = item.get("sampling_rate")
    if not isinstance(rate, int):
        raise InputError("a recording as a mapping needs an integer 'sampling_rate'")
    return rate


def _read(path: Path) -> tuple[np.ndarray, int]:
    from scipy.io import wavfile

    if not path.is_file():
        raise InputError(f"no such recording: {path}")
    try:
        rate, samples = wavfile.read(path)
    except (ValueError, EOFError, OSError, struct.error) as error:
        raise InputError(
            f"{path} is not a WAV file that can be read: {error}",
            hint="convert it, e.g. ffmpeg -i IN -ar 16000 -ac 1 OUT.wav",
        ) from error
    return np.asarray(samples), int(rate)


def _scaled(samples: np.ndarray) -> np.ndarray:
    """Integers by their full scale, floats as they are."""
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - 128.0) / 128.0
    if np.issubdtype(samples.dtype, np.signedinteger):
        full = float(-np.iinfo(samples.dtype).min)
        return (samples.astype(np.float64) / full).astype(np.float32)
    if np.issubdtype(samples.dtype, np.floating):
        return samples.astype(np.float32)
    raise InputError(f"a recording cannot have samples of type {samples.dtype}")


def _mono(samples: np.ndarray) -> np.ndarray:
    if samples.ndim == 1:
        return samples
    if samples.ndim == 2 and samples.shape[1] <= 16:
        mean: np.ndarray = samples.mean(axis=1, dtype=np.float32)
        return mean
    raise InputError(f"a recording has shape {list(samples.shape)}; want [samples, channels]")


def _resampled(samples: np.ndarray, rate_hz: int, wanted_hz: int) -> np.ndarray:
    from scipy.signal import resample_poly

    common = gcd(rate_hz, wanted_hz)
    result = resample_poly(samples, wanted_hz // common, rate_hz // common)
    return np.asarray(result, dtype=np.float32)
