"""Log-mel spectrograms as Whisper was trained on them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

__all__ = ["MelSettings", "log_mel"]

# The Slaney mel scale is linear up to 1 kHz (15 mel) and logarithmic above.
# Source: Slaney, Auditory Toolbox, Interval Research TR 1998-010.
_LINEAR_HZ = 200.0 / 3.0
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _LINEAR_HZ
_LOG_STEP = np.log(6.4) / 27.0


@dataclass(frozen=True, slots=True)
class MelSettings:
    """Shape of a spectrogram.

    Attributes:
        bins: Mel bands.
        rate_hz: Of the waveform.
        window: Samples per frame.
        hop: Samples from frame to frame.
    """

    bins: int = 80
    rate_hz: int = 16_000
    window: int = 400
    hop: int = 160


def log_mel(waveform: np.ndarray, frames: int, settings: MelSettings) -> np.ndarray:
    """Features of one window of sound.

    Args:
        waveform: ``float32[samples]``; cut or filled with silence to ``frames`` frames.
        frames: How many.
        settings: Of the spectrogram.

    Returns:
        ``float32[bins, frames]``, clipped to 8 orders below the loudest, scaled to about -1..1.

    Source: https://github.com/openai/whisper/blob/main/whisper/audio.py
    """
    wanted = frames * settings.hop
    sound = np.zeros(wanted, dtype=np.float64)
    sound[: min(wanted, len(waveform))] = waveform[:wanted]
    padded = np.pad(sound, settings.window // 2, mode="reflect")
    frames_of = np.lib.stride_tricks.sliding_window_view(padded, settings.window)
    windowed = frames_of[:: settings.hop][:frames] * _hann(settings.window)
    power = np.abs(np.fft.rfft(windowed, axis=1)) ** 2
    levels = np.log10(np.maximum(power @ _mel_filters(settings), 1e-10))
    levels = np.maximum(levels, levels.max() - 8.0)
    return np.ascontiguousarray(((levels + 4.0) / 4.0).T.astype(np.float32))


@cache
def _hann(size: int) -> np.ndarray:
    """The periodic Hann window."""
    window: np.ndarray = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(size) / size)
    return window


@cache
def _mel_filters(settings: MelSettings) -> np.ndarray:
    """Triangles of equal area on the mel scale, ``float64[window / 2 + 1, bins]``."""
    nyquist_hz = settings.rate_hz / 2
    frequencies_hz = np.linspace(0.0, nyquist_hz, settings.window // 2 + 1)
    edges_hz = _mel_to_hz(np.linspace(0.0, _hz_to_mel(nyquist_hz), settings.bins + 2))
    low, center, high = edges_hz[:-2], edges_hz[1:-1], edges_hz[2:]
    at = frequencies_hz[:, None]
    triangles = np.minimum((at - low) / (center - low), (high - at) / (high - center))
    filters: np.ndarray = np.maximum(0.0, triangles) * 2.0 / (high - low)
    return filters


def _hz_to_mel(frequency_hz: float) -> float:
    if frequency_hz < _BREAK_HZ:
        return frequency_hz / _LINEAR_HZ
    return float(_BREAK_MEL + np.log(frequency_hz / _BREAK_HZ) / _LOG_STEP)


def _mel_to_hz(mel: np.ndarray) -> np.ndarray:
    above = _BREAK_HZ * np.exp(_LOG_STEP * (mel - _BREAK_MEL))
    return np.where(mel < _BREAK_MEL, mel * _LINEAR_HZ, above)
